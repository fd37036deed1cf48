-- On what it rests that a key is its shopper's: '' where it was only seen
-- beside another of hers, 'own' where it is the one she was first known by, else
-- what the retailer said.
alter table identifier add column basis text not null default '';
alter table identifier add column at bigint not null default 0;
update identifier set basis = 'own' where shopper in
	(select shopper from identifier group by shopper having count(*) = 1);

-- Evidence that a shopper and a key, or two shoppers, are one person, or are
-- not. Rows are added, never changed.
create table edge (
	id     text   primary key,
	a      bigint not null,
	b      bigint not null,
	kind   text   not null,
	value  text   not null,
	basis  text   not null,
	ppm    bigint not null,
	source text   not null,
	who    text   not null,
	say    text   not null,
	at     bigint not null
);
create index edge_a on edge (a);
create index edge_b on edge (b);
create index edge_key on edge (kind, value, a);

-- Evidence that counts no longer.
create table withdrawal (
	edge text   primary key,
	who  text   not null,
	say  text   not null,
	at   bigint not null
);

-- As whom shoppers are known who are one person with others: what the evidence
-- comes to.
create table member (
	shopper   bigint primary key,
	canonical bigint not null
);
create index member_canonical on member (canonical);

-- Changes of member that no fact tells of yet.
create table move (
	seq       bigint primary key,
	shopper   bigint not null,
	canonical bigint not null,
	at        bigint not null
);

-- Pairs found alike, which somebody may approve.
create table proposal (
	id     bigint primary key,
	a      bigint not null,
	b      bigint not null,
	ppm    bigint not null,
	source text   not null,
	say    text   not null,
	at     bigint not null,
	unique (a, b)
);
create index proposal_b on proposal (b);

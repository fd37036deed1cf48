-- Which partner was told a pseudonym of whom. Once she is forgotten shopper is
-- 0, and names holds the pseudonyms that the partner is to delete.
create table told (
	id      bigint primary key,
	partner text   not null,
	shopper bigint not null,
	names   text   not null,
	first   bigint not null,
	last    bigint not null
);
create index told_shopper on told (shopper, partner);
create index told_partner on told (partner, id);

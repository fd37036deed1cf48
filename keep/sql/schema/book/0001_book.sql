-- One row per deed that was done. A deed that was refused leaves no row.
create table deed (
	seq    bigint primary key,
	key    text   not null unique,
	body   bytea  not null,
	answer bytea  not null,
	at     bigint not null
);

-- What deeds booked, never changed. The postings of a deed lie side by side.
create table posting (
	seq      bigint primary key,
	deed     bigint not null,
	account  text   not null,
	currency text   not null,
	amount   bigint not null
);

-- The sum of each account's postings.
create table balance (
	account  text   not null,
	currency text   not null,
	amount   bigint not null,
	primary key (account, currency)
);

-- Facts on their way to the stream, as event.Pack writes them; gone once sent.
create table outbox (
	seq  bigint primary key,
	fact bytea  not null
);

-- Every version of everything people set up.
create table terms (
	seq     bigint primary key,
	kind    text   not null,
	id      text   not null,
	version bigint not null,
	doc     bytea  not null,
	removed bigint not null,
	author  text   not null,
	at      bigint not null,
	unique (kind, id, version)
);

-- The newest version of each.
create table newest (
	kind    text   not null,
	id      text   not null,
	version bigint not null,
	removed bigint not null,
	seq     bigint not null,
	primary key (kind, id)
);

-- Who holds a job, until when. fence grows with every new holder.
create table lease (
	name   text   primary key,
	holder text   not null,
	fence  bigint not null,
	ends   bigint not null
);

-- Numbers that must outlive the rows they counted.
create table mark (
	name  text   primary key,
	value bigint not null
);

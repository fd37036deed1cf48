-- Whose key that is.
create table identifier (
	kind    text   not null,
	value   text   not null,
	shopper bigint not null,
	primary key (kind, value)
);
create index identifier_shopper on identifier (shopper);

-- Everybody the vault has minted and not forgotten.
create table person (
	shopper bigint primary key
);

-- Dense numbers for bitmaps.
create table ordinal (
	shopper bigint primary key,
	number  bigint not null unique
);

-- Everything shoppers said about consent, never changed.
create table saying (
	seq     bigint primary key,
	shopper bigint not null,
	event   text   not null unique,
	allowed bigint not null,
	wording text   not null,
	source  text   not null,
	at      bigint not null
);
create index saying_newest on saying (shopper, at, seq);

-- Rows that could not be taken in. sum tells a repeat.
create table refusal (
	id     bigint primary key,
	sum    bytea  not null unique,
	kind   bigint not null,
	source text   not null,
	line   bigint not null,
	reason text   not null,
	say    text   not null,
	raw    bytea  not null,
	stored bytea  not null,
	at     bigint not null
);
create index refusal_at on refusal (at);

-- The installation's own keys.
create table secret (
	name  text  primary key,
	value bytea not null
);

-- A keyed hash of each forgotten shopper's id.
create table tombstone (
	sum bytea primary key
);

-- Numbers that must outlive the rows they counted.
create table mark (
	name  text   primary key,
	value bigint not null
);

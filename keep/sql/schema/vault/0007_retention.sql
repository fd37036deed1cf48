-- The newest business day on which a shopper is known to have acted, in days
-- since 1970; 0 where nobody looked yet.
alter table person add column active bigint not null default 0;
create index person_active on person (active, shopper);

-- What each run of retention did.
create table retention_run (
	at  bigint primary key,
	doc bytea  not null
);

-- To whom the retailer gives shoppers' data.
create table recipient (
	id  text  primary key,
	doc bytea not null
);

-- What was given of whom, and as whom the recipient knows her.
create table disclosure (
	recipient text   not null,
	shopper   bigint not null,
	alias     text   not null,
	what      text   not null,
	at        bigint not null,
	primary key (recipient, alias, shopper, what)
);
create index disclosure_shopper on disclosure (shopper);

-- What recipients must be told. told is 0 until they were.
create table notice (
	id        bigint primary key,
	recipient text   not null,
	alias     text   not null,
	cause     text   not null,
	at        bigint not null,
	due       bigint not null,
	told      bigint not null
);
create index notice_recipient on notice (recipient, told, id);
create index notice_told on notice (told, id);

-- What people asked by right of the law, and what became of it. shopper is 0
-- where she could not be told, and once she is forgotten.
create table request (
	id       text   primary key,
	kind     text   not null,
	state    text   not null,
	received bigint not null,
	due      bigint not null,
	extended bigint not null,
	closed   bigint not null,
	reason   text   not null,
	shopper  bigint not null,
	doc      bytea  not null
);
create index request_open on request (closed, id);

-- What each nightly erasure did.
create table sweep (
	at  bigint primary key,
	doc bytea  not null
);

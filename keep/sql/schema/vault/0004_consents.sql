-- How she said it, for how long it holds, and the salt of the record's digest,
-- which is empty until the store has given it a place in the chain.
alter table saying add column refused bigint not null default 0;
alter table saying add column version bigint not null default 0;
alter table saying add column language text not null default '';
alter table saying add column text_sum bytea not null default '';
alter table saying add column means text not null default '';
alter table saying add column channel text not null default '';
alter table saying add column country text not null default '';
alter table saying add column evidence text not null default '';
alter table saying add column note text not null default '';
alter table saying add column until bigint not null default 0;
alter table saying add column received bigint not null default 0;
alter table saying add column salt bytea not null default '';
create index saying_until on saying (until) where until > 0 and allowed > 0;

-- The texts that shoppers were shown, never changed.
create table wording (
	name     text   not null,
	version  bigint not null,
	language text   not null,
	body     text   not null,
	text_sum bytea  not null,
	who      text   not null,
	at       bigint not null,
	primary key (name, version, language)
);

-- One row for every saying there ever was: a salted digest of it, and the
-- chain's value with it. It names nobody, and stays when somebody is forgotten;
-- gone says that it was for that.
create table link (
	seq    bigint primary key,
	digest bytea  not null,
	chain  bytea  not null,
	gone   bigint not null default 0
);

-- The installation's own secrets that are rotated, in generations.
create table generation (
	ring   text   not null,
	number bigint not null,
	value  bytea  not null,
	made   bigint not null,
	primary key (ring, number)
);
insert into generation (ring, number, value, made) select 'tokens', 1, value, 0 from secret where name = 'tokens/1';
insert into generation (ring, number, value, made) select 'tombstones', 1, value, 0 from secret where name = 'vault/tombstones';
insert into generation (ring, number, value, made) select 'certificates', 1, value, 0 from secret where name = 'privacy/certificates/1';
insert into generation (ring, number, value, made) select 'backup-list', 1, value, 0 from secret where name = 'backup/tombstones';
delete from secret where name in ('tokens/1', 'vault/tombstones', 'privacy/certificates/1', 'backup/tombstones');

-- transactions, savepoints, settings, prepared statements, cursors.
begin
select 1
commit
start transaction
rollback
commit
rollback
begin; select 1/0
select 1
select * from nope
rollback
select 2
begin
savepoint a
select nope
select 1
rollback to savepoint a
select 3
release savepoint a
release a
rollback
begin
savepoint a
savepoint b
savepoint a
rollback to a
rollback to b
release b
rollback to a
end
begin isolation level serializable
show transaction_isolation
end
begin transaction isolation level read committed, read only
show transaction_read_only
show transaction_isolation
abort
begin read write
commit work
begin isolation level repeatable read
commit and chain
select 1
rollback and no chain
set transaction isolation level repeatable read
begin; set transaction read only; show transaction_read_only; commit
set session characteristics as transaction read only
show default_transaction_read_only
set session characteristics as transaction read write
begin; begin; commit
select 1; select 2; select 3
select 1; select 1/0; select 3
begin; set local timezone = 'Asia/Tokyo'; show timezone
rollback
show timezone
set statement_timeout = 5000
show statement_timeout
set statement_timeout to '10s'
show statement_timeout
set statement_timeout to default
show statement_timeout
reset statement_timeout
set search_path to system, public
show search_path
set application_name = 'x y'
show application_name
set extra_float_digits = 0
show extra_float_digits
set extra_float_digits = 1
set client_encoding to 'UTF8'
show client_encoding
set standard_conforming_strings = on
show standard_conforming_strings
show server_encoding
show integer_datetimes
show transaction isolation level
set my.var = 'hello'
show my.var
select current_setting('my.var')
select set_config('my.var', 'bye', false), current_setting('my.var')
select current_setting('no.var', true)
reset my.var
show work_mem
set work_mem = '8MB'
show work_mem
set enable_seqscan = off
show enable_seqscan
reset all
discard all
set search_path to system, public
prepare p (int) as select $1 + 1
execute p (5)
execute p ('7')
execute p (null)
prepare p (int) as select 1
deallocate p
execute p (1)
prepare q as select $1::text || '!', $2::int
execute q ('a', 2)
execute q ('a')
deallocate prepare q
prepare r as select * from dept where code = $1
execute r ('it')
execute r ('zz')
prepare s (text, int) as values ($1, $2)
execute s ('x', 1)
deallocate all
begin; declare c cursor for select id from emp order by id
fetch 1 from c
fetch next from c
fetch 2 from c
fetch forward 1 from c
move 1 in c
fetch all from c
fetch 1 from c
close c
fetch 1 from c
rollback
begin; declare c scroll cursor for select x from generate_series(1, 5) x
fetch all in c
fetch backward 2 from c
fetch first from c
fetch last from c
fetch absolute 2 from c
fetch relative 1 from c
fetch prior from c
fetch backward all from c
move forward all in c
move backward 1 in c
fetch 0 from c
commit
fetch 1 from c
begin; declare n no scroll cursor for select 1
fetch backward 1 from n
rollback
begin; declare h cursor with hold for select x from generate_series(1, 3) x; commit
fetch 2 from h
fetch h
close h
close all
declare d cursor for select 1
listen chan
unlisten *
unlisten chan
notify chan
select pg_advisory_lock(1)
select pg_advisory_unlock(1)
select pg_try_advisory_lock(2), pg_advisory_unlock_all()
explain select 1
lock table emp
checkpoint

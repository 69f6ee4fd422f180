-- what Postgres refuses, and how.
selec 1
select 1 from
select * frm emp
select (1
select 1)
select 'open
select "open
select 1 +
select , 1
select 1 1
select * from emp where
select * from emp group
select * from emp order by
insert into
update
delete emp
create table
drop
begin work nope
select * from nope
select * from nope.emp
select * from system.nope
select * from other.system.emp
select nope from emp
select emp.nope from emp
select e.id from emp
select x.y.z.w.v
select nope(1)
select upper(1, 2)
select lower()
select nope.upper('a')
select length(1, 2)
select sqrt('x')
select abs('x')
select abs('a'::text)
select upper(array[1])
select 1 + true
select 'a' + 'b'
select 'a'::text + 1
select date '2020-01-01' + true
select true + true
select -'a'
select -true
select not 5
select 1 || 2
select 'a' and true
select 1 or 2
select 1 = 'x'
select 1 = true
select date '2020-01-01' = 1
select 1 < 'a'::text
select 'x'::nope
select cast(1 as nope)
select 1::date
select true::date
select 1::timestamp
select date '2020-01-01'::int
select now()::int
select 1::uuid
select '{}'::json::int
select array[1]::int
select 1::int[]
select 'x'::int
select 'x'::bool
select 'x'::float8
select 'x'::numeric
select 'x'::date
select 'x'::timestamp
select 'x'::timestamptz
select 'x'::time
select 'x'::interval
select 'x'::uuid
select 'x'::json
select 'x'::int[]
select '300'::"char"::int
select 'abc'::varchar(0)
select 'abc'::char(0)
select 1::numeric(0)
select 1::numeric(2000)
select 1::numeric(5, 10)
select 99999999999::int
select 1e50::int8
select 1e400::float8
select '1e400'::float8
select 70000::int2
select 1 / 0
select 1.0 / 0
select 1 % 0
select 1::float8 / 0
select mod(1, 0)
select sqrt(-1)
select ln(0)
select power(0, -1)
select log(-1)
select exp(100000)
select factorial(100000)
select chr(-1)
select chr(1114112)
select substring('a' from 1 for -1)
select left('a')
select repeat('a')
select date '2020-13-01'
select date '2020-02-30'
select timestamp '2020-01-01 99:00'
select to_date('x', 'YYYY')
select make_date(2020, 13, 1)
select extract(nope from now())
select date_trunc('nope', now())
select date_part('nope', now())
select now() at time zone 'nope'
select set_config('timezone', 'nope', false)
select 'a' ~ '('
select 'a' like 'b' escape 'cd'
select 'abc' like 'a\'
select (select id from emp)
select id from emp group by dept
select count(*) from emp where count(*) > 1
select sum(count(*)) from emp
select * from emp where rank() over () = 1
select id from emp having id > 1
select distinct id from emp order by name
select id from emp union select name from emp
select id from emp union select id, name from emp
select id from emp order by 9
select id from emp order by nope
select id from emp group by 9
select id from emp limit 'a'
select id from emp limit -1
select * from emp e, emp e
select id from emp a, emp b
select 1 in (1, 'x')
select 1 in (select 1, 2)
select (1, 2) = (1, 2, 3)
select (1, 2) in ((1, 2, 3))
select case when 1 then 1 end
select case when true then 1 else 'x'::text end
select coalesce(1, 'x'::text)
select coalesce()
select nullif(1)
select greatest()
select array[1, 'x'::text]
select (array[1])['x']
select (1)[1]
select array[1, array[2]]
select row(1) = row(1, 2)
select $1
select $1 + 1
select * from generate_series(1)
select * from upper('a', 'b')
select unnest(1)
select * from unnest(5)
select json_object('{a}')
select '[1]'::jsonb - 'x'::int
select jsonb_set('1', '{a}', '2')
select jsonb_array_elements('{}')
select json_array_elements('1')
select jsonb_object_keys('[]')
with x as (select 1) select * from y
with x as (select 1), x as (select 2) select 1
with recursive x as (select * from x) select * from x
with recursive x(n) as (select n + 1 from x union all select 1) select * from x
with x(a, b) as (select 1) select * from x
values (1, 2), (3)
values (1), ('x')
select * from (values (1)) v(a, b)
set nope.x.y = 1
set work_mem_nope = 1
set timezone = 'nope/zone'
set statement_timeout = 'abc'
set datestyle = 'nope'
show nope
reset nope
set transaction isolation level nope
fetch 1 from nope
close nope
move 1 in nope
execute nope
deallocate nope
savepoint a
release savepoint a
rollback to savepoint a
declare c cursor for select 1
prepare p as nope
prepare p1 (int) as select $1; execute p1
execute p1 (1, 2)
execute p1 ('x')
deallocate p1
discard nope
lock table emp
drop table nope
drop view nope
drop schema nope
alter table nope add column x int
truncate nope
insert into nope values (1)
update nope set a = 1
delete from nope
create table emp (a nope)
create view v as select * from nope
create index on nope (a)
comment on table nope is 'x'
grant select on nope to public
copy nope to stdout
copy (select nope) to stdout
explain select * from nope
explain (nope) select 1
analyze nope
vacuum nope
call nope()
do $$ begin nope; end $$
listen
notify
select pg_terminate_backend('x')
select currval('nope')
select nextval('nope')
select 'nope'::regclass
select 'nope'::regtype
select 'nope()'::regprocedure
select pg_size_pretty('x')
select current_setting('nope')
select trim(1)
select trim(both from 1)
select position(1 in 2)
select overlay(1 placing 2 from 3)
select 'a' collate nope
select 'a' < 'b' collate "nope"
select * from emp for update of nope
select * from emp natural join nope
select * from emp join dept on 1
select * from emp where 1
select * from emp where id
select * from emp where name = 5
select * from emp where id = 'x'
select * from emp where hired = 'x'
select * from emp where salary > 'x'
select id::date from emp
select name::int from emp
select sum(hired) from emp
select avg(name) from emp
select max(nope) from emp
select id + name from emp
select hired + hired from emp
select hired + 1.5 from emp
select name || id from emp order by id limit 1
select name - 1 from emp
grant select on emp to public
grant select on nope to public
grant select on emp to nobody_known
grant usage on schema public to public
select 123abc;
select 0.0e;
drop function no_such_function(int);
drop function if exists no_such_function(int);
drop type no_such_type;
drop sequence no_such_sequence;
drop sequence if exists no_such_sequence, another;
drop index no_such_index;
drop domain if exists no_such_domain;
vacuum no_such_table;
analyze no_such_table;
vacuum;
analyze;
set enable_memoize to off;
set seq_page_cost to 'NaN';
show jit_above_cost;

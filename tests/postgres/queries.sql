-- subqueries, CTEs, set operations, VALUES, CASE, ORDER BY, LIMIT, names of columns.
select 1 as a, 'x' as b
select 1 a, 2 b
select 1 "A b"
select
select from emp limit 1
select count(*) from (select from emp) x
select *, 1 as one from dept order by code
select d.* from dept d order by code
select code, floor as "F" from dept order by "F"
select case when true then 1 end, case 1 when 1 then 'a' else 'b' end, case when false then 1 end, coalesce(1, 2), nullif(1, 2), greatest(1, 2), array[1], row(1, 2), 1 + 1, -1, 'x', null, true, not true
select upper('x'), lpad('x', 3), count(*), max(1), now() is null, current_date is null, current_user is null, '1'::int, 1::text, int '1', cast(1 as int8), (select 1), (select 1 as q), exists (select 1), extract(year from date '2020-01-01'), interval '1 day', date '2020-01-01', (array[1])[1], 1 in (1), 1 between 0 and 2, 'a' like 'b', 'a' || 'b'
select position('a' in 'b'), substring('abc' from 1 for 1), trim('x'), overlay('abc' placing 'x' from 1), a.x, (a).x, a.x::text, a.x + 1, case when true then a.x end, case when true then 1 else a.x end from (select 1 as x) a
select 1 union select 2 order by 1
select 1 union all select 1
select 1 union select 1
select 1 intersect select 1
select 1 except select 1
select 1 intersect all select 1
select x from (values (1), (1), (2)) v(x) except all select 1
select 1 as a union select 2 as b order by a desc
(select 1) union all (select 2) order by 1 desc limit 1
select 1 union select 'a'
select 1 union select 2, 3
select 1 union select null order by 1
select 1 union select 1.5 order by 1
select 'a' union select null order by 1 nulls first
select * from (select 1 union select 2 union all select 2) x order by 1
values (1, 'a'), (2, 'b')
values (1), (2.5), (3)
values (1, 2), (3)
select * from (values (1, 'one'), (2, 'two')) as t (num, word)
select column1, column2 from (values (1, 'x')) v
values (1), (2) order by 1 desc limit 1
select * from (values (null), ('a')) v
table dept order by code
with x as (select 1 as a) select * from x
with x(a, b) as (select 1, 2), y as (select a + b as c from x) select * from y
with recursive t(n) as (values (1) union all select n + 1 from t where n < 5) select sum(n) from t
with recursive t(n) as (select 1 union all select n + 1 from t where n < 5) select n from t order by n
with recursive t(n, f) as (select 1, 1::int8 union all select n + 1, f * (n + 1) from t where n < 10) select * from t order by n
with recursive sub(id, name, lvl) as (select id, name, 0 from emp where boss is null union all select e.id, e.name, s.lvl + 1 from emp e join sub s on e.boss = s.id) select * from sub order by id
with recursive t(n) as (select 1 union select n % 3 + 1 from t) select * from t order by 1
with recursive p(s) as (select 'a' union all select s || 'a' from p where length(s) < 4) select * from p
with x as materialized (select 1 as a) select a from x, x as y where false
with x as (select 1) select * from x, x y
with a as (select 1 x), b as (select * from a) select * from b union all select * from a
select * from x_nope
select (select 1), (select 1 where false)
select (select 1 union select 2)
select (select 1, 2)
select 1 in (select 1), 1 not in (select 2), 1 = any (select 1), 1 < all (select 2), 3 > some (select 1), null in (select 1)
select exists (select 1 where false), not exists (select 1)
select * from (select 1 as a, 2 as b) x where a < (select max(floor) from dept)
select id from emp where salary = (select max(salary) from emp)
select id from emp where salary > all (select salary from emp where dept = 'hr') order by id
select id from emp e where salary > (select avg(salary) from emp b where b.dept = e.dept) order by id
select dept, (select max(name) from emp b where b.dept = e.dept) from emp e group by dept order by dept
select name from emp order by salary desc limit 2
select name from emp order by salary desc limit 2 offset 1
select name from emp order by id offset 4
select name from emp order by id fetch first 2 rows only
select name from emp order by id fetch first row only
select name from emp order by id offset 2 rows fetch next 1 row only
select salary from emp order by salary desc fetch first 2 rows with ties
select name from emp order by id limit all
select name from emp limit null offset 5
select 1 limit -1
select 1 offset -1
select 1 limit 'x'
select name, boss from emp order by boss, name
select name, boss from emp order by boss desc, name
select name, boss from emp order by boss nulls first, name desc
select name from emp order by upper(name) desc
select name as n from emp order by n limit 1
select id, -id as m from emp order by m limit 2
select id from emp order by 2
select id from emp order by name, 5
select id + 1 from emp order by id + 1 desc limit 1
select distinct dept, active from emp order by 1, 2
select distinct dept from emp order by salary
select id from emp where id in (1, 3, 5) order by id
select id from emp where id not in (1, 3) and dept = 'it' order by id
select id from emp where (dept, active) = ('it', true) order by id
select id from emp where salary between 1500 and 2500 order by id
select id from emp where name like 'A%' or name ilike 'b%' order by id
select id from emp where boss is null
select id from emp where boss is distinct from 1 order by id
select id from emp where hired > '2019-06-01' order by id
select id from emp where seen >= timestamp '2020-01-01' and active order by id
select id from emp where dept = any (array['it', 'hr']) order by id
select name, case when salary > 2000 then 'high' when salary > 1500 then 'mid' else 'low' end as band from emp order by id
select name, case dept when 'it' then 1 when 'hr' then 2 end from emp order by id
select sum(case when active then 1 else 0 end), avg(case when active then salary end) from emp
select case when 1 = 1 then 1 else 'x' end
select case when 1 then 2 end
select case 1 when 'a' then 1 end
select case when true then 1 else 1 / 0 end
select coalesce(boss, 0), nullif(dept, 'it') from emp order by id
select coalesce(1, 'x')
select greatest(salary, 2000), least(hired, date '2019-01-01') from emp order by id limit 2
select emp from emp order by id limit 1
select e from (select 1 as a, 'x' as b) e
select emp.* from emp where id = 1
select id as x, x + 1 from emp
select id i from emp where i = 1
select all 1
select 1 as from_x, 2 as select_y
select id, id from emp where id = 1
select a.id, b.id from emp a, emp b where a.id = 1 and b.id = 2
select generate_series(1, 3)
select generate_series(1, 3) as x, 'a' as y
select generate_series(1, 10, 3), generate_series(5, 1, -2)
select generate_series(1, 3) * 2
select * from generate_series(1, 3)
select * from generate_series(1, 3) as x
select * from generate_series(1, 3) as t(x) where x > 1
select x from generate_series(1, 3) x
select g.x, g.x * 2 as d from generate_series(1, 3) as g(x)
select count(*) from generate_series(1, 1000)
select sum(g) from generate_series(1, 100) g
select generate_series(1.0, 2.0, 0.5)
select * from generate_series(3, 1)
select * from generate_series(1, 3, 0)
select * from generate_series(1, 3) with ordinality as t(a, b)
select x, (select sum(y) from generate_series(1, x) y) from generate_series(1, 3) x
select * from rows from (generate_series(1, 2), generate_series(1, 3))
select pg_typeof(1), pg_typeof('a'), pg_typeof(null), pg_typeof(true), pg_typeof(now()), pg_typeof(array[1]), pg_typeof(1.5), pg_typeof('1 day'::interval), pg_typeof(current_date), pg_typeof('a'::varchar(3)), pg_typeof(1::float4), pg_typeof('x'::bytea), pg_typeof(row(1, 2)), pg_typeof(sum(1)), pg_typeof(count(*)), pg_typeof(avg(1))
select version() like 'PostgreSQL 15%', current_schema, current_database() is not null, current_setting('server_version_num')::int >= 150000, pg_backend_pid() > 0, session_user is not null
select num_nulls(1, null, 2), num_nonnulls(1, null)
select 1 is distinct from 2, null is distinct from null, 1 is not distinct from 1
select 1 isnull, 1 notnull
select '1' = 1, 1 = '1', '1' < 2
select 'a' = 1
select 1; select 2
select /* comment */ 1 -- more
select 1 where 1 = 1 and exists (select 1)
select 1 group by 1
select tableoid from emp limit 0
select ctid from emp limit 0
select * from emp tablesample system (100) where false
select emp.id from emp for update
select current_date::text = to_char(current_date, 'YYYY-MM-DD')
select md5(random()::text) is not null
select pg_sleep(0), txid_current() > 0
select has_table_privilege('emp', 'select'), pg_column_size(1)
select x.* from (select 1, 2) x(a, b)
select x.a from (select 1, 2) x(a, b, c)
select * from (select 1)
select ((1))
select 1 + (2 * 3)
select 2 + 3 * 4 ^ 2, -2 ^ 2, 2 - 1 - 1, 7 / 2 * 2, not true = false, 1 < 2 = true
select * from (values (1), (1), (2)) a(x) except all select * from (values (1)) b(x) order by 1
select * from (values (1), (1), (2), (null), (null)) a(x) except all select * from (values (1), (3), (null)) b(x) order by 1
select * from (values (1), (1), (2)) a(x) intersect all select * from (values (1)) b(x) order by 1
select * from (values (1), (1), (2), (null), (null)) a(x) intersect all select * from (values (1), (1), (1), (null)) b(x) order by 1
select * from (values (1, 'a'), (1, 'a'), (1, 'b')) a(x, y) except all select * from (values (1, 'a')) b(x, y) order by 1, 2
(select 1 union all select 1) except all (select 1 except all select 2) order by 1
select count(*) from (select dept from emp except all select code from dept) x
select (select 1), (select 2), (select max(id) from emp)
select '1'::int, '1'::text, 1::int, 1::text, 1::int8 + 1, 1 + 1
select (select count(*) from emp) - (select count(*) from dept), (select 1) + 1, (select 2) + 1
select * from (select id from emp order by id desc) s limit 2

-- window functions.
select id, row_number() over (order by id) from emp order by id
select dept, id, rank() over (partition by dept order by salary desc), dense_rank() over (partition by dept order by salary desc) from emp order by dept, id
select id, sum(salary) over (partition by dept) from emp order by id
select id, sum(salary) over (order by id) from emp order by id
select id, avg(salary) over (order by id rows between 1 preceding and 1 following) from emp order by id
select id, sum(id) over (order by id rows 2 preceding) from emp order by id
select id, count(*) over (order by dept range between unbounded preceding and current row) from emp order by id
select id, sum(id) over (order by id range between 1 preceding and 1 following) from emp order by id
select id, sum(salary) over (order by hired range between '1 year' preceding and current row) from emp order by id
select id, lag(name) over (order by id), lead(name) over (order by id) from emp order by id
select id, lag(salary, 2, 0) over (order by id), lead(id, 1, -1) over (order by id) from emp order by id
select id, first_value(name) over w, last_value(name) over w, nth_value(name, 2) over w from emp window w as (partition by dept order by id) order by id
select id, ntile(3) over (order by id) from emp order by id
select id, percent_rank() over (order by salary), cume_dist() over (order by salary) from emp order by id
select id, max(salary) over (partition by dept order by id rows between unbounded preceding and unbounded following) from emp order by id
select id, row_number() over () from emp order by id limit 2
select id, count(*) over w, sum(id) over w from emp window w as (partition by active order by id) order by id
select dept, sum(count(*)) over (order by dept) from emp group by dept order by dept
select * from (select id, rank() over (partition by dept order by salary desc) r from emp) x where r = 1 order by id
select id, sum(id) filter (where active) over (order by id) from emp order by id
select id, sum(id) over (order by id groups between 1 preceding and current row) from emp order by id
select id, sum(id) over (order by id rows between unbounded preceding and unbounded following exclude current row) from emp order by id
select id, string_agg(name, ',') over (order by id) from emp order by id
select id, array_agg(id) over (order by id rows 1 preceding) from emp order by id
select id, lag(id) over (order by id desc) from emp order by id
select id, salary - avg(salary) over (partition by dept) as diff from emp order by id
select ntile(0) over (order by id) from emp
select nth_value(id, 0) over (order by id) from emp
select row_number() from emp
select id from emp where row_number() over () = 1
select sum(id) over (order by id rows between 1 following and 1 preceding) from emp
select rank() over w from emp
select lag(id) over (order by id rows -1 preceding) from emp
select first_value(id) over (order by salary desc), last_value(id) over (order by salary desc) from emp order by id
select sum(x) over (order by x), count(*) over (partition by x % 2) from generate_series(1, 5) x order by x
select x, sum(x) over (order by x rows between 1 preceding and 1 following) from generate_series(1, 5) x
select min(x) over (order by x desc), max(x) over () from (values (3), (1), (2)) v(x) order by x
select lead(x, 2) over (order by x), lag(x, 1, 99) over (order by x) from (values (3), (1), (2)) v(x) order by x
select rank() over (order by x), dense_rank() over (order by x), percent_rank() over (order by x) from (values (1), (1), (2)) v(x)
select sum(x) over w1, sum(x) over (w1 rows 1 preceding) from (values (1), (2), (3)) v(x) window w1 as (order by x)
select avg(x) over (order by x), sum(x::int8) over () from (values (1), (2)) v(x)
select cume_dist() over (partition by y order by x), row_number() over (order by y, x) from (values (1, 'a'), (2, 'a'), (1, 'b')) v(x, y) order by y, x
select x, sum(x) over (order by x range between 1::int4 preceding and 1::int4 following) from generate_series(1, 5) x order by x;
select d, count(*) over (order by d range between '1 day'::interval preceding and '2 days'::interval following) from (values (date '2026-01-01'), ('2026-01-02'), ('2026-01-05')) t(d) order by d;
select x, sum(x) over (order by x rows between 1 preceding and current row exclude no others) from generate_series(1, 3) x order by x;

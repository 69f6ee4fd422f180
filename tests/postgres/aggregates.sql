-- aggregates, grouping, filter, ordered sets. The tables are those of the test's fixture.
select count(*), count(boss), count(distinct dept) from emp
select sum(salary), avg(salary), min(salary), max(salary) from emp
select sum(id), avg(id), sum(rate), avg(rate) from emp
select dept, count(*), sum(salary), round(avg(salary), 2) from emp group by dept order by dept
select dept, count(*) as n from emp group by dept having count(*) > 1 order by n desc, dept
select dept, max(hired), min(name) from emp group by 1 order by 1 nulls first
select dept, active, count(*) from emp group by dept, active order by 1, 2
select extract(year from hired) as y, count(*) from emp group by y order by y
select upper(dept) as d, sum(id) from emp group by upper(dept) order by d
select count(*) filter (where active), count(*) filter (where salary > 2000), sum(salary) filter (where dept = 'it') from emp
select string_agg(name, ', ' order by name) from emp
select dept, string_agg(name, ',' order by salary desc) from emp group by dept order by dept
select array_agg(id order by id) from emp where dept = 'it'
select array_agg(distinct dept order by dept) from emp
select bool_and(active), bool_or(active), every(active) from emp
select bit_and(id), bit_or(id), bit_xor(id) from emp
select stddev(salary), variance(salary), stddev_pop(salary), var_pop(salary), stddev_samp(salary), var_samp(salary) from emp
select stddev(rate), variance(rate), stddev_pop(rate), var_pop(rate) from emp
select stddev(id), variance(id) from emp
select corr(rate, id), covar_pop(rate, id), covar_samp(rate, id) from emp
select regr_count(rate, id), regr_slope(rate, id), regr_intercept(rate, id), regr_r2(rate, id), regr_avgx(rate, id), regr_avgy(rate, id), regr_sxx(rate, id), regr_syy(rate, id), regr_sxy(rate, id) from emp
select percentile_cont(0.5) within group (order by salary) from emp
select percentile_cont(0.5) within group (order by rate) from emp
select percentile_disc(0.5) within group (order by salary) from emp
select percentile_disc(0.25) within group (order by name) from emp
select percentile_cont(array[0.25, 0.5, 0.75]) within group (order by rate) from emp
select mode() within group (order by dept) from emp
select dept, percentile_cont(0.5) within group (order by id) from emp group by dept order by dept
select rank(2000) within group (order by salary) from emp
select dept, grouping(dept), count(*) from emp group by rollup (dept) order by 1, 2
select dept, active, count(*) from emp group by cube (dept, active) order by 1, 2, 3
select dept, active, count(*) from emp group by grouping sets ((dept), (active), ()) order by 1, 2, 3
select dept, active, grouping(dept, active), sum(id) from emp group by rollup (dept, active) order by 1, 2, 3
select count(*) from emp where false
select sum(id), max(id), avg(id) from emp where false
select count(*), sum(id) from emp where false group by dept
select max(name), min(name) from emp
select max(seen), min(hired) from emp
select sum(distinct id % 3), count(distinct (dept, active)) from emp
select dept from emp group by dept order by count(*) desc, dept limit 2
select any_value(dept) from emp
select dept, name from emp group by dept
select dept, sum(salary) from emp
select sum(sum(id)) from emp
select * from emp where sum(id) > 1
select count(*) from emp group by count(*)
select dept from emp having dept = 'it'
select 1 from emp having true
select sum(name) from emp
select avg(active) from emp
select max(active) from emp
select sum() from emp
select count() from emp
select sum(id, 2) from emp
select nosuchagg(id) from emp
select string_agg(id, ',') from emp
select percentile_cont(1.5) within group (order by rate) from emp
select percentile_cont(0.5) from emp
select count(*) over (), count(*) from emp
select avg(salary)::numeric(10,2), sum(salary)::int from emp
select sum(salary) / count(*) from emp where dept = 'it'
select max(salary) - min(salary) as spread from emp
select coalesce(sum(salary), 0) from emp where false
select case when count(*) > 3 then 'many' else 'few' end from emp
select dept, count(*) * 100.0 / sum(count(*)) over () from emp group by dept order by dept
select dept || '!' as x, count(*) from emp group by x order by x
select length(name), count(*) from emp group by length(name) order by 1
select dept as name, count(*) from emp group by dept order by name
select distinct dept from emp order by dept
select distinct on (dept) dept, name, salary from emp order by dept, salary desc
select distinct on (dept) dept, name from emp order by name
select count(distinct name) filter (where active) from emp
select min(id), max(id) from emp group by ()
select sum(1), sum(1.5), count(1), avg(1) from emp
select json_agg(name order by id) from emp where dept = 'hr'
select date_trunc('year', hired) as y, sum(salary) from emp group by 1 order by 1
select dept, array_agg(name order by name) filter (where active) from emp group by dept order by 1
select var_pop(x), var_samp(x), stddev_pop(x), stddev_samp(x), variance(x), stddev(x) from (values ('nan'::float8)) t(x);
select var_pop(x), var_samp(x), stddev_pop(x), stddev_samp(x) from (values (1::float8), ('infinity')) t(x);
select var_pop(x), var_samp(x), stddev(x) from (values (100000003::float8), (100000004), (100000006), (100000007)) t(x);
select var_pop(x), var_samp(x), stddev(x) from (values (1.5::float8), (null)) t(x);
select g, stddev_pop(x) from (values (1, 1.5::float8), (1, 2.5), (2, 7), (2, null)) t(g, x) group by g order by g;
select x, stddev_pop(x) over (order by i rows 1 preceding) from (values (1, 1::float8), (2, 3), (3, 'nan'), (4, 5), (5, 9)) t(i, x) order by i;
select array_agg(distinct x), string_agg(distinct x::text, ',') from (values (3), (1), (2), (3), (null)) t(x);
select array_agg(distinct x order by x desc) from (values (3), (1), (2), (3), (null)) t(x);
select string_agg(x, ',' order by x desc), string_agg(distinct x, '-' order by x), array_agg(distinct x order by x) from (values ('b'), ('a'), ('b')) t(x);
select percentile_disc(0.5) within group (order by x), percentile_disc(0) within group (order by x), percentile_disc(1) within group (order by x desc) from (values (3), (1), (2), (null), (4)) t(x);
select g, percentile_disc(0.25) within group (order by x) filter (where x > 1) from (values (1, 'a'), (2, 'a'), (3, 'a'), (4, 'b'), (1, 'b')) t(x, g) group by g order by g;
select percentile_disc(0.9) within group (order by x) from (values ('b'), ('a'), ('c')) t(x);
select rank(2) within group (order by x), dense_rank(3) within group (order by x), percent_rank(2) within group (order by x), cume_dist(2) within group (order by x) from (values (3), (1), (1), (2), (4)) t(x);
select rank(2) within group (order by x desc), cume_dist(2) within group (order by x desc) from (values (3), (1), (2), (null)) t(x);
select rank(2) within group (order by x), percent_rank(2) within group (order by x), cume_dist(2) within group (order by x) from (values (1)) t(x) where x > 5;
select percentile_disc(0.07) within group (order by x), percentile_disc(0.29) within group (order by x) from generate_series(1, 100) x;

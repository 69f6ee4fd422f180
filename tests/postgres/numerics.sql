-- numeric.
select 1.1, 1.10, 0.5, .5, 5., 100.00
select 1.1 + 2.22, 1.1 - 2.22, 1.1 * 2.22, 1.5 * 2
select 10.0 / 4, 1.0 / 3, 10 / 4.0, 2.0 / 3.0, 1 / 3.0
select 100.0 / 3, 1000000.0 / 7, 0.001 / 3, 22.0 / 7.000
select 10.5 % 3, -10.5 % 3, mod(10.5, 3)
select 1.0 / 0
select 1.5 % 0
select 1.5::numeric, 1.555::numeric(5, 2), -1.555::numeric(5, 2), 12::numeric(5, 2)
select 1234.5::numeric(4, 1)
select 12345::numeric(4, 1)
select '1.5'::numeric, ' 2.50 '::numeric, '-3'::numeric, '1e3'::numeric, '1.5e-3'::numeric
select 'NaN'::numeric, 'Infinity'::numeric, '-inf'::numeric
select 'abc'::numeric
select ''::numeric
select '1.2.3'::numeric
select numeric '12.340', decimal '5.6'
select round(2.5), round(-2.5), round(2.45, 1), round(1234.5678, -2), round(5, 2)
select trunc(2.567, 1), trunc(-2.5), ceil(2.1), floor(-2.1), ceil(-2.1)
select abs(-1.50), sign(-1.50), -(-1.5)
select sqrt(2.0), sqrt(4.00), exp(1.0), ln(2.0), log(2.0), log(2.0, 8.0)
select power(2.0, 0.5), power(1.5, 2), 2.0 ^ 3, 2 ^ 3.0
select ln(0.0)
select ln(-1.5)
select log(0.0)
select sqrt(-2.0)
select power(0.0, -1)
select power(-2.0, 0.5)
select 1.1 = 1.10, 1.1 < 1.2, 1 = 1.0, 1.5 > 1
select x from (values (1.5), (2), (3.25)) v(x) order by x
select x::numeric(10,2) from (values (1.5), (2), (3.25)) v(x) order by x
select sum(x), avg(x), min(x), max(x) from (values (1.5), (2.5), (4)) v(x)
select sum(x), avg(x) from (values (1.50::numeric(10,2)), (2.25)) v(x)
select avg(x) from (values (1), (2), (2)) v(x)
select avg(x) from (values (1::int8), (2), (2)) v(x)
select avg(x) from (values (0.1), (0.2)) v(x)
select variance(x), stddev(x), var_pop(x), stddev_pop(x) from (values (1.0), (2.0), (4.0)) v(x)
select 123456789012345678901234567890, 12345678901234567890.123456789
select 99999999999999999999 + 1, 99999999999999999999 * 99999999999999999
select 1.1::float8, 1.1::int, 1.9::int8, 1.5::text, 1.50::text
select 0.0, -0.0, 00.10
select 1e3, 1.5e2, 1e-3, 1E5
select greatest(1.5, 2), least(1, 0.5)
select coalesce(1, 2.5), case when true then 1 else 2.5 end
select 1.1 union select 2 order by 1
select 3 union all select 1.25 order by 1
select scale(1.500), min_scale(1.500), trim_scale(1.500), trim_scale(120.00)
select div(7.5, 2), div(-7.5, 2)
select gcd(12.0, 18.0), lcm(1.5, 2)
select factorial(20), factorial(25)
select width_bucket(3.5, 0, 10, 5), width_bucket(-1.0, 0, 10, 5), width_bucket(11.0, 0, 10, 5)
select width_bucket(3.5, 10, 0, 5)
select width_bucket(3.5, 0, 0, 5)
select width_bucket(3.5, 0, 10, -5)
select to_char(1234.5, '9999.99'), to_char(-1234.5, '9999.99'), to_char(0.5, '0.99')
select 5::numeric / 2, 5.00 / 2, 6 / 2.00
select 0.1 + 0.2, 0.1 * 3, 1 - 0.9
select 1000000000 * 1.5, 12.5 * 100, 2.50 * 4
select pg_typeof(1.5), pg_typeof(1), pg_typeof(12345678901), pg_typeof(123456789012345678901)
select numeric_inc(1.5)
select 1.5::numeric(3,1), 1.55::numeric(3,1), 1.45::numeric(3,1)
select '0.00000000000000001'::numeric, 1e-20
select 4.2 between 4 and 5, 4.2 in (4.2, 5)
select 1.23456789 * 9.87654321
select 3.0 * 3.0 * 3.0
select sum(n) / count(n) from (values (10), (15)) v(n)
select sum(n)::numeric / count(n) from (values (10), (15)) v(n)
select round(avg(n), 2), round(sum(n) / 3.0, 1) from (values (10), (15), (16)) v(n)
select round(100.0 * 1 / 3, 2), round(100 * 1.0 / 3, 1)

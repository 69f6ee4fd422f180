-- float4 and float8.
select 1.5::float8, 1.5::float4, 0.1::float4, 0.1::float8
select '  34.5  '::float8, '1e3'::float4, '.5'::float8, '5.'::float8
select 'NaN'::float8, 'Infinity'::float8, '-Infinity'::float4, 'inf'::float8, ' nan '::float4
select 'N A N'::float8
select ''::float8
select 'xyz'::float4
select '5.0.0'::float8
select '5 . 0'::float4
select '10e400'::float8
select '10e-400'::float8
select '10e40'::float4
select 1e308::float8 * 10
select 1e200::float8 * 1e200::float8
select 1.0::float8 / 0
select 1.0::float8 / 'Infinity'::float8
select 'Infinity'::float8 - 'Infinity'::float8, 'NaN'::float8 = 'NaN'::float8
select 'NaN'::float8 > 'Infinity'::float8, 'NaN'::float8 < 1
select 1e15::float8, 1e16::float8, 123456789012345678::float8, 1e-5::float8, 0.0001::float8
select 100000::float4, 1000000::float4, 1e-4::float4, 1e-5::float4
select 3.14159265358979::float4
select 0.1::float4::float8, 0.1::float8::float4
select 1.1::float4 + 1.1::float8
select sqrt(2), sqrt(2::float8), cbrt(27), exp(1), exp(1::float8), ln(10::float8)
select sqrt(-1)
select sqrt(-1::float8)
select ln(0), ln(-1)
select ln(-1::float8)
select ln(0::float8)
select log(100), log(100::float8), log(2, 8), log10(1000)
select power(2, 3), power(2.0, 3), power(2::float8, 0.5), pow(3, 2)
select power(0::float8, -1)
select power(-1::float8, 0.5)
select round(2.5::float8), round(3.5::float8), round(-2.5::float8), round(2.567, 2)
select round(2.567::float8, 2)
select trunc(2.7::float8), trunc(-2.7), trunc(2.567, 2), trunc(1234.56, -2)
select ceil(2.1::float8), ceiling(2.1), floor(-2.1), floor(2.9::float8)
select ceil(-0.5::float8), floor(0.5::float8)
select sin(0), cos(0), tan(0), cot(1), asin(1), acos(1), atan(1), atan2(1, 1)
select sind(30), cosd(60), tand(45), cotd(45), asind(0.5), acosd(0.5), atand(1), atan2d(1, 1)
select sinh(1), cosh(1), tanh(1), asinh(1), acosh(2), atanh(0.5)
select degrees(pi()), radians(180), pi()
select acos(2)
select asin(-2)
select f, f::int from (values (1.5::float8), (2.5), (-0.5)) v(f)
select sum(f), avg(f), min(f), max(f) from (values (1.5::float8), (2.5), (-0.5)) v(f)
select sum(f), avg(f) from (values (1.5::float4), (2.5)) v(f)
select float8 '1.5', float4 '2.5', real '3.5', double precision '4.5', float '5.5'
select 1.5::float, 1.5::float(24), 1.5::float(25), 1.5::real
select 12345.678::float8::text, 1e20::float8::text, 'inf'::float8::text
select 32767.4::float4::int2, 32767.6::float4::int2
select -9223372036854775808.0::float8::int8
select 'nan'::float8::int4
select 1 = 1.0::float8, 1.5::float4 = 1.5
select 4::float8 % 3
select mod(5.5, 2)
select @ -5.5::float8, -(-1.5::float8)
select |/ 25.0::float8, 2::float8 ^ 3
select pg_typeof(1.5::float4 * 2), pg_typeof(2 * 1.5::float8), pg_typeof(1.5 * 2.0::float8)
select float8(5), float4(5)
select sign(-2.5::float8), abs(-2.5::float8), abs(-2.5::float4)
select nullif(1.5::float8, 1.5), coalesce(null, 1.5::float8)
select -0.0::float8, 0.0::float8 = -0.0::float8
select 1::float8 / 3, 2::float4 / 3
select random() < 1, random() >= 0
select setseed(0.5)
select scale(1.25), min_scale(1.500), trim_scale(1.500)
select erf(1)
select x * '-10', x + '-10', x / '-10', '2' - x from (values (1.5::float8)) t(x);
select x * '10' from (values (7)) t(x);
select x * '1.25', '10' - x from (values (7.5)) t(x);
select x * 'ten' from (values (7)) t(x);

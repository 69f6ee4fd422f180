-- int2, int4 and int8: literals, input, arithmetic, overflow, casts.
select 1
select 1, -1, 0, +5
select 2147483647, 2147483648, 9223372036854775807, 9223372036854775808
select 1 + 1, 7 - 9, 3 * 4, 7 / 2, -7 / 2, 7 % 3, -7 % 3
select 2147483647 + 1
select 2147483647 * 2
select -2147483648
select (-2147483648)::int4 / (-1)::int4
select 9223372036854775807 + 1
select 2147483648 + 1
select 1::int2, 2::int4, 3::int8
select '12'::int2, '12'::int4, '12'::int8
select ' 1234 '::int, '	56'::int8
select '+7'::int, '-7'::int
select ''::int
select ' '::int4
select '34.5'::int2
select '100000'::int2
select 'asdf'::int2
select '123 dt'::int4
select '123       5'::int4
select '1000000000000'::int4
select '10000000000000000000'::int8
select '- 1'::int
select int '5', int4 '6', int8 '7', int2 '8', smallint '9', bigint '10', integer '11'
select cast('42' as integer), cast(42.5 as integer), cast(43.5 as integer), cast(-2.5 as int)
select 42.4::int2, 42.6::int8
select 2.5::float8::int4, 3.5::float8::int4, -2.5::float8::int8
select 1e10::float8::int4
select 40000::int2
select (-32768)::int2 - 1::int2
select 32767::int2 + 1::int2
select 32767::int2 * 2::int2
select 32767::int2 + 1
select pg_typeof(1::int2 + 1::int2), pg_typeof(1::int2 + 1), pg_typeof(1 + 1::int8)
select 1 / 0
select 1 % 0
select 5::int8 / 0
select mod(17, 5), mod(-17, 5), mod(17::int8, 5)
select abs(-5), abs(5::int2), abs(-5::int8)
select abs((-2147483648)::int4)
select sign(-5), sign(0), sign(7.5)
select gcd(12, 18), lcm(4, 6), gcd(0, 0), lcm(0, 5)
select div(7, 2), div(-7, 2)
select 5 & 3, 5 | 3, 5 # 3, ~5, 1 << 4, 256 >> 4
select 5::int2 & 3::int2, ~1::int8
select factorial(5), factorial(0)
select factorial(-1)
select 2 ^ 10, 2 ^ 0.5, (-2) ^ 3
select |/ 16, ||/ 27, @ -5
select 1 < 2, 1 = 1, 1 <> 1, 1 != 2, 2 >= 3, 2 <= 2
select 1::int2 < 2::int8, 2::int4 = 2::int8
select 1 between 0 and 2, 1 not between 2 and 3, 1 between symmetric 2 and 0
select greatest(1, 2, 3), least(3, 2, 1), greatest(1, null, 2), least(null, null)
select 0x10
select 1_000
select to_hex(255), to_hex(-1), to_hex(255::int8)
select int4 '1' + int8 '2', int2 '1' + int8 '2'
select 1 as "One", 2 two, 3 as three
select bit_count('\x1234'::bytea)
select width_bucket(5.35, 0.024, 10.06, 5), width_bucket(5, 0, 10, 4)
select width_bucket(5, array[1, 3, 6, 9])
select width_bucket(5.0::float8, 0::float8, 10::float8, 0)
select 5::int4::text, (-5)::int8::text || 'x'
select '5' + 3
select '5'::text + 3
select 1 + 'a'
select 4 / 2.0, 4 / 2.0::float8
select x, x / 2, x % 2 from (values (1), (2), (-3)) v(x)
select sum(x), avg(x), min(x), max(x), count(x) from (values (1::int2), (2::int2)) v(x)
select sum(x), avg(x) from (values (1), (2), (4)) v(x)
select sum(x), avg(x) from (values (1::int8), (2), (4)) v(x)
select int4(5.7), int8(5.2), int2('7')
select (1.0)::int, 1::bool, 0::bool, true::int, false::int4
select 2::bool::int
select true::int8
select -2 ^ 2, -2 ^ 2 ^ 3 as x, 2 - 2 ^ 2 as y, - (2 ^ 2) as z, -3 * 2 ^ 2 as w

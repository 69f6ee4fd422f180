-- bool.
select true, false, null::bool
select 't'::bool, 'f'::bool, 'yes'::bool, 'no'::bool, 'on'::bool, 'off'::bool, '1'::bool, '0'::bool
select ' true '::bool, 'TRUE'::bool, 'tru'::bool, 'fal'::bool, 'y'::bool, 'n'::bool
select 'nay'::bool
select 'o'::bool
select ''::bool
select '11'::bool
select bool 'test'
select bool 't' or bool 'f', bool 't' and bool 'f', not bool 'f'
select bool 't' = bool 'f', bool 't' <> bool 'f', bool 't' > bool 'f', bool 't' >= bool 'f'
select true::text, false::text, true::varchar, 'x' || true
select '  tru e '::text::bool
select true and null, false and null, true or null, false or null, not null
select null is null, null is not null, 1 is null, true is true, false is not true, null is unknown, true is not unknown
select null is true, null is false, null is not false
select 1 = 1 and 2 = 2, 1 = 2 or 2 = 2
select b, b is true as it, b is not true as inot, b is false as if, b is unknown as iu from (values (true), (false), (null)) v(b)
select b from (values (true), (false), (null)) v(b) order by b
select b from (values (true), (false), (null)) v(b) order by b desc
select bool_and(b), bool_or(b), every(b) from (values (true), (false), (null)) v(b)
select bool_and(b) from (values (null::bool)) v(b)
select min(b::int), max(b::int) from (values (true), (false)) v(b)
select count(*) filter (where b) from (values (true), (false), (true)) v(b)
select case when null then 1 else 2 end
select 1 where true
select 1 where false
select 1 where null
select 1 where 1
select not 1
select 1 and true
select true + 1
select true = 1
select booleq(true, false), boolne(true, false)
select cast('yes' as boolean), boolean 'on', true::boolean
select coalesce(null, true), nullif(true, true)
select true = any (array[false, true]), true = all (array[true, true])

-- arrays.
select array[1, 2, 3], array['a', 'b'], array[1.5, 2], array[true, null], array[]::int[], array[[1,2],[3,4]], array[null]::text[]
select array[]
select array[1, 'a']
select '{1,2,3}'::int[], '{a,"b c",NULL,"NULL","q\"x"}'::text[], '{}'::int[], '{{1,2},{3,4}}'::int[], ' { 1 , 2 } '::int[], '{1.5,2}'::numeric[], '{t,f}'::bool[], '{2020-01-01}'::date[]
select '{1,2'::int[]
select '1,2'::int[]
select '{1,x}'::int[]
select '{{1,2},{3}}'::int[]
select (array[1,2,3])[1], (array[1,2,3])[5], (array[[1,2],[3,4]])[2][1], (array[1,2,3])[2:3], (array[1,2,3])[:2], (array[1,2,3])[2:], (array[1,2,3])[0]
select array[1,2] || array[3], array[1,2] || 3, 0 || array[1,2], array[1,2] || null::int[], array['a'] || 'b'::text, array[1] || '{2,3}'
select array[1,2] = array[1,2], array[1,2] <> array[2,1], array[1,2] < array[1,3], array[1,2,3] @> array[2], array[1] <@ array[1,2], array[1,2] && array[2,3], array[1,2] && array[5]
select array_length(array[1,2,3], 1), array_length(array[1,2,3], 2), array_length('{}'::int[], 1), cardinality(array[[1,2],[3,4]]), array_ndims(array[[1],[2]]), array_dims(array[[1,2],[3,4]]), array_lower(array[1,2], 1), array_upper(array[1,2], 1)
select array_append(array[1,2], 3), array_prepend(0, array[1,2]), array_cat(array[1], array[2,3]), array_remove(array[1,2,2,null], 2), array_replace(array[1,2,5], 5, 3), array_position(array['a','b','c'], 'b'), array_position(array[1,2], 9), array_positions(array[1,2,1], 1)
select array_fill(7, array[3]), array_fill(0, array[2,2]), trim_array(array[1,2,3], 1), array_to_string(array[1,null,3], ',', 'x')
select unnest(array[1,2,3])
select unnest(array['a','b']), unnest(array[1,2,3])
select * from unnest(array[1,2], array['a','b','c']) as t(n, s)
select * from unnest(array['x','y']) with ordinality
select x from unnest(array[3,1,2]) x order by x
select unnest('{}'::int[])
select array_agg(x), array_agg(x order by x desc), array_agg(distinct x) from (values (1), (3), (2), (null), (1)) v(x)
select array_agg(x) from (values (1)) v(x) where false
select array_agg(array[x, x + 1]) from (values (1), (2)) v(x)
select 1 = any (array[1,2]), 3 = any (array[1,2]), 1 = all (array[1,1]), 1 < any ('{0,5}'::int[]), 2 = any ('{}'::int[]), null = any (array[1]), 1 = any (array[2,null]), 1 <> all (array[2,3])
select 'a' = any (string_to_array('a,b', ',')), 5 > all (array[1,2,3])
select array(select x from (values (2), (1)) v(x) order by x), array(select 1 where false)
select array[1,2]::text[], array[1,2]::text, '{1,2}'::text::int[], array['1','2']::int[], array[1.5,2.5]::int[]
select array['x']::int[]
select (array[1,2,3])[i] from (values (1), (2), (4)) v(i)
select a[1], a[2:3] from (values (array[1,2,3])) v(a)
select array_length(a, 1), a || 4 from (values (array[1,2,3]), (null)) v(a)
select a from (values (array[1,2]), (array[1]), (null), (array[2])) v(a) order by a
select array_to_string(array_agg(x::text), '-') from (values (1), (2)) v(x)
select min(a), max(a) from (values (array[1,2]), (array[0,5])) v(a)
select pg_typeof(array[1,2]), pg_typeof(array['a']), pg_typeof('{1}'::int8[])
select array[1,2]::int8[], array[date '2020-01-01'], array[interval '1 day', '2 hours'], array[timestamp '2020-01-01 10:00']
select '{1,2}'::int[] = '{1,2}', array[1,null] = array[1,null]
select array_position(array[1,2,3,2], 2, 3), array_remove(array['a',null,'b'], null)
select array_dims('{}'::int[]), cardinality('{}'::int[]), cardinality(null::int[])
select string_to_array('1,2,3', ',')::int[], array_to_string(array[[1,2],[3,4]], ',')
select generate_subscripts(array['a','b','c'], 1)
select array_sample(array[1], 1)
select array_upper(array[1,2], 3), array_length(array[1,2], 0)
select array[1,2,3][2]
select array_cat(array[[1,2]], array[3,4])
select array_cat(array[1], array['a'])
select array[1] || array[[2]]
select array[1.5, 2.5, null, -1.5]::int[]
select array[1.5, 2.5, -0.5]::float8[]::int[]
select array[1.26, 2.5]::numeric(3, 1)[]
select coalesce(null::int[], '{}'), coalesce(array[1], '{}'), coalesce(null, array['a'], '{}')
select coalesce(a, '{7}') from (values (array[1, 2]), (null)) v(a)

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
select x, x = any('{}') as a, x <> all('{}') as b from (values (1), (null)) t(x);
select nowhere = any('{}') from (values (1)) t(x);
select x from (values (1), (2), (null)) t(x) where x = any('{1,3,5}');
select x from (values (1), (2), (null)) t(x) where x <> all('{1,3,5}');
select x from (values (1), (2), (null)) t(x) where x <> all('{1,null}');
select x, x = any('{1,null}'), x = any(array[1, null]) from (values (1), (2), (null)) t(x) order by 1;
select x from (values ('a'), ('b')) t(x) where x = any('{a,c}');
select 'x' = any('{y,x}'), 3 = any('{1,2}'), 5 > all('{1,2}'), 5 < any('{1,7}');
select 149 = any('{0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,59,60,61,62,63,64,65,66,67,68,69,70,71,72,73,74,75,76,77,78,79,80,81,82,83,84,85,86,87,88,89,90,91,92,93,94,95,96,97,98,99,100,101,102,103,104,105,106,107,108,109,110,111,112,113,114,115,116,117,118,119,120,121,122,123,124,125,126,127,128,129,130,131,132,133,134,135,136,137,138,139,140,141,142,143,144,145,146,147,148,149}'), 150 = any('{0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,59,60,61,62,63,64,65,66,67,68,69,70,71,72,73,74,75,76,77,78,79,80,81,82,83,84,85,86,87,88,89,90,91,92,93,94,95,96,97,98,99,100,101,102,103,104,105,106,107,108,109,110,111,112,113,114,115,116,117,118,119,120,121,122,123,124,125,126,127,128,129,130,131,132,133,134,135,136,137,138,139,140,141,142,143,144,145,146,147,148,149}'), 150 <> all('{0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,59,60,61,62,63,64,65,66,67,68,69,70,71,72,73,74,75,76,77,78,79,80,81,82,83,84,85,86,87,88,89,90,91,92,93,94,95,96,97,98,99,100,101,102,103,104,105,106,107,108,109,110,111,112,113,114,115,116,117,118,119,120,121,122,123,124,125,126,127,128,129,130,131,132,133,134,135,136,137,138,139,140,141,142,143,144,145,146,147,148,149}');

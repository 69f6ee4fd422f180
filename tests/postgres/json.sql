-- json and jsonb.
select '{"a": 1}'::json, '{"a":1,  "b" : [1,2]}'::json, '{"b":1,"a":2, "a":3}'::jsonb, '[1, 2.50, "x", null, true]'::jsonb, '  "s" '::jsonb, '1e2'::jsonb
select '{'::json
select ''::json
select '{"a":}'::jsonb
select '{''a'': 1}'::json
select 'tru'::json
select '[1,]'::jsonb
select json '{"a":1}', jsonb '{"a":1}', cast('[1]' as jsonb)
select '{"a": {"b": [10, 20]}}'::json -> 'a', '{"a": {"b": [10, 20]}}'::json ->> 'a', '{"a": {"b": [10, 20]}}'::jsonb #> '{a,b}', '{"a": {"b": [10, 20]}}'::jsonb #>> '{a,b,1}', '[1,2,3]'::json -> 1, '[1,2,3]'::jsonb ->> -1, '{"a":null}'::jsonb -> 'a', '{"a":null}'::jsonb ->> 'a', '{"a":1}'::json -> 'b'
select '{"a":1,"b":2}'::jsonb @> '{"a":1}', '{"a":1}'::jsonb <@ '{"a":1,"b":2}', '[1,2,3]'::jsonb @> '[1,3]', '[1,2]'::jsonb @> '1', '{"a":[1,2]}'::jsonb @> '{"a":[2]}'
select '{"a":1,"b":2}'::jsonb ? 'a', '{"a":1}'::jsonb ?| array['x','a'], '{"a":1,"b":2}'::jsonb ?& array['a','b'], '["a","b"]'::jsonb ? 'b', '"a"'::jsonb ? 'a'
select '{"a":1}'::jsonb || '{"b":2}', '[1]'::jsonb || '[2]', '{"a":1}'::jsonb || '[2]', '1'::jsonb || '2', '{"a":1}'::jsonb || '{"a":5}'
select '{"a":1,"b":2}'::jsonb - 'a', '["a","b","c"]'::jsonb - 1, '["a","b"]'::jsonb - 'a', '{"a":1,"b":2}'::jsonb - array['a','b'], '{"a":{"b":1,"c":2}}'::jsonb #- '{a,b}'
select '{"a":1}'::jsonb - 1
select '{"a":1}'::jsonb = '{"a": 1}', '{"a":1,"b":2}'::jsonb = '{"b":2,"a":1}', '[1,2]'::jsonb < '[1,3]', '1'::jsonb < '"a"'
select '{"a":1}'::json = '{"a":1}'::json
select to_json('Fred said "Hi."'::text), to_json(5), to_json(true), to_json(1.50), to_json(null::text), to_jsonb(array[1,2]), to_jsonb(date '2020-01-01'), to_json(timestamp '2020-01-01 10:00'), to_jsonb('x'::text)
select json_build_array(1, 2, 'foo', 4.5, null, true), json_build_object('foo', 1, 'bar', 'x', 'n', null), jsonb_build_array(1, 'a', array[1,2]), jsonb_build_object('a', 1, 'b', json '{"x":1}')
select json_build_object('a')
select json_build_object(null, 1)
select json_object('{a, 1, b, "def", c, 3.5}'), json_object('{a,b}', '{1,2}'), jsonb_object('{a,1,b,2}')
select array_to_json(array[1,2,3]), array_to_json(array[[1,2],[3,4]]), row_to_json(row(1, 'foo')), row_to_json(x) from (select 1 as a, 'b' as b) x
select json_array_length('[1,2,3,{"f1":1},4]'), jsonb_array_length('[]'), json_typeof('-123.4'), jsonb_typeof('null'), json_typeof('{}'), jsonb_typeof('[]'), jsonb_typeof('"x"'), jsonb_typeof('true')
select json_array_length('{"a":1}')
select json_object_keys('{"f1":"abc","f2":{"f3":"a"}}')
select jsonb_object_keys('{"b":1,"a":2}')
select json_array_elements('[1, true, [2,false]]'), jsonb_array_elements_text('["a", null, {"b":1}]') as t
select * from json_array_elements('[1,2]') as x
select * from jsonb_array_elements_text('["a","b"]')
select * from json_each('{"a":"foo", "b":"bar"}')
select key, value from jsonb_each_text('{"a":"foo", "b":null, "c":1}') order by key
select json_extract_path('{"f2":{"f3":1},"f4":{"f5":99,"f6":"foo"}}', 'f4', 'f6'), json_extract_path_text('{"f4":{"f5":99,"f6":"foo"}}', 'f4', 'f6'), jsonb_extract_path('{"a":[1,2]}', 'a', '1'), jsonb_extract_path_text('{"a":[1,2]}', 'a', '1')
select jsonb_set('{"f1":1,"f2":null}', '{f1}', '[2,3]'), jsonb_set('{"a":1}', '{b}', '2'), jsonb_set('{"a":1}', '{b}', '2', false), jsonb_set('{"a":[1,2]}', '{a,0}', '9'), jsonb_insert('{"a": [0,1,2]}', '{a, 1}', '"new"'), jsonb_insert('{"a": [0,1,2]}', '{a, 1}', '"new"', true)
select json_strip_nulls('{"f1":1, "f2":null, "f3":[1,null]}'), jsonb_strip_nulls('{"f1":1, "f2":null}'), jsonb_pretty('{"a":[1,{"b":2}],"c":{}}')
select json_agg(x), jsonb_agg(x) from (values (1), (2), (null)) v(x)
select json_object_agg(k, v), jsonb_object_agg(k, v) from (values ('a', 1), ('b', 2)) t(k, v)
select json_agg(x order by x desc) from (values (1), (3), (2)) v(x)
select json_agg(t) from (values (1, 'x'), (2, 'y')) t(a, b)
select '{"a":1}'::jsonb ->> 'a' = '1', ('{"a":5}'::jsonb ->> 'a')::int + 1, ('{"a":5}'::jsonb -> 'a')::int, ('{"a":true}'::jsonb -> 'a')::bool, ('1.5'::jsonb)::numeric
select ('"x"'::jsonb)::int
select '{"a":"é\u00e9\n"}'::json ->> 'a', '"\u0041"'::jsonb, '"a\/b"'::jsonb, '"\ud83d\ude00"'::jsonb
select '"\u00"'::json
select pg_typeof('{}'::json), pg_typeof('{}'::jsonb -> 'a'), pg_typeof('{}'::jsonb ->> 'a')
select j -> 'n' ->> 'm' from (values ('{"n":{"m":1}}'::jsonb), ('{"n":{}}')) v(j)
select j from (values ('{"b":1}'::jsonb), ('[1]'), ('2'), ('"x"'), ('null')) v(j) order by j
select count(*) from (values ('{"a":1}'::jsonb), ('{"a": 1}')) v(j) group by j
select jsonb_path_query('{"a":[1,2,3]}', '$.a[*]'), jsonb_path_exists('{"a":1}', '$.a')
select jsonb_path_query_array('[1,2,3,4]', '$[*] ? (@ > 2)'), '{"a":[1,2]}'::jsonb @? '$.a[*] ? (@ > 1)'
select * from json_to_record('{"a":1,"b":"x"}') as x(a int, b text)
select * from jsonb_to_recordset('[{"a":1,"b":"x"},{"a":2}]') as x(a int, b text)
select '{"a":1}'::json::text, '{"a":1}'::json::jsonb, '{"b":1,"a":2}'::jsonb::text, '[1]'::text::json
select json '{"a":1}' ->> 0, json '[1]' ->> 'a', '[[1,2],[3]]'::jsonb #> '{0,1}', '{"a":1}'::jsonb #>> '{}'
select coalesce('{"a":1}'::jsonb -> 'b', '0'), '{"a":1}'::jsonb is null
select jsonb_array_elements('[3,1,2]') order by 1
select jsonb_array_length('1')
select jsonb_each('{"a":1}')
select jsonb_typeof(value), value from jsonb_each('{"a":1,"b":"x"}')

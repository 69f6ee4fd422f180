-- text, varchar, char and the functions of strings.
select 'a', 'it''s', E'tab\there', E'new\nline', E'\x41\u00e9', $$dollar$$, $q$it's$q$
select 'first' 'second'
select U&'d\0061t\+000061', U&'d!0061t' uescape '!'
select 'a' || 'b', 'a' || 1, 1 || 'a', 'a' || null, 'a' || 1.5 || true
select 1 || 2
select length('jose'), char_length('grüße'), character_length('x'), octet_length('grüße'), bit_length('abc')
select upper('abc'), lower('ABC'), initcap('hello wORLD foo-bar')
select substring('Thomas' from 2 for 3), substring('Thomas' from 3), substring('Thomas' for 2), substring('Thomas', 2, 3)
select substring('string' from -1 for 3), substring('string' from 10), substring('abc' from 2 for 0)
select substring('string' from 2 for -1)
select substring('Thomas' from '...$'), substring('foobar' from 'o(.)b'), substring('foobar', 'z')
select substring('Thomas' similar '%#"o_a#"_' escape '#')
select substr('alphabet', 3), substr('alphabet', 3, 2), substr('abc', -1, 3)
select substr('abc', 1, -1)
select left('abcde', 2), left('abcde', -2), right('abcde', 2), right('abcde', -2), left('abc', 0), left('abc', 10)
select position('om' in 'Thomas'), strpos('high', 'ig'), strpos('abc', 'z'), strpos('abc', '')
select trim('  x  '), trim(both 'x' from 'xTomxx'), trim(leading 'x' from 'xTomxx'), trim(trailing from 'abc  '), trim('xy' from 'xyTomyx')
select btrim('  x '), ltrim('zzzytest', 'xyz'), rtrim('testxxzx', 'xyz'), btrim('xyxtrimyyx', 'xyz'), ltrim('  a'), rtrim('a  ')
select lpad('hi', 5, 'xy'), lpad('hi', 5), lpad('hello', 2), rpad('hi', 5, 'xy'), rpad('hi', 5), rpad('hi', -5), lpad('hi', 5, '')
select repeat('Pg', 4), repeat('x', 0), repeat('x', -1)
select replace('abcdefabcdef', 'cd', 'XX'), replace('abc', '', 'x'), replace('abc', 'b', '')
select reverse('abcde'), reverse('grüße'), reverse('')
select split_part('abc~@~def~@~ghi', '~@~', 2), split_part('abc,def,ghi,jkl', ',', -2), split_part('a,b', ',', 5)
select split_part('abc', ',', 0)
select concat('abcde', 2, NULL, 22), concat(), concat(1.5, true, date '2020-01-01')
select concat_ws(',', 'abcde', 2, NULL, 22), concat_ws(null, 'a', 'b'), concat_ws('#', 1, 'x')
select ascii('x'), ascii(''), ascii('é'), chr(65), chr(233), chr(8364)
select chr(0)
select translate('12345', '143', 'ax'), translate('abc', 'abc', '')
select overlay('Txxxxas' placing 'hom' from 2 for 4), overlay('abcdef' placing '45' from 4), overlay('yabadoo' placing 'daba' from 5 for 0)
select md5('abc'), encode('abc'::bytea, 'hex'), encode('abc', 'base64'), encode('a\001b'::bytea, 'escape')
select decode('MTIzAAE=', 'base64'), decode('414243', 'hex')
select decode('4142z', 'hex')
select encode('abc', 'nope')
select quote_ident('Foo bar'), quote_ident('foo'), quote_literal('O''Reilly'), quote_literal(42.5), quote_nullable(null), quote_ident('select')
select format('Hello %s', 'World'), format('%s, %s and %%', 1, true), format('%I.%L', 'My tab', 'it''s'), format('%L', null)
select format('%2$s %1$s', 'a', 'b'), format('|%10s|%-10s|', 'foo', 'bar'), format('%*s|', 5, 'x'), format('%s', null::text), format('no args')
select format('%s %s', 'a')
select format('%x', 'a')
select format('%', 'a')
select format('%1$s %s %s', 'a', 'b')
select format('%0$s', 'a')
select starts_with('alphabet', 'alph'), 'alphabet' ^@ 'alph', starts_with('a', 'b')
select string_to_array('a,b,c', ','), string_to_array('a,b,', ','), string_to_array('abc', null), string_to_array('', ','), string_to_array('a,NULL,b', ',', 'NULL')
select array_to_string(array['a', 'b', null, 'd'], ','), array_to_string(array[1, 2, null], ',', '*')
select string_to_table('a,b,c', ',')
select unistr('d\0061t\u0061')
select to_ascii('x')
select 'abc'::varchar, 'abc'::varchar(2), 'abc'::char(5), 'abc'::char(2), 'abc'::char, 'abc'::bpchar
select 'abc '::char(5) = 'abc', 'abc '::varchar = 'abc', length('abc  '::char(10)), octet_length('ab'::char(4))
select 'ab'::char(4) || 'c', ('ab'::char(4))::text || 'c'
select cast('f1' as varchar(3)), cast(123 as text), cast(123 as varchar(2)), cast(1.5 as char(10))
select varchar 'x', char 'x', text 'y', name 'z', bpchar 'w', character varying 'v'
select 'a'::name, 'abc'::"char"
select 'abc' < 'abd', 'a' < 'B', 'abc' = 'abc', 'a' <> 'b', 'ab' > 'a'
select x from (values ('b'), ('a'), ('C'), (null), ('A')) v(x) order by x collate "C"
select min(x), max(x), count(distinct x) from (values ('b'), ('a'), ('b')) v(x)
select string_agg(x, ','), string_agg(x, ',' order by x desc), string_agg(distinct x, '-' order by x) from (values ('b'), ('a'), ('b'), (null)) v(x)
select string_agg(x, '') from (values (null::text)) v(x)
select coalesce(null, 'a'), nullif('a', 'a'), nullif('a', 'b'), greatest('a', 'b'), least('a', 'b')
select upper(null), length(null), null || 'a'
select length(12345)
select upper(5)
select substring(12345 from 2)
select lower('ÀÉÎ'), upper('straße'), initcap('élan vital')
select normalize('é', NFD) = 'é', 'a' is normalized
select parse_ident('Schema.tab'), parse_ident('"Sch"."Ta b"')
select sha256('abc'), sha224('a'), md5('')
select regexp_replace('foobarbaz', 'b..', 'X'), regexp_replace('foobarbaz', 'b..', 'X', 'g'), regexp_replace('foobarbaz', 'b(..)', 'X\1Y', 'g')
select strpos('grüße', 'ß'), position('' in 'abc'), left('grüße', 3), reverse('añb')
select text 'this is a text string' = text 'this is a text string' as true
select 'x'::text::varchar(10)::text, pg_typeof('x'), pg_typeof('x'::text), pg_typeof('x'::varchar), pg_typeof('x'::char(3))
select repeat('x', 2000000000)
select lpad('x', 2000000000)
select trim(both from '  a  '), trim(leading from '  a'), trim(trailing from 'a  '), trim(leading 'x' from 'xxa');
select substring('abcdefg' similar 'a#"(b_d)#"%' escape '#'), substring('abcdefg' similar 'a%g' escape '#');
select concat(variadic array['a', null, 'c']), concat_ws(',', variadic array['a', 'b']), format('%s-%s', variadic array['x', 'y']);
select concat_ws(',', variadic x) from (values (array['a', null, 'b'])) t(x);
select cast(name 'namefield' as text), name 'x' = 'x';
select regexp_instr('abcabc', 'a.c', 1, 0), regexp_instr('abcabc', 'a.c', 1, 1, 2), regexp_substr('abc', 'a.c', 1, 0), regexp_substr('abc', 'a.c', 1, 1, '', -1);

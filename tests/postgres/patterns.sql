-- LIKE, SIMILAR TO and regular expressions.
select 'hawkeye' like 'h%', 'hawkeye' not like 'h%', 'hawkeye' like 'H%eye', 'hawkeye' ilike 'H%Eye', 'hawkeye' not ilike 'H%Eye'
select 'indio' like 'i_d_o', 'indio' like 'in__', 'indio' like 'in_o', 'indio' like '_ndio'
select 'h%' like 'h#%' escape '#', 'h%awkeye' like 'h#%%' escape '#', 'h%' like 'h\%', 'i_dio' like 'i$_d%o' escape '$'
select 'a%c' like 'a$%c' escape '$', 'abc' like 'a$%c' escape '$'
select 'a' like 'a' escape 'xx'
select 'abc' like 'ab\'
select 'foo' like '_%' as t, 'f' like '_%', '' like '_%' as f, 'foo' like '%_', 'foo' like '%__%'
select 'abc' ~~ 'a%', 'abc' !~~ 'a%', 'abc' ~~* 'A%', 'abc' !~~* 'B%'
select 'thomas' ~ 't.*ma', 'thomas' ~* 'T.*ma', 'thomas' !~ 't.*max', 'thomas' !~* 'T.*ma'
select 'abc' ~ '^a', 'abc' ~ 'c$', 'abc' ~ '^b', 'a.c' ~ 'a\.c', 'abc' ~ '[[:alpha:]]+', '123' ~ '^\d+$'
select 'abc' ~ '['
select 'abc' ~ 'a{3,1}'
select 'abc' ~ '(a'
select 'abc' ~ '*'
select 'abc' similar to 'abc', 'abc' similar to 'a', 'abc' similar to '%(b|d)%', 'abc' similar to '(b|c)%', 'abc' not similar to 'a_c'
select 'abcdefg' similar to '_bcd%', 'abcdefg' similar to 'bcd%', 'abcd%' similar to '_bcd#%' escape '#'
select 'abc' similar to 'a+', 'aaa' similar to 'a+', 'aaa' similar to 'a{3}', 'aab' similar to '[ab]*'
select regexp_match('foobarbequebaz', 'bar.*que'), regexp_match('foobarbequebaz', '(bar)(beque)'), regexp_match('abc', 'z')
select regexp_matches('foobarbequebazilbarfbonk', '(b[^b]+)(b[^b]+)', 'g')
select regexp_matches('abc', 'z')
select regexp_split_to_array('hello world  x', '\s+'), regexp_split_to_array('abc', '')
select regexp_split_to_table('hello big world', '\s+')
select regexp_replace('Thomas', '.[mN]a.', 'M'), regexp_replace('abc', 'B', 'x', 'i'), regexp_replace('a1b2', '\d', '<\&>', 'g')
select regexp_replace('A PostgreSQL function', 'a|e|i|o|u', 'X', 1, 3, 'i'), regexp_replace('abcabc', 'b', 'X', 3)
select regexp_count('ABCABCAXYaxy', 'A.'), regexp_count('ABCABCAXYaxy', 'A.', 1, 'i'), regexp_count('aaa', 'a', 2)
select regexp_instr('ABCDEFGHI', 'D.F'), regexp_instr('abcabc', 'b', 1, 2), regexp_instr('abc', 'z')
select regexp_like('Hello World', 'world$', 'i'), regexp_like('abc', 'B')
select regexp_substr('ABCDEF', 'C.'), regexp_substr('abc abd', 'ab.', 1, 2), regexp_substr('foobar', 'o(.)b', 1, 1, '', 1)
select regexp_match('abc', 'a(b)(c)?(d)?')
select regexp_replace('abc', '(b', 'x')
select regexp_matches('abc', 'b', 'gq')
select regexp_match('abc', 'b', 'g')
select regexp_replace('abc', 'b', 'x', 'z')
select substring('foobar' from '%#"o_b#"%' for '#')
select x from (values ('apple'), ('banana'), ('cherry')) v(x) where x like '%an%'
select x from (values ('apple'), ('banana'), ('cherry')) v(x) where x ~ 'rr|pp' order by x
select x like y from (values ('apple', 'a%'), ('b', 'a%')) v(x, y)
select 'a\nb' like 'a%b', E'a\nb' ~ 'a.b', E'a\nb' ~ '^b'
select null like 'a', 'a' like null
select 'AbC' ~ '(?i)abc', 'foobar' ~ 'foo(?=bar)', 'foobaz' ~ 'foo(?!bar)'
select 'abab' ~ '^(ab)\1$', 'word one' ~ '\mone\M', 'x' ~ '\w'
select 'a' = any (array['a', 'b']), 'abc' like any (array['x%', 'a%']), 'abc' like all (array['a%', '%c'])
select 'abc' ilike any (array['X%', 'A%'])

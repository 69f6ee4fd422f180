-- bytea, uuid, bit strings and others.
select '\xDEADBEEF'::bytea, E'\\xdeadbeef'::bytea, 'abc'::bytea, 'a\\b'::bytea, E'a\\000b'::bytea, '\x'::bytea, ' \x12'::bytea
select '\xDEADBEE'::bytea
select '\xDEADBEEx'::bytea
select 'a\1b'::bytea
select '\xab'::bytea || '\xcd'::bytea, length('\x1234'::bytea), octet_length('\x1234'::bytea), bit_length('\x12'::bytea), reverse('abc')
select get_byte('\x1234'::bytea, 0), set_byte('\x1234'::bytea, 1, 64), get_bit('\x1234'::bytea, 4), set_bit('\x1234'::bytea, 0, 1)
select get_byte('\x1234'::bytea, 5)
select substring('\x1234567890'::bytea from 2 for 2), substr('\x1234567890'::bytea, 3), overlay('\x123456'::bytea placing '\xff' from 2 for 1), position('\x34'::bytea in '\x1234'::bytea), btrim('\x001200'::bytea, '\x00'::bytea), ltrim('\x0012'::bytea, '\x00'::bytea)
select encode('\x1234'::bytea, 'hex'), encode('\x000102'::bytea, 'base64'), encode('\x0041ff'::bytea, 'escape'), decode('ff00', 'hex'), md5('\x1234'::bytea), sha256('\x61'::bytea), sha512('a'), crc32('x')
select convert_from('\x74657874'::bytea, 'UTF8'), convert_to('text', 'UTF8'), convert_to('é', 'LATIN1'), convert_from('\xe9'::bytea, 'LATIN1')
select convert_from('\xff'::bytea, 'UTF8')
select '\x12'::bytea < '\x13'::bytea, '\x12'::bytea = '\x12', '\x12'::bytea <> '\x1200'
select b from (values ('\x02'::bytea), ('\x01'), (null)) v(b) order by b
set bytea_output = 'escape'
select '\x00416aff5c'::bytea
reset bytea_output
select 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid, 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid, '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'::uuid, 'a0eebc999c0b4ef8bb6d6bb9bd380a11'::uuid, 'a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11'::uuid
select '11111111-1111-1111-1111-111111111111F'::uuid
select '{11111111-1111-1111-1111-11111111111}'::uuid
select 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid < 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', uuid '11111111-1111-1111-1111-111111111111'::text
select gen_random_uuid() is not null, pg_typeof(gen_random_uuid()), gen_random_uuid() <> gen_random_uuid()
select b'101', x'1F', b'101'::bit(5), b'10' || b'01', b'1010' & b'0110', b'1010' | b'0110', b'1010' # b'0110', ~ b'10', b'1010' << 1, b'1010' >> 1
select '101'::bit(3), '10101'::varbit, 5::bit(4), b'101'::int, length(b'101'), bit_length(b'101'), get_bit(b'101', 0), substring(b'10101' from 2 for 2)
select b'102'
select '5.50'::money
select '192.168.1.5/24'::inet, '10.0.0.0/8'::cidr, host('192.168.1.5/24'::inet)
select '08:00:2b:01:02:03'::macaddr
select '(1,2)'::point
select '[1,5)'::int4range, int4range(1, 5), 3 <@ int4range(1, 5)
select '<a>x</a>'::xml
select 'fat cat'::tsvector
select 1::oid, 'pg_class'::regclass, 'int4'::regtype
select 1::oid + 1, oid '5'
select '1 2'::int2vector

-- views: made, replaced, renamed, dropped, what stands on them; schemas.
drop view if exists va
create table vt (a int, b text, c numeric(8,2))
insert into vt values (1, 'one', 1.5), (2, 'two', 2.25), (3, null, null)
create view va as select a, b from vt where a < 3
select * from va order by a
select va.a, upper(b) from va order by 1
create view va as select 1
create or replace view va as select a, b from vt
select count(*) from va
create or replace view va as select a from vt
create or replace view va as select a, b as bb from vt
create or replace view va as select a::text as a, b from vt
create or replace view va as select a, b, c from vt
select * from va order by a
create view vb (x, y) as select a, c * 2 from va
select * from vb order by x
select y, x from vb where y > 3
create view vc as select a, a from vt
create view vc as select 1, 2
create view vc as select 1
select * from vc
create view vd (p, q) as select a from vt
create view vd (p) as select a, b from vt
select * from vd order by p
create view ve as select nope from vt
create view ve as select * from nope
create view ve as select a from vt where a = $1
create view ve as values (1, 'x'), (2, 'y')
select * from ve order by 1
create view vf (n, t) as values (1, 'x'), (2, 'y')
select n, t from vf order by n
create view vg as select * from vt
alter table vt add column d int
select * from vg order by a
create view vh as select vt.*, x.* from vt join (values (1, true), (2, false)) as x (k, flag) on vt.a = x.k
select * from vh order by a
create view vi as with w as (select a from vt) select count(*) as n, sum(a) from w
select * from vi
create view vj as select a from vt union all select n from vf
select * from vj order by 1
create view vk as select b, count(*) filter (where a > 1) as n, max(c) from vt group by b
select * from vk order by b nulls last
create view vl as select a, row_number() over (order by a desc) as r from vt
select * from vl order by a
create view vm as select distinct on (a % 2) a % 2 as odd, a from vt order by a % 2, a desc
select * from vm
create view vn as select (select max(a) from vt) as m, exists (select 1 from va where a = 1) as e
select * from vn
select v.a from va as v join vb on v.a = vb.x order by 1
select * from va as v (one) order by one
with va as (select 7 as a) select * from va
insert into vk values ('x', 1, 1)
update vk set n = 1
delete from vk
truncate va
drop table va
drop view vt
alter view vt rename to vu
drop table vt
drop view va
drop view va restrict
drop view nope
drop view if exists nope
drop view vc, vd
select * from vc
alter table vt drop column b
alter table vt alter column a type bigint
alter view vb rename to vbb
select * from vbb order by x
alter table vbb rename to vb
select * from vb order by x
alter view vb rename to va
alter view vk rename column n to many
select b, many from vk order by 2, 1
alter view vk rename column nope to x
alter view vk rename column many to b
alter table vk rename column many to n
select n from vk order by 1
alter view nope rename to x
alter view if exists nope rename to x
alter view va rename to va2
select * from vb order by x
select count(*) from pg_views where viewname in ('va', 'va2', 'vk', 'nope')
select table_name::text, table_type::text from information_schema.tables where table_name in ('vk', 'vt') order by 1
select table_name::text, is_updatable::text, check_option::text from information_schema.views where table_name = 'vk'
select relkind = 'v', relnatts from pg_class where relname in ('vk', 'vl') order by 2
select attname::text, atttypid::regtype::text as t, attnum, attnotnull from pg_attribute where attrelid = 'vh'::regclass and attnum > 0 order by attnum
select column_name::text, data_type::text, is_nullable::text from information_schema.columns where table_name = 'vl' order by ordinal_position
select pg_get_viewdef('vl'::regclass) is null, pg_get_viewdef('vt'::regclass) = 'x'
comment on view vl is 'numbered'
select obj_description('vl'::regclass)
comment on view vl is null
select obj_description('vl'::regclass)
comment on view vt is 'no view'
comment on view nope is 'nothing'
comment on table vl is 'no table'
begin
create view vz as select 1 as one
select * from vz
create or replace view vz as select 1 as one, 2 as two
select * from vz
alter view vz rename to vy
select * from vy
select * from vz
rollback
select * from vy
begin
drop view vl
select * from vl
savepoint s
rollback
select count(*) from vl
create temp view tv as select a from vt
select * from tv order by a
create temp table tt (q int)
insert into tt values (5)
create view tw as select * from tt
select * from tw
select * from pg_temp.tw
create temporary view public.tx as select 1
drop view tv
drop table tt
drop table tt cascade
select * from tw
create view if not exists v as select 1
create or replace view vt as select 1
create table va2 (x int)
create table vl as select 1
create view vq as select a from vt limit 2
select count(*) from vq
create view vr as select a from vt order by a desc
select * from vr limit 1
create view vs as select a as "Mixed", b as "select" from vt
select "Mixed", "select" from vs order by 1
create schema vsch
create schema vsch
create schema if not exists vsch
create view vsch.inner_v as select a from vt
select * from vsch.inner_v order by a
create table vsch.t (x int)
drop schema vsch
drop schema vsch restrict
drop schema vsch cascade
select * from vsch.inner_v
drop schema vsch
drop schema if exists vsch
drop schema if exists vsch cascade
drop schema pg_catalog
create schema pg_mine
create schema vsch2
drop schema vsch2
create table vsch2.t (a int)
begin
create schema vsch3
create table vsch3.t (a int)
insert into vsch3.t values (1)
select * from vsch3.t
rollback
select * from vsch3.t
create schema vsch4
create table vsch4.t (a int)
create view von as select a from vsch4.t
drop schema vsch4 cascade
select * from von
drop table vt cascade
select * from vb
select count(*) from pg_views where viewname in ('va2', 'vb', 'vg', 'vh', 'vl', 'vs')

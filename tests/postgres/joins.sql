-- joins.
select e.name, d.title from emp e join dept d on e.dept = d.code order by e.id
select e.name, d.title from emp e left join dept d on e.dept = d.code order by e.id
select e.name, d.title from emp e right join dept d on e.dept = d.code order by d.code, e.id
select e.name, d.title from emp e full join dept d on e.dept = d.code order by e.id, d.code
select count(*) from emp cross join dept
select count(*) from emp, dept
select e.name, b.name as boss from emp e left join emp b on e.boss = b.id order by e.id
select e.id, d.floor from emp e inner join dept d on d.code = e.dept and d.floor > 1 order by 1
select * from (values (1, 'a'), (2, 'b')) x(k, v) join (values (1, 'c')) y(k, w) using (k)
select * from (values (1, 'a'), (2, 'b')) x(k, v) left join (values (1, 'c')) y(k, w) using (k) order by k
select k, x.v, y.w from (values (1, 'a')) x(k, v) full join (values (2, 'c')) y(k, w) using (k) order by k
select * from (values (1, 'a')) x(k, v) natural join (values (1, 'c')) y(k, w)
select x.*, y.w from (values (1, 'a')) x(k, v) join (values (1, 'c')) y(k, w) on x.k = y.k
select * from emp e join lateral (select count(*) as n from emp b where b.boss = e.id) s on true where n > 0 order by e.id
select d.code, s.name from dept d left join lateral (select name from emp e where e.dept = d.code order by salary desc limit 1) s on true order by d.code
select d.code, x from dept d, generate_series(1, d.floor) x order by 1, 2
select a.x, b.x from generate_series(1, 2) a(x), generate_series(1, 2) b(x) order by 1, 2
select e.id from emp e join dept d on e.dept = d.code where d.title like 'I%' order by e.id
select e.id from emp e where exists (select 1 from dept d where d.code = e.dept and floor = 1) order by 1
select e.id from emp e where not exists (select 1 from dept d where d.code = e.dept) order by 1
select id from emp where dept in (select code from dept where floor > 1) order by id
select id from emp where dept not in (select code from dept where floor > 1) order by id
select id, (select title from dept where code = emp.dept) from emp order by id
select id, (select count(*) from emp b where b.boss = emp.id) as reports from emp order by id
select * from emp join dept on emp.dept = dept.code where dept.code = 'hr' order by id
select name from emp natural join (select code as dept from dept) x order by name
select e.nope from emp e
select emp.name from emp e
select name from emp join dept on true join emp e2 on true limit 1
select * from emp join dept using (nope)
select * from emp e join dept e on true
select * from emp left join dept
select x.a from (select 1 a) x join (select 2 a) y on x.a < y.a
select * from (select 1 as a) x cross join (select 2 as b) y cross join (select 3 as c) z
select count(*) from emp a join emp b on a.id < b.id
select a.id, b.id from emp a join emp b on a.dept = b.dept and a.id < b.id order by 1, 2
select coalesce(x.k, y.k) from (values (1), (2)) x(k) full outer join (values (2), (3)) y(k) on x.k = y.k order by 1
select t.*, t from (values (1, 'a')) t(n, s)
select (t).n from (values (1, 'a')) t(n, s)
select row(1, 'a'), (1, 2) = (1, 2), (1, 2) < (1, 3), row(1, null) is null, (1, 2) in ((1, 2), (3, 4))
select * from (values (1, 2), (3, 4)) v(a, b) where (a, b) = (1, 2)
select * from (values (1, 2), (3, 4)) v(a, b) where (a, b) in (select 3, 4)
select * from (values (1), (null)) a(k) full join (values (1), (2)) b(k) using (k) order by 1
select k from (values (1)) a(k) right join (values (1), (2)) b(k) using (k) order by k
select k, x, y from (values (1, 10)) a(k, x) natural right join (values (1, 5), (2, 6)) b(k, y) order by k
select * from (values (1, 10)) a(k, x) natural full join (values (1, 5), (2, 6)) b(k, y) order by 1
select k, count(*) from (values (1), (3)) a(k) full join (values (1), (2)) b(k) using (k) group by k order by k
select k from (values (1), (3)) a(k) full join (values (1), (2)) b(k) using (k) full join (values (4)) c(k) using (k) where k > 1 order by k
select * from (values (1, 10), (2, 20)) a(x, k) join (values (100, 10), (200, 20)) b(y, k) using (k) order by 1;
select * from (values (1, 10), (2, 20)) a(x, k) left join (values (100, 10), (300, 30)) b(y, k) using (k) order by 1;
select * from (values (1, 10), (2, 20)) a(x, k) full join (values (100, 10), (300, 30)) b(y, k) using (k) order by 1;
select * from (values (1, 10, 'a')) a(x, k, l) join (values (100, 10, 'a')) b(y, k, l) using (l, k) join (values ('z', 'a')) c(w, l) using (l);
select *, 1 as one from (values (1, 10)) a(x, k) join (values (100, 10)) b(y, k) using (k), (values (7)) d(z);
select count(b.*) from (values (1), (2)) a(x) join (values (1), (2), (2)) b(x) using (x);
select k, x, y, z from (values (1, 10), (2, 20)) a(x, k) join (values (100, 10)) b(y, k) using (k) left join (values (7, 10)) c(z, k) using (k) where k = 10 order by k;
select k, count(*) from (values (1, 10), (2, 20)) a(x, k) left join (values (100, 10)) b(y, k) using (k) left join (values (7, 10)) c(z, k) using (k) group by k order by k;
select * from (values (1, 10), (2, 20)) a(x, k) left join (values (100, 10)) b(y, k) using (k) left join (values (7, 10)) c(z, k) using (k) order by k;
select * from (values ((select 3), 'a'), (4, (select 'b'))) t(x, y) order by x;
values ((select 3));
select * from (values (1), (2)) a(k) join (values (1)) b(k) using (k);
select * from (values (1, 'x')) a(k, l) join (values (1)) b(k) using (K);
select a.* from (values (1)) a(k) join (values (1)) b(k) using (k);
select * from (values (1)) a("K") join (values (1, 2)) b("K", y) using ("K");
select * from (values (1, 2)) a(k, x) join (values (1, 3)) b(k, y) using (k) join (values (1, 4)) c(k, z) using (k) order by z;
create view merged as select * from (values (10, 1)) a(x, k) join (values (20, 1)) b(y, k) using (k);
select * from merged;
drop view merged;

-- date, time, and what is made of them.
select date '1999-01-08', date '19990108', date '990108', date '1999.008', date 'J2451187'
select date 'January 8, 1999', date '1999-Jan-08', date 'Jan-08-1999', date '08-Jan-1999', date '08 Jan 1999', date '1999 Jan 08', date 'Jan 8 1999'
select date '1/8/1999', date '1/18/1999', date '01/02/03'
select date '18/1/1999'
select date '99-Jan-08'
select date '1999-08-Jan'
select date '99-08-Jan'
select date 'January 8, 99 BC', date '0001-01-01 BC', date '2040-04-10 BC'
select date 'epoch', date 'infinity', date '-infinity'
select date '1997-02-29'
select date '2000-13-01'
select date '5874898-01-01'
select date 'xyz'
select date ''
select '2020-02-30'::date
select '2020-01-01 12:34:56'::date
select date '2020-03-15' + 10, date '2020-03-15' - 15, 7 + date '2020-01-01', date '2020-03-15' - date '2020-03-01'
select date '2020-03-15' + interval '1 month', date '2020-01-31' + interval '1 month', date '2020-03-15' - interval '2 hours'
select date '2020-03-15' + time '12:30', date '2020-03-15' > date '2020-03-14', date '2020-01-01' = timestamp '2020-01-01'
select date '2020-01-01' < '2020-02-01', '2020-01-01' = date '2020-01-01'
select date '2020-01-01' + 2147483647
select extract(year from date '2020-08-11'), extract(month from date '2020-08-11'), extract(day from date '2020-08-11'), extract(quarter from date '2020-08-11')
select extract(dow from date '2020-08-16'), extract(isodow from date '2020-08-16'), extract(doy from date '2020-08-11'), extract(week from date '2020-08-11'), extract(isoyear from date '2021-01-01')
select extract(century from date '2000-12-31'), extract(century from date '2001-01-01'), extract(decade from date '1999-01-01'), extract(millennium from date '2001-01-01'), extract(epoch from date '1970-01-02'), extract(julian from date '2000-01-01')
select extract(century from date '0055-08-10 BC'), extract(year from date '0055-08-10 BC')
select extract(hour from date '2020-08-11')
select extract(microseconds from date '2020-08-11')
select extract(foo from date '2020-08-11')
select date_part('year', date '2020-08-11'), date_part('hour', timestamp '2020-08-11 12:34:56')
select extract(year from date 'infinity'), extract(day from date 'infinity')
select date_trunc('month', date '2020-08-11'), date_trunc('year', date '2020-08-11')
select make_date(2013, 7, 15), make_date(-44, 3, 15)
select make_date(2013, 2, 30)
select make_date(0, 7, 15)
select make_time(8, 20, 0.5)
select make_time(24, 0, 2.1)
select isfinite(date '2020-01-01'), isfinite(date 'infinity')
select to_date('05 Dec 2000', 'DD Mon YYYY'), to_date('2011-12-18', 'YYYY-MM-DD'), to_date('20200815', 'YYYYMMDD'), to_date('15/08/20', 'DD/MM/YY')
select to_date('2011-13-18', 'YYYY-MM-DD')
select to_date('2011 x', 'YYYY MM')
select date '2020-01-01'::text, '2020-01-01'::date::timestamp, timestamp '2020-01-01 10:00'::date
select d from (values (date '2020-01-01'), (date '2019-12-31'), (null)) v(d) order by d
select min(d), max(d), count(d) from (values (date '2020-01-01'), (date '2019-12-31'), (null)) v(d)
select generate_series(date '2020-01-01', date '2020-01-03', interval '1 day')
select d::date from generate_series(date '2020-01-30', date '2020-02-02', '1 day') d
select age(date '2020-03-01', date '2019-12-25'), age(timestamp '2001-04-10', timestamp '1957-06-13')
select (date '2000-01-01', date '2000-12-31') overlaps (date '2000-12-30', date '2001-01-01')
select (date '2001-02-16', interval '100 days') overlaps (date '2001-10-30', date '2002-10-30')
select time '04:05:06.789', time '04:05:06', time '04:05', time '040506', time '04:05 AM', time '04:05 PM', time '23:59:60', time '24:00:00', time 'allballs'
select time '04:05:06-08:00', time '2003-04-12 04:05:06 America/New_York'
select time '25:00:00'
select time '24:00:01'
select time '12:60:00'
select time 'nope'
select time '04:05:06' + interval '3 hours', time '04:05:06' - time '01:00:00', time '23:00' + interval '2 hours', time '01:00' - interval '2 hours'
select time '04:05:06' > time '04:05:05', extract(hour from time '04:05:06.789'), extract(second from time '04:05:06.789'), extract(epoch from time '04:05:06')
select extract(day from time '04:05:06')
select time '04:05:06'::interval, time '04:05:06'::text, '04:05:06.123456'::time(3), time(0) '04:05:06.7'
select time with time zone '04:05:06-08', '04:05:06+02'::timetz
select timestamp '2020-01-01 04:05:06'::time, interval '3 days 04:05:06'::time
select current_date = now()::date, current_date - current_date, current_time is not null, localtime is not null
select date '2020-02-29' + interval '1 year', date '2020-12-31' + 1, date '2021-03-28' - 365
select to_char(date '2020-08-11', 'YYYY-MM-DD'), to_char(date '2020-08-11', 'Day, DD Month YYYY')
select date 'today' = current_date, date 'tomorrow' - date 'today', date 'yesterday' < date 'now'
select date_bin('15 minutes', timestamp '2020-02-11 15:44:17', timestamp '2001-01-01')
select date '2020-01-01' between '2019-01-01' and '2021-01-01', date '2020-01-01' in ('2020-01-01', '2020-01-02')
select dates.d + n from (values (date '2020-01-01', 5)) dates(d, n)
select timestamp '2020-05-05 10:00' - date '2020-05-01'
select date '2020-01-01' * 2
select date '2020-01-01' + date '2020-01-01'
select 5 - date '2020-01-01'

-- interval: every spelling, arithmetic, output styles.
select interval '1 day', interval '1 day 2 hours 3 minutes 4.5 seconds', interval '-1 day', interval '1 year 2 months', interval '2 weeks', interval '1 decade', interval '1 century', interval '1 millennium'
select interval '01:02:03', interval '1 02:03:04', interval '-01:02', interval '1:02', interval '12:34.5678 minute to second'
select interval '1 day ago', interval '1 day 2 hours ago', interval '@ 1 minute', interval '@ 14 seconds ago', interval '1.5 weeks', interval '1.5 days', interval '1.5 months', interval '0.5 years', interval '1.25 hours'
select interval 'P1Y2M3DT4H5M6S', interval 'P1Y2M', interval 'PT10H', interval 'P1W', interval 'P0001-02-03T04:05:06', interval 'P-1Y', interval 'PT-1.5S'
select interval '1-2', interval '1-2 3 4:05:06', interval '-1-2'
select interval '5' day, interval '2' hour, interval '1-2' year to month, interval '1 02:03' day to minute, interval '90' second, interval '3' month, interval '10' year, interval '1:30' minute to second
select interval '1' year + interval '2' month, interval '1 day' * 3, interval '1 day' / 2, 2 * interval '1 hour', interval '1 month' / 30, interval '7 days' * 0.5, interval '1 hour' * 1.5
select interval '1 day' - interval '1 hour', -interval '1 day 2 hours', interval '1 day' + interval '36 hours'
select interval '1 day' = interval '24 hours', interval '1 month' = interval '30 days', interval '1 day' < interval '25 hours', interval '1 month' > interval '29 days'
select interval ''
select interval 'garbage'
select interval '1 foo'
select interval '1 day 1 day'
select interval '10000000000 years'
select '3 days'::interval, cast('1 hour' as interval), interval '1 day'::text, interval '1 mon 2 days 03:04:05.678'::text
select interval(0) '1 second 600 milliseconds', interval '1.234567 seconds'::interval(2), interval '1 day 2:03:04' hour, '1 year 2 mons'::interval year
select extract(day from interval '40 days 3 hours'), extract(hour from interval '40 days 3 hours'), extract(epoch from interval '1 year 2 mons 3 days'), extract(month from interval '14 months'), extract(year from interval '14 months'), extract(second from interval '1 minute 30.5 seconds'), extract(quarter from interval '4 months')
select extract(dow from interval '1 day')
select date_part('minute', interval '90 minutes'), date_trunc('hour', interval '1 day 02:47:33'), date_trunc('month', interval '14 months 3 days')
select justify_days(interval '65 days'), justify_hours(interval '50 hours'), justify_interval(interval '1 month 40 days 50 hours'), justify_days(interval '-35 days')
select make_interval(), make_interval(years => 1, months => 2), make_interval(days => 10), make_interval(hours => 5, mins => 6, secs => 7.8), make_interval(1, 2, 3, 4, 5, 6, 7.5)
select interval '1 mon -3 days 04:05:06', interval '-1 mon +3 days -04:05:06', interval '0', interval '1 day -1 hour', interval '-1 year -2 mons'
select i from (values (interval '1 day'), ('2 hours'), ('1 month'), ('30 days'), (null)) v(i) order by i
select min(i), max(i), sum(i), avg(i) from (values (interval '1 day'), ('2 hours'), ('1 month')) v(i)
select sum(i) from (values (interval '1.5 seconds'), ('2.25 seconds')) v(i)
select interval '1 day' > '2 hours', interval '24 hours' in ('1 day'), interval '1 hour' between '0' and '2 hours'
select isfinite(interval '1 day'), interval '4 months' / interval '1 month'
select interval '1 day' / 0
select interval '1 day' * interval '1 day'
select interval '1 day' + 1
select to_char(interval '15h 2m 12s', 'HH24:MI:SS'), to_char(interval '3 days 4 hours', 'DD HH')
set intervalstyle = 'iso_8601'
select interval '1 year 2 months 3 days 4 hours 5 minutes 6.5 seconds', interval '0', interval '-1 day 2 hours'
set intervalstyle = 'sql_standard'
select interval '1 year 2 months', interval '3 days 4 hours 5 minutes 6.5 seconds', interval '0', interval '1 year 3 days 4 hours'
set intervalstyle = 'postgres_verbose'
select interval '1 year 2 months 3 days 4 hours 5 minutes 6.5 seconds', interval '0', interval '-1 day -2 hours'
reset intervalstyle
select interval '1 year' + date '2020-02-29', interval '1 hour' + time '10:00', interval '1 day' + timestamp '2020-01-01'
select interval '1' day to second, interval '2 03:04' day to second, interval '100' hour, interval '1' minute
select interval '6 months' * 2.5, interval '1 year' / 3, interval '10 days' / 4
select '1 day'::interval::time, '25 hours'::interval::time
select interval '1d 2h 3m 4s', interval '1y 2mon', interval '5 min 10 sec', interval '1 hr', interval '500 ms', interval '5 us', interval '1 day, 2 hours'
set intervalstyle to iso_8601
select interval '1 year 2 mons 3 days 4:05:06.7', interval '0', interval '-1 day 2 hours'
set intervalstyle to postgres_verbose
select interval '1 year 2 mons 3 days 4:05:06.7', interval '0', interval '-1 day 2 hours', interval '1 sec'
set intervalstyle = sql_standard
select interval '1 year 2 mons 3 days 4:05:06.7', interval '0', interval '14 mons', interval '3 days 04:00:00'
show intervalstyle
set intervalstyle to nope
reset intervalstyle

-- timestamp and timestamptz.
set timezone = 'America/Los_Angeles'
select timestamp '2004-10-19 10:23:54', timestamp '2004-10-19 10:23:54.123456', timestamp '2004-10-19', timestamp '2004-10-19T10:23:54'
select timestamp 'Feb 10 17:32:01 1997', timestamp 'Feb 10 17:32:01.5 1997', timestamp 'Mon Feb 10 17:32:01 1997', timestamp 'Feb 10 1997 5:32PM', timestamp '10 Feb 1997'
select timestamp '19970210 173201', timestamp '1997-02-10 17:32:01-08', timestamp '1997/02/10 17:32:01', timestamp '2/10/1997 17:32'
select timestamp '20011227T040506', timestamp '2001-12-27 04:05:06.789-08', timestamp '1997.041 17:32:01'
select timestamp 'epoch', timestamp 'infinity', timestamp '-infinity', timestamp '0097-02-16 17:32:01 BC', timestamp 'Feb 16 17:32:01 5097 BC'
select timestamp '1997-02-29 12:00'
select timestamp '2020-01-01 25:00'
select timestamp 'nonsense'
select timestamp '294277-01-01'
select timestamptz '2004-10-19 10:23:54+02', timestamptz '2004-10-19 10:23:54 America/New_York', timestamptz '2004-10-19 10:23:54 PST', timestamptz '2004-10-19 10:23:54', timestamptz '2004-10-19 10:23:54Z', timestamptz '2004-07-01 00:00 Europe/Berlin'
select timestamptz '2004-10-19 10:23:54 Nowhere/Zone'
select timestamptz 'Wed Jul 11 10:51:14 PDT 2001', timestamptz '2001-07-11 10:51:14+05:30', timestamptz 'infinity'
select timestamp '2020-03-01 10:00' + interval '1 day 2 hours', timestamp '2020-03-31' + interval '1 month', timestamp '2020-03-01' - interval '1 second'
select timestamp '2020-03-01 10:00' - timestamp '2020-02-01 08:30:15', timestamptz '2020-03-09 00:00' - timestamptz '2020-03-07 00:00'
select timestamptz '2020-03-07 12:00' + interval '1 day', timestamptz '2020-03-07 12:00' + interval '24 hours', timestamptz '2020-01-31' + interval '1 month'
select extract(year from timestamp '2001-02-16 20:38:40.12'), extract(hour from timestamp '2001-02-16 20:38:40.12'), extract(minute from timestamp '2001-02-16 20:38:40.12'), extract(second from timestamp '2001-02-16 20:38:40.12')
select extract(milliseconds from timestamp '2001-02-16 20:38:40.12'), extract(microseconds from timestamp '2001-02-16 20:38:40.12'), extract(epoch from timestamp '2001-02-16 20:38:40.12'), extract(epoch from timestamptz '2001-02-16 20:38:40.12-08')
select extract(timezone from timestamptz '2001-02-16 20:38:40-05'), extract(timezone_hour from timestamptz '2001-07-16 20:38:40'), extract(timezone_minute from timestamptz '2001-07-16 20:38:40')
select extract(timezone from timestamp '2001-02-16 20:38:40')
select date_part('second', timestamp '2001-02-16 20:38:40.12'), date_part('epoch', interval '1 day'), date_part('dow', timestamp '2001-02-16 20:38:40')
select date_trunc('microseconds', t), date_trunc('milliseconds', t), date_trunc('second', t), date_trunc('minute', t) from (values (timestamp '2001-02-16 20:38:40.123456')) v(t)
select date_trunc('hour', t), date_trunc('day', t), date_trunc('week', t), date_trunc('month', t), date_trunc('quarter', t), date_trunc('year', t) from (values (timestamp '2001-02-16 20:38:40.123456')) v(t)
select date_trunc('decade', t), date_trunc('century', t), date_trunc('millennium', t) from (values (timestamp '2001-02-16 20:38:40.123456')) v(t)
select date_trunc('day', timestamptz '2001-02-16 20:38:40+00'), date_trunc('day', timestamptz '2001-02-16 20:38:40+00', 'Australia/Sydney')
select date_trunc('fortnight', timestamp '2001-02-16 20:38:40')
select timestamp '2001-02-16 20:38:40' at time zone 'America/Denver', timestamptz '2001-02-16 20:38:40-05' at time zone 'America/Denver', timestamptz '2001-02-16 20:38:40-05' at time zone 'UTC'
select timestamptz '2001-02-16 20:38:40-05' at time zone interval '-08:00', timezone('UTC', timestamptz '2001-02-16 20:38:40-05')
select make_timestamp(2013, 7, 15, 8, 15, 23.5), make_timestamptz(2013, 7, 15, 8, 15, 23.5), make_timestamptz(2013, 7, 15, 8, 15, 23.5, 'Europe/Berlin')
select make_timestamp(2013, 13, 15, 8, 15, 23.5)
select to_timestamp(1284352323), to_timestamp(1284352323.5), to_timestamp('05 Dec 2000 13:14:15', 'DD Mon YYYY HH24:MI:SS'), to_timestamp('2011-12-18 11:38 PM', 'YYYY-MM-DD HH12:MI PM')
select to_timestamp('97/02/16 8:14:30', 'FMYY/MM/DD FMHH12:MI:SS'), to_timestamp('2011$03!18 23_38_15', 'YYYY-MM-DD HH24:MI:SS'), to_timestamp('1985 January 12', 'YYYY FMMonth DD')
select to_timestamp('20000-1116', 'YYYY-MMDD'), to_timestamp('95-1116', 'YY-MMDD'), to_timestamp('2005527', 'YYYYWWD'), to_timestamp('15 "x" 98', 'HH24 "x" YY')
select to_timestamp('2016-06-13 99:99:99', 'YYYY-MM-DD HH24:MI:SS')
select age(timestamp '2001-04-10', timestamp '1957-06-13'), age(timestamp '2020-03-31 10:00', timestamp '2020-02-29 12:30'), age(timestamp '2020-01-01', timestamp '2020-03-15')
select justify_days(interval '35 days'), justify_hours(interval '27 hours'), justify_interval(interval '1 mon -1 hour')
select timestamp '2020-01-01 10:00'::timestamptz, timestamptz '2020-01-01 10:00+00'::timestamp, timestamptz '2020-01-01 03:00+00'::date, timestamp '2020-01-01 10:00:00.987654'::timestamp(2)
select timestamp '2020-01-01 10:00'::text, timestamptz '2020-07-01 10:00+00'::text, timestamp '2020-01-01 10:00:00.5'::text
select timestamp(0) '2020-01-01 10:00:00.5', timestamp(3) with time zone '2020-01-01 10:00:00.12345', '2020-01-01'::timestamp without time zone
select timestamp '2020-01-01' < timestamp '2020-01-02', timestamp '2020-01-01' = date '2020-01-01', timestamptz '2020-01-01 00:00-08' = timestamp '2020-01-01', timestamp '2020-01-01' > '2019-12-31'
select t, t + '1 hour', t - '1 day'::interval from (values (timestamp '2020-01-01 10:00')) v(t)
select min(t), max(t) from (values (timestamp '2020-01-01 10:00'), ('2019-01-01')) v(t)
select generate_series(timestamp '2020-01-01 00:00', '2020-01-01 12:00', '5 hours')
select generate_series(timestamptz '2020-03-08 00:00', timestamptz '2020-03-09 00:00', interval '8 hours')
select * from generate_series(timestamp '2020-01-31', timestamp '2020-05-01', interval '1 month') t
select now() = current_timestamp, now() - now(), pg_typeof(now()), pg_typeof(localtimestamp), statement_timestamp() is not null, clock_timestamp() > timestamp '2000-01-01', transaction_timestamp() = now()
select isfinite(timestamp 'infinity'), isfinite(timestamp '2020-01-01'), timestamp 'infinity' > timestamp '9999-01-01', -interval '1 day'
select timestamp 'infinity' + interval '1 day', date_trunc('day', timestamp 'infinity')
select (timestamp '2000-11-27', timestamp '2000-11-28') overlaps (timestamp '2000-11-27 12:00', timestamp '2000-11-30') as "True"
select to_char(timestamp '2020-01-05 15:04:05.678', 'YYYY-MM-DD HH24:MI:SS.MS'), to_char(timestamptz '2020-01-05 15:04:05', 'TZ OF')
select date_bin('1 hour', timestamp '2020-02-11 15:44:17', timestamp '2001-01-01 00:30'), date_bin('7 days', timestamp '2020-02-11', timestamp '2020-01-01')
select date_bin('1 month', timestamp '2020-02-11 15:44:17', timestamp '2001-01-01')
select timestamp '2020-01-01' - '2019-01-01', timestamp '2020-01-01' + time '10:00'
select extract(epoch from (timestamp '2020-01-02' - timestamp '2020-01-01')), extract(day from timestamp '2020-01-31' - timestamp '2020-01-01')
select timestamp '2020-01-01' + 1
select timestamp '2020-01-01' + timestamp '2020-01-01'
set timezone = 'Mars/Olympus'
set timezone to 'UTC'
show timezone
set time zone 'Europe/Rome'
select timestamptz '2020-07-01 12:00+00', timestamptz '2020-01-01 12:00+00'
set time zone interval '-08:00' hour to minute
reset timezone
set datestyle = 'ISO, DMY'
select date '01/02/2003', timestamp '01/02/2003 10:00'
set datestyle = 'German'
select date '2003-02-01', timestamp '2003-02-01 10:00'
set datestyle = 'SQL, MDY'
select date '2003-02-01', timestamp '2003-02-01 10:00'
set datestyle = 'Postgres, MDY'
select date '2003-02-01', timestamp '2003-02-01 10:00', timestamptz '2003-02-01 10:00+00'
reset datestyle
show datestyle

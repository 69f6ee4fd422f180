-- Different users with at least one event in an hour. Hours are UTC.
-- An event sent twice adds nobody.
CREATE MATERIALIZED VIEW curated.hourly_unique_visitors
WITH (schedule = '*/5 * * * *', kind = 'full')
AS SELECT date_trunc('hour', timestamp) AS hour,
          count(DISTINCT user_id) AS visitors
   FROM shop.events
   GROUP BY 1;

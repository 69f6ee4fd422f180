-- Users with at least one event on a day, by the region of the event. Days are UTC.
-- A user seen in two regions on one day counts in each. An event sent twice adds nobody.
CREATE MATERIALIZED VIEW curated.daily_active_users_by_region
WITH (schedule = '*/5 * * * *', kind = 'full')
AS SELECT CAST(date_trunc('day', timestamp) AS date) AS day,
          properties.region AS region,
          count(DISTINCT user_id) AS users
   FROM shop.events
   GROUP BY 1, 2;

-- Page views of each user by hour. Hours are UTC.
-- A page view that was sent twice counts once, as it was read first.
CREATE MATERIALIZED VIEW curated.hourly_page_views
WITH (schedule = '*/5 * * * *', kind = 'full')
AS SELECT date_trunc('hour', timestamp) AS hour,
          user_id,
          count(*) AS page_views
   FROM (SELECT first_value(timestamp ORDER BY _partition, _offset) AS timestamp,
                first_value(user_id ORDER BY _partition, _offset) AS user_id
         FROM shop.events
         WHERE type = 'page_view'
         GROUP BY event_id) AS views
   GROUP BY 1, 2;

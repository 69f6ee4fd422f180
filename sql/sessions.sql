-- Sessions: events of one user with never more than 30 minutes between two of them.
-- By that gap and not by properties.session_id, so that devices and sources that send none, or
-- keep one for days, are counted alike. A session may run past midnight.
-- An event that was sent twice counts once, as it was read first.
CREATE MATERIALIZED VIEW curated.sessions
WITH (schedule = '*/5 * * * *', kind = 'full')
AS WITH unique_events AS (
     SELECT event_id,
            first_value(user_id ORDER BY _partition, _offset) AS user_id,
            first_value(timestamp ORDER BY _partition, _offset) AS timestamp,
            first_value(type ORDER BY _partition, _offset) AS type
     FROM shop.events
     GROUP BY event_id
   ), starts AS (
     SELECT event_id, user_id, timestamp, type,
            CASE WHEN lag(timestamp) OVER (PARTITION BY user_id ORDER BY timestamp, event_id)
                      >= timestamp - INTERVAL '30 minutes'
                 THEN 0 ELSE 1 END AS starts
     FROM unique_events
   ), numbered AS (
     SELECT user_id, timestamp, type,
            sum(starts) OVER (PARTITION BY user_id ORDER BY timestamp, event_id
                              ROWS UNBOUNDED PRECEDING) AS session
     FROM starts
   )
   SELECT user_id,
          min(timestamp) AS session_start,
          max(timestamp) AS session_end,
          count(*) AS events,
          count(*) FILTER (WHERE type = 'page_view') AS page_views
   FROM numbered
   GROUP BY user_id, session;

-- Orders and revenue by product category and day. Days are UTC.
-- An order is a purchase; one that was sent twice counts once, as it was read first.
CREATE MATERIALIZED VIEW curated.revenue_by_category
WITH (schedule = '*/5 * * * *', kind = 'full')
AS SELECT CAST(date_trunc('day', timestamp) AS date) AS day,
          category,
          count(*) AS orders,
          sum(amount) AS revenue
   FROM (SELECT first_value(timestamp ORDER BY _partition, _offset) AS timestamp,
                first_value(properties.category ORDER BY _partition, _offset) AS category,
                first_value(properties.amount ORDER BY _partition, _offset) AS amount
         FROM shop.events
         WHERE type = 'purchase'
         GROUP BY event_id) AS purchases
   GROUP BY 1, 2;

-- How often each product was viewed, put into a cart and bought on a day. Days are UTC.
-- An event that was sent twice counts once, as it was read first.
CREATE MATERIALIZED VIEW curated.product_popularity
WITH (schedule = '*/5 * * * *', kind = 'full')
AS SELECT CAST(date_trunc('day', timestamp) AS date) AS day,
          product_id,
          count(*) FILTER (WHERE type = 'product_view') AS views,
          count(*) FILTER (WHERE type = 'add_to_cart') AS carts,
          count(*) FILTER (WHERE type = 'purchase') AS purchases
   FROM (SELECT first_value(timestamp ORDER BY _partition, _offset) AS timestamp,
                first_value(type ORDER BY _partition, _offset) AS type,
                first_value(properties.product_id ORDER BY _partition, _offset) AS product_id
         FROM shop.events
         WHERE type IN ('product_view', 'add_to_cart', 'purchase')
           AND properties.product_id IS NOT NULL
         GROUP BY event_id) AS product_events
   GROUP BY 1, 2;

-- How many users reached each step on a day: page_view, product_view, add_to_cart, purchase.
-- Days are UTC. A user reached a step by doing it that day; the steps before are not asked for,
-- since one visit in four lands on a product straight away and would fall out of the funnel.
-- A step that nobody reached has no row. An event sent twice adds nobody.
CREATE MATERIALIZED VIEW curated.purchase_funnel
WITH (schedule = '*/5 * * * *', kind = 'full')
AS SELECT CAST(date_trunc('day', timestamp) AS date) AS day,
          type AS step,
          count(DISTINCT user_id) AS users
   FROM shop.events
   WHERE type IN ('page_view', 'product_view', 'add_to_cart', 'purchase')
   GROUP BY 1, 2;

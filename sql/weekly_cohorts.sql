-- Users by the week of their first event, and how many of them came in each week since.
-- Weeks are UTC, begin on Monday, and are named by that day. An event sent twice adds nobody.
CREATE MATERIALIZED VIEW curated.weekly_cohorts
WITH (schedule = '*/5 * * * *', kind = 'full')
AS WITH weeks AS (
     SELECT DISTINCT user_id, CAST(date_trunc('week', timestamp) AS date) AS week
     FROM shop.events
   ), cohorts AS (
     SELECT min(week) OVER (PARTITION BY user_id) AS cohort_week, week
     FROM weeks
   )
   SELECT cohort_week, week, count(*) AS users
   FROM cohorts
   GROUP BY cohort_week, week;

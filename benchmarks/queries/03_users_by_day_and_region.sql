select cast(date_trunc('day', timestamp) as date) as day, properties.region as region, count(distinct user_id) as users from shop.events group by 1, 2 order by 1, 2

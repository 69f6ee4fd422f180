select hour, count(distinct user_id) as visitors from (select extract(hour from timestamp) as hour, user_id from shop.events where type = 'page_view') as views group by hour order by hour

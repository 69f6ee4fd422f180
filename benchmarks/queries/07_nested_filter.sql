select count(*) as n, count(distinct user_id) as users from shop.events where properties.region = 'eu-west' and properties.device = 'mobile' and properties.category = 'sports'

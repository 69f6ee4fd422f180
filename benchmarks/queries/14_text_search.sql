select count(*) as n, count(distinct properties.session_id) as sessions from shop.events where properties.referrer like '%google%' and properties.page like '/products/%'

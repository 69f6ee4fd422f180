select properties.page as page, count(*) as n from shop.events where type = 'page_view' group by 1 order by n desc, page limit 20

select type, count(*) as n from shop.events group by type order by type

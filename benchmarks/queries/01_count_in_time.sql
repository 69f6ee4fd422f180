select count(*) as n from shop.events where timestamp >= timestamptz '{day1} 00:00:00+00' and timestamp < timestamptz '{day2} 06:00:00+00'

select event_id, type, cast(timestamp as varchar) is not null as timed, properties.page as page from shop.events where user_id = '{user}' order by timestamp, event_id limit 500

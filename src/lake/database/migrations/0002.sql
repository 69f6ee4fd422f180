CREATE TABLE frazil_filled_tables (
    table_name {text} NOT NULL PRIMARY KEY,
    table_uuid {text} NOT NULL,
    stream {text} NOT NULL,
    since_ms BIGINT NOT NULL
);

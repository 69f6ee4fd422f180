-- A database as version 1 wrote it (postgres). Never edited: every later version must open it.
CREATE TABLE frazil_schema_version (version BIGINT NOT NULL PRIMARY KEY, applied_at_ms BIGINT NOT NULL);
CREATE TABLE iceberg_tables (
    catalog_name VARCHAR(255) NOT NULL,
    table_namespace VARCHAR(255) NOT NULL,
    table_name VARCHAR(255) NOT NULL,
    metadata_location VARCHAR(1000),
    previous_metadata_location VARCHAR(1000),
    iceberg_type VARCHAR(5),
    PRIMARY KEY (catalog_name, table_namespace, table_name)
);
CREATE TABLE iceberg_namespace_properties (
    catalog_name VARCHAR(255) NOT NULL,
    namespace VARCHAR(255) NOT NULL,
    property_key VARCHAR(255) NOT NULL,
    property_value VARCHAR(1000),
    PRIMARY KEY (catalog_name, namespace, property_key)
);
CREATE TABLE frazil_leases (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    holder TEXT COLLATE "C",
    generation BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL
);
CREATE TABLE frazil_runs (
    run_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    model TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    scheduled_at_ms BIGINT,
    started_at_ms BIGINT NOT NULL,
    ended_at_ms BIGINT,
    source_snapshots TEXT COLLATE "C" NOT NULL,
    target_snapshot BIGINT,
    row_count BIGINT,
    error TEXT COLLATE "C",
    holder TEXT COLLATE "C" NOT NULL
);
CREATE INDEX frazil_runs_newest ON frazil_runs (model, started_at_ms);
CREATE TABLE frazil_models (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    statement TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    changed_at_ms BIGINT NOT NULL
);
CREATE TABLE frazil_stream_status (
    stream TEXT COLLATE "C" NOT NULL,
    topic_id TEXT COLLATE "C" NOT NULL,
    partition_number BIGINT NOT NULL,
    topic TEXT COLLATE "C" NOT NULL,
    committed_offset BIGINT NOT NULL,
    low_watermark BIGINT NOT NULL,
    high_watermark BIGINT NOT NULL,
    holder TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    message TEXT COLLATE "C",
    seen_at_ms BIGINT NOT NULL,
    PRIMARY KEY (stream, topic_id, partition_number)
);
INSERT INTO frazil_schema_version (version, applied_at_ms) VALUES (1, 1790000000000);
INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value)
    VALUES ('frazil', 'curated', 'exists', 'true');
INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location, previous_metadata_location, iceberg_type)
    VALUES ('frazil', 'shop', 'events', 'file:///lake/shop/events/metadata/00001-a.metadata.json', 'file:///lake/shop/events/metadata/00000-a.metadata.json', 'TABLE');
INSERT INTO frazil_leases (name, holder, generation, expires_at_ms) VALUES
    ('sink/shop', 'sink-1', 4, 9000000000000),
    ('model/curated.x', NULL, 2, 0);
INSERT INTO frazil_runs (run_id, model, state, scheduled_at_ms, started_at_ms, ended_at_ms, source_snapshots, target_snapshot, row_count, error, holder) VALUES
    ('r1', 'curated.x', 'succeeded', 1790000000000, 1790000000001, 1790000000002, '{"shop.events":7}', 8, 9, NULL, 'jobs-1'),
    ('r2', 'curated.x', 'failed', NULL, 1790000000003, 1790000000004, '{}', NULL, NULL, 'no such column', 'jobs-1'),
    ('r3', 'curated.x', 'abandoned', NULL, 1790000000005, 1790000000006, '{}', NULL, NULL, NULL, 'jobs-1'),
    ('r4', 'curated.x', 'running', NULL, 1790000000007, NULL, '{}', NULL, NULL, NULL, 'jobs-1');
INSERT INTO frazil_models (name, statement, owner, changed_at_ms)
    VALUES ('curated.x', 'CREATE MATERIALIZED VIEW curated.x AS SELECT 1', 'me', 1790000000000);
INSERT INTO frazil_stream_status (stream, topic_id, partition_number, topic, committed_offset, low_watermark, high_watermark, holder, state, message, seen_at_ms)
    VALUES ('shop', 'AAAAAAAAAAAAAAAAAAAAAA', 3, 'shop-events', 42, 0, 50, 'sink-1', 'running', NULL, 1790000000000);

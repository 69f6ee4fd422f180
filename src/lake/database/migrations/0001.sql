CREATE TABLE frazil_leases (
    name {text} NOT NULL PRIMARY KEY,
    holder {text},
    generation BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL
);
CREATE TABLE frazil_runs (
    run_id {text} NOT NULL PRIMARY KEY,
    model {text} NOT NULL,
    state {text} NOT NULL,
    scheduled_at_ms BIGINT,
    started_at_ms BIGINT NOT NULL,
    ended_at_ms BIGINT,
    source_snapshots {text} NOT NULL,
    target_snapshot BIGINT,
    row_count BIGINT,
    error {text},
    holder {text} NOT NULL
);
CREATE INDEX frazil_runs_newest ON frazil_runs (model, started_at_ms);
CREATE TABLE frazil_models (
    name {text} NOT NULL PRIMARY KEY,
    statement {text} NOT NULL,
    owner {text} NOT NULL,
    changed_at_ms BIGINT NOT NULL
);
CREATE TABLE frazil_stream_status (
    stream {text} NOT NULL,
    topic_id {text} NOT NULL,
    partition_number BIGINT NOT NULL,
    topic {text} NOT NULL,
    committed_offset BIGINT NOT NULL,
    low_watermark BIGINT NOT NULL,
    high_watermark BIGINT NOT NULL,
    holder {text} NOT NULL,
    state {text} NOT NULL,
    message {text},
    seen_at_ms BIGINT NOT NULL,
    PRIMARY KEY (stream, topic_id, partition_number)
);

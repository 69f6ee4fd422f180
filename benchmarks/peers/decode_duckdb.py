"""DuckDB's side of `benchmarks/run decode`: FILE to OUT/all.parquet, one thread."""
import json
import pathlib
import sys

import duckdb

COLUMNS = """{
  event_id: 'VARCHAR', type: 'VARCHAR', timestamp: 'TIMESTAMPTZ', correlation_id: 'VARCHAR',
  user_id: 'VARCHAR',
  properties: 'STRUCT(page VARCHAR, referrer VARCHAR, device VARCHAR, ip VARCHAR, region VARCHAR,
    session_id VARCHAR, product_id VARCHAR, category VARCHAR, amount DECIMAL(12, 2))',
  metadata: 'STRUCT(source VARCHAR, version INTEGER)'}"""

source, out = sys.argv[1:]
target = pathlib.Path(out) / "all.parquet"
target.parent.mkdir(parents=True, exist_ok=True)
connection = duckdb.connect()
connection.execute("SET threads = 1; SET TimeZone = 'UTC'; SET preserve_insertion_order = true")
connection.execute(
    f"COPY (SELECT * FROM read_json('{source}', format = 'newline_delimited', columns = {COLUMNS}))"
    f" TO '{target}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
)
# From the footer and one column, so that the look costs little beside the work.
rows, cents = connection.execute(
    f"SELECT count(*), sum(properties.amount * 100)::BIGINT FROM '{target}'"
).fetchone()
print(json.dumps({"rows": rows, "cents": cents}))

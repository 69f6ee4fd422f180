"""What a table of events holds: METADATA; rows, distinct event_ids, the sum of amounts in cents.

Each listed file is read once for each time that it is listed.
"""
import json
import sys

import duckdb
from pyiceberg.table import StaticTable

table = StaticTable.from_metadata(sys.argv[1])
files = [task.file.file_path for task in table.scan().plan_files()]
paths = [path.removeprefix("file://").removeprefix("file:") for path in files]
connection = duckdb.connect()
rows, distinct, cents = connection.execute(
    "SELECT count(*), count(DISTINCT event_id), sum(properties.amount * 100)::BIGINT"
    f" FROM read_parquet({paths!r}, hive_partitioning = false)"
).fetchone()
print(json.dumps({"rows": rows, "distinct": distinct, "cents": cents}))

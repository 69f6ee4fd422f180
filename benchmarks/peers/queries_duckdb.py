"""DuckDB's side of `benchmarks/run queries`: METADATA TIMES QUERIES, over the Iceberg table."""
import json
import pathlib
import resource
import sys
import time

import duckdb

metadata, times, queries = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
settings = {"autoinstall_known_extensions": "false", "allow_unsigned_extensions": "true"}
connection = duckdb.connect(config=settings)
for extension in ("avro", "iceberg"):
    module = __import__(f"duckdb_extension_{extension}")
    file = next(pathlib.Path(module.__file__).parent.rglob(f"{extension}.duckdb_extension"))
    connection.execute(f"LOAD '{file}'")
connection.execute("SET threads = 2; SET TimeZone = 'UTC'")
connection.execute("CREATE SCHEMA shop")
connection.execute(f"CREATE VIEW shop.events AS SELECT * FROM iceberg_scan('{metadata}')")


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def text(value):
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


answers = {}
for file in sorted(queries.glob("*.sql")):
    sql = file.read_text()
    cpu_s, wall_s = [], []
    for _ in range(times):
        started, spent = time.monotonic(), cpu()
        rows = connection.execute(sql).fetchall()
        cpu_s.append(cpu() - spent)
        wall_s.append(time.monotonic() - started)
    found = ["".join(f"{text(value)}|" for value in row) for row in rows]
    answers[file.stem] = {"rows": found, "cpu_s": cpu_s, "wall_s": wall_s}
print(json.dumps(answers))

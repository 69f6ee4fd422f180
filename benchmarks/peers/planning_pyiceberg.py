"""pyiceberg's side of `benchmarks/run planning`: METADATA TIMES QUERIES DAY NEXT. It has no SQL: the
query is spelled here, with its groups by PyArrow. The table is loaded anew each time, as it is by a
job that starts."""
import json
import resource
import sys
import time

from pyiceberg.expressions import And, GreaterThanOrEqual, LessThan
from pyiceberg.table import StaticTable

metadata, times, _, day, following = sys.argv[1:]


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def ask():
    table = StaticTable.from_metadata(metadata)
    within = And(
        GreaterThanOrEqual("timestamp", f"{day}T00:00:00"),
        LessThan("timestamp", f"{following}T00:00:00"),
    )
    found = table.scan(row_filter=within, selected_fields=("type", "amount")).to_arrow()
    groups = found.group_by("type").aggregate([("amount", "count"), ("amount", "sum")])
    rows = zip(*(groups[name].to_pylist() for name in ["type", "amount_count", "amount_sum"]))
    return [f"{type_}|{count}|{amount}|" for type_, count, amount in sorted(rows)]


cpu_s, wall_s, rows = [], [], []
for _ in range(int(times)):
    started, spent = time.monotonic(), cpu()
    rows = ask()
    cpu_s.append(cpu() - spent)
    wall_s.append(time.monotonic() - started)
print(json.dumps({"one_day": {"rows": rows, "cpu_s": cpu_s, "wall_s": wall_s}}))

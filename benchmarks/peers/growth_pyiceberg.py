"""The same appends as growth.rs with pyiceberg: one table, local files, an SQLite catalog.

    growth_pyiceberg.py [--commits N] [--rows N] [--expire]

`--expire` keeps the newest 500 snapshots, every 600 commits, as growth.rs's upkeep does. Prints a
line for each tenth, with the columns of growth.rs that apply.
"""

import argparse
import os
import resource
import tempfile
import time

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform
from pyiceberg.types import LongType, NestedField, StringType, TimestampType

DAY_US = 86_400_000_000


def batch(number, rows):
    ids = range(number * rows, (number + 1) * rows)
    at = [DAY_US * (number // 1_000) + i for i in ids]
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "at": pa.array(at, pa.timestamp("us")),
            "page": pa.array([f"/product/{i % 997}" for i in ids]),
        }
    )


def cpu_ms():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * 1e3


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--commits", type=int, default=1_000)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--expire", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        catalog = SqlCatalog("growth", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")
        catalog.create_namespace("shop")
        schema = Schema(
            NestedField(1, "id", LongType()),
            NestedField(2, "at", TimestampType()),
            NestedField(3, "page", StringType()),
        )
        spec = PartitionSpec(PartitionField(2, 1000, DayTransform(), "at_day"))
        properties = {"commit.manifest-merge.enabled": "true", "write.metadata.delete-after-commit.enabled": "true"}
        table = catalog.create_table("shop.events", schema=schema, partition_spec=spec, properties=properties)
        print("commits\twall_ms\tcpu_ms\tmetadata_kB\tsnapshots\tmanifests")
        tenth = max(arguments.commits // 10, 1)
        started, cpu = time.perf_counter(), cpu_ms()
        for number in range(arguments.commits):
            table.append(batch(number, arguments.rows))
            if arguments.expire and number % 600 == 599:
                old = sorted(table.metadata.snapshots, key=lambda s: s.sequence_number)[:-500]
                if old:
                    table.maintenance.expire_snapshots().by_ids([s.snapshot_id for s in old]).commit()
            if (number + 1) % tenth == 0:
                wall_ms = (time.perf_counter() - started) * 1e3 / tenth
                size = os.path.getsize(table.metadata_location.removeprefix("file://"))
                manifests = len(table.current_snapshot().manifests(table.io))
                print(
                    f"{number + 1}\t{wall_ms:.2f}\t{(cpu_ms() - cpu) / tenth:.2f}\t{size / 1e3:.1f}"
                    f"\t{len(table.metadata.snapshots)}\t{manifests}",
                    flush=True,
                )
                started, cpu = time.perf_counter(), cpu_ms()


if __name__ == "__main__":
    main()

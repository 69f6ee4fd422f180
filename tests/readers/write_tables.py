"""Makes tables with pyiceberg, in Frazil's catalog, each with something odd about it.

    write_tables.py CATALOG_URI FOLDER [read]

Prints for each table and each of its snapshots one line of JSON: {"table", "snapshot", "rows"}, rows
in the words of read_values.py; snapshot is null for what the table is now. With `read` it makes
nothing, and prints what the tables are now.
"""

import datetime
import decimal
import json
import sys
import uuid

import pyarrow
import pyarrow.parquet
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import NullOrder, SortDirection, SortField, SortOrder
from pyiceberg.transforms import (
    BucketTransform,
    DayTransform,
    HourTransform,
    IdentityTransform,
    MonthTransform,
    TruncateTransform,
    YearTransform,
)
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

from read_values import canonical

UTC = datetime.timezone.utc
KINDS = Schema(
    NestedField(1, "id", LongType(), required=True),
    NestedField(2, "flag", BooleanType()),
    NestedField(3, "small", IntegerType()),
    NestedField(4, "rate", FloatType()),
    NestedField(5, "score", DoubleType()),
    NestedField(6, "price", DecimalType(9, 2)),
    NestedField(7, "middle", DecimalType(18, 3)),
    NestedField(8, "huge", DecimalType(38, 9)),
    NestedField(9, "day", DateType()),
    NestedField(10, "clock", TimeType()),
    NestedField(11, "local", TimestampType()),
    NestedField(12, "seen", TimestamptzType()),
    NestedField(13, "note", StringType()),
    NestedField(14, "key", UUIDType()),
    NestedField(15, "code", FixedType(4)),
    NestedField(16, "raw", BinaryType()),
    NestedField(
        17,
        "page",
        StructType(NestedField(30, "path", StringType()), NestedField(31, "hits", IntegerType())),
    ),
    NestedField(18, "tags", ListType(40, StringType(), element_required=False)),
    NestedField(19, "sizes", MapType(50, StringType(), 51, IntegerType(), value_required=False)),
)
FIRST = [
    {
        "id": 2**63 - 1, "flag": True, "small": 2**31 - 1, "rate": 0.1, "score": 0.1,
        "price": decimal.Decimal("9999999.99"), "middle": decimal.Decimal("999999999999999.999"),
        "huge": decimal.Decimal("99999999999999999999999999999.999999999"),
        "day": datetime.date(9999, 12, 31), "clock": datetime.time(23, 59, 59, 999999),
        "local": datetime.datetime(9999, 12, 31, 23, 59, 59, 999999),
        "seen": datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
        "note": "Zoë 🧊 over sixteen characters", "key": uuid.UUID(int=2**128 - 1).bytes,
        "code": b"\xff\xff\xff\xff", "raw": b"\x00\xff\x7f\x80",
        "page": {"path": "/é", "hits": 7}, "tags": ["a", None, ""], "sizes": [("m", 1), ("", None)],
    },
    {
        "id": -(2**63) + 1, "flag": False, "small": -(2**31), "rate": -3.4028234663852886e38,
        "score": -1.7976931348623157e308,
        "price": decimal.Decimal("-9999999.99"), "middle": decimal.Decimal("-999999999999999.999"),
        "huge": decimal.Decimal("-99999999999999999999999999999.999999999"),
        "day": datetime.date(1, 1, 1), "clock": datetime.time(0),
        "local": datetime.datetime(1, 1, 1), "seen": datetime.datetime(1, 1, 1, tzinfo=UTC),
        "note": "", "key": uuid.UUID(int=0).bytes, "code": b"\0\0\0\0", "raw": b"",
        "page": {"path": None, "hits": None}, "tags": [], "sizes": [],
    },
]
SECOND = [
    {"id": 0},
    {
        "id": 1, "rate": float("nan"), "score": float("nan"), "price": decimal.Decimal("0.00"),
        "huge": decimal.Decimal("0.000000001"), "day": datetime.date(1969, 12, 31),
        "local": datetime.datetime(1969, 12, 31, 23, 59, 59, 999999),
        "seen": datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, UTC), "note": "y" * 70_000,
        "key": uuid.UUID("7fffffff-ffff-ffff-8000-000000000000").bytes,
    },
]
THIRD = [
    {"id": 2, "rate": float("inf"), "score": float("-inf"), "note": "\U0010ffff" * 20, "flag": True},
    {"id": 3, "rate": -0.0, "score": -0.0, "note": "ab", "small": 0, "day": datetime.date(1970, 1, 1),
     "local": datetime.datetime(1970, 1, 1), "seen": datetime.datetime(1970, 1, 1, tzinfo=UTC),
     "key": uuid.UUID("80000000-0000-0000-0000-000000000000").bytes, "raw": b"\xff" * 40},
    {"id": 4, "note": "abc", "small": 5, "seen": datetime.datetime(2026, 11, 22, 12, tzinfo=UTC),
     "price": decimal.Decimal("-0.01"), "page": {"path": "z", "hits": -1}},
]


def rows(table, values):
    schema = table.schema().as_arrow()
    return pyarrow.Table.from_pylist(values, schema=schema)


def kinds(catalog, name, parts=(), **properties):
    """Every type in three snapshots, and a delete that writes a file anew."""
    fields = [
        PartitionField(KINDS.find_field(column).field_id, 1000 + number, transform, f"part_{number}")
        for number, (column, transform) in enumerate(parts)
    ]
    spec = PartitionSpec(*fields)
    table = catalog.create_table(f"py.{name}", KINDS, partition_spec=spec, properties=properties)
    for values in (FIRST, SECOND, THIRD):
        table.append(rows(table, values))
    table.delete("id = 3")
    return table


def layouts(catalog):
    for codec in ("zstd", "gzip", "snappy", "brotli", "lz4", "uncompressed"):
        kinds(catalog, f"codec_{codec}", **{"write.parquet.compression-codec": codec})
    kinds(catalog, "no_bounds", **{"write.metadata.metrics.default": "none"})
    kinds(catalog, "counts_only", **{"write.metadata.metrics.default": "counts"})
    kinds(catalog, "short_bounds", **{"write.metadata.metrics.default": "truncate(1)"})
    kinds(catalog, "small_pages", **{"write.parquet.dict-size-bytes": "1",
                                     "write.parquet.page-row-limit": "1"})
    kinds(catalog, "object_layout", **{"write.object-storage.enabled": "true"})
    kinds(catalog, "format_1", **{"format-version": "1"})


def partitions(catalog):
    # Not by floats: pyiceberg (0.12) finds no rows of the partition of NaN.
    identity = ("flag", "price", "day", "seen", "note", "raw")
    # One value is too long for a folder's name.
    flat = {"write.object-storage.enabled": "true", "write.object-storage.partitioned-paths": "false"}
    for column in identity:
        kinds(catalog, f"by_{column}", [(column, IdentityTransform())], **flat)
    for column in ("id", "price", "seen", "note", "raw"):
        kinds(catalog, f"bucket_{column}", [(column, BucketTransform(3))])
    kinds(catalog, "truncate", [(c, TruncateTransform(7)) for c in ("note",)])
    for name, transform in (("year", YearTransform()), ("month", MonthTransform()), ("day", DayTransform())):
        kinds(catalog, f"{name}s", [(c, transform) for c in ("day", "local", "seen")])
    kinds(catalog, "hours", [(c, HourTransform()) for c in ("local", "seen")])


def evolved(catalog):
    table = kinds(catalog, "evolved", [("note", TruncateTransform(2))])
    with table.update_schema() as update:
        update.update_column("small", field_type=LongType())
        update.update_column("rate", field_type=DoubleType())
        update.update_column("price", field_type=DecimalType(18, 2))
        update.update_column(("page", "hits"), field_type=LongType())
        update.rename_column("note", "remark")
        update.rename_column(("page", "path"), "url")
        update.add_column(("page", "source"), StringType())
        update.add_column("extra", ListType(1, DecimalType(38, 9), element_required=False))
        update.delete_column("middle")
        update.move_first("score")
    with table.update_spec() as update:
        update.add_field("small", BucketTransform(2), "small_bucket")
        update.remove_field("part_0")
    table = catalog.load_table("py.evolved")
    table.append(rows(table, [{"id": 10, "small": 5_000_000_000, "rate": 0.1, "remark": "after",
                               "page": {"url": "/new", "hits": 6_000_000_000, "source": "s"},
                               "extra": [decimal.Decimal("0.000000001"), None]}]))
    with table.update_schema(allow_incompatible_changes=True) as update:
        update.add_column("middle", StringType())
    table = catalog.load_table("py.evolved")
    table.append(rows(table, [{"id": 11, "middle": "a text now"}]))
    table.delete("id = 10")


def changed(catalog):
    table = kinds(catalog, "changed")
    table.overwrite(rows(table, [{"id": 20, "note": "instead"}]), overwrite_filter="id < 0")
    table.upsert(rows(table, [{"id": 20, "note": "upserted"}, {"id": 21}]), join_cols=["id"])
    table.manage_snapshots().create_tag(table.current_snapshot().snapshot_id, "marked").commit()
    table.append(rows(table, [{"id": 22}]))
    order = SortOrder(SortField(13, direction=SortDirection.DESC, null_order=NullOrder.NULLS_LAST))
    sorted_table = catalog.create_table("py.sorted", KINDS, sort_order=order)
    sorted_table.append(rows(sorted_table, FIRST + SECOND + THIRD))
    catalog.create_table("py.nothing_yet", KINDS)


def brought_in(catalog, folder):
    """Files that know nothing of Iceberg, their columns in another order and of narrower types."""
    schema = Schema(
        NestedField(1, "id", LongType()),
        NestedField(2, "note", StringType()),
        NestedField(3, "at", TimestamptzType()),
        NestedField(4, "page", StructType(NestedField(5, "path", StringType()), NestedField(6, "hits", LongType()))),
    )
    table = catalog.create_table("py.brought_in", schema)
    for number, extra in enumerate(({}, {"page": [{"hits": 5, "path": "p"}]})):
        columns = {"at": pyarrow.array([datetime.datetime(2026, 1, 1, tzinfo=UTC)], pyarrow.timestamp("us", "UTC")),
                   "note": ["n"], "id": [number], **extra}
        file = f"{folder}/brought-in-{number}.parquet"
        pyarrow.parquet.write_table(pyarrow.table(columns), file, compression="brotli", data_page_version="2.0")
        table.add_files([f"file://{file}"])
    with table.update_schema() as update:
        update.rename_column("note", "remark")
        update.rename_column(("page", "hits"), "count")
    table = catalog.load_table("py.brought_in")
    table.append(rows(table, [{"id": 9, "remark": "own", "page": {"path": "q", "count": 1}}]))


def main():
    uri, folder, *read = sys.argv[1:]
    catalog = SqlCatalog("frazil", uri=uri, warehouse=f"file://{folder}")
    if not read:
        catalog.create_namespace("py")
        layouts(catalog)
        partitions(catalog)
        evolved(catalog)
        changed(catalog)
        brought_in(catalog, folder)
    for _, name in sorted(catalog.list_tables("py")):
        table = catalog.load_table(f"py.{name}")
        then = [] if read else [snapshot.snapshot_id for snapshot in table.snapshots()]
        for snapshot in [None, *then]:
            found = table.scan(snapshot_id=snapshot).to_arrow().to_pylist()
            lines = [json.dumps({k: canonical(v) for k, v in sorted(row.items())}) for row in found]
            print(json.dumps({"table": f"py.{name}", "snapshot": snapshot, "rows": sorted(lines)}))


if __name__ == "__main__":
    main()

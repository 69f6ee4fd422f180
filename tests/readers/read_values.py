"""Prints a table's rows as one engine reads them: one line of canonical JSON a row, sorted.

    read_values.py parquet FILE                          rows that Frazil read
    read_values.py answers FILE …                        the same of many: a JSON list of lines each
    read_values.py pyiceberg CATALOG_URI TABLE [SNAPSHOT]
    read_values.py duckdb CATALOG_URI TABLE [SNAPSHOT]
    read_values.py polars CATALOG_URI TABLE [SNAPSHOT]
    read_values.py snapshots|files|history CATALOG_URI TABLE   metadata, by pyiceberg

Bytes and uuids are hexadecimal, numbers with a fraction their shortest text, timestamps with a zone
in UTC; a struct and a map are lists of pairs.
"""

import datetime
import decimal
import json
import math
import os
import sys
import uuid

import pyarrow.parquet
from pyiceberg.catalog.sql import SqlCatalog


def number(value):
    if math.isnan(value):
        return "NaN"
    return repr(value)


def instant(value):
    if value.tzinfo is None:
        return value.isoformat(timespec="microseconds")
    return value.astimezone(datetime.timezone.utc).isoformat(timespec="microseconds")


def pairs(items):
    return sorted(([canonical(key), canonical(value)] for key, value in items), key=repr)


def canonical(value):
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return number(value)
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        return instant(value)
    if isinstance(value, datetime.time):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return value.bytes.hex()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return pairs(value.items())
    if isinstance(value, (list, tuple)):
        # pyarrow gives a map as a list of tuples.
        if value and all(isinstance(item, tuple) for item in value):
            return pairs(value)
        return [canonical(item) for item in value]
    raise TypeError(f"{type(value)}: {value!r}")


def by_duckdb(table, snapshot):
    import duckdb
    import duckdb_extension_avro
    import duckdb_extension_iceberg

    duck = duckdb.connect(
        config={"autoinstall_known_extensions": "false", "allow_unsigned_extensions": "true"}
    )
    for module, name in ((duckdb_extension_avro, "avro"), (duckdb_extension_iceberg, "iceberg")):
        folder = f"{os.path.dirname(module.__file__)}/extensions/v{duckdb.__version__}"
        duck.execute(f"LOAD '{folder}/{name}.duckdb_extension'")
    duck.execute("SET TimeZone = 'UTC'")
    place = table.metadata_location.removeprefix("file://")
    at = "" if snapshot is None else f", snapshot_from_id => {snapshot}"
    found = duck.execute(f"SELECT * FROM iceberg_scan('{place}'{at})")
    names = [column[0] for column in found.description]
    return [dict(zip(names, row)) for row in found.fetchall()]


def by_polars(table, snapshot):
    import polars

    return polars.scan_iceberg(table, snapshot_id=snapshot).collect().to_dicts()


def metadata(table, kind):
    inspect = table.inspect
    if kind == "snapshots":
        columns = ["committed_at", "snapshot_id", "parent_id", "operation", "manifest_list"]
        return zoned(inspect.snapshots().select(columns).to_pylist())
    if kind == "history":
        columns = ["made_current_at", "snapshot_id", "parent_id", "is_current_ancestor"]
        return zoned(inspect.history().select(columns).to_pylist())
    columns = ["file_path", "spec_id", "record_count", "file_size_in_bytes"]
    return inspect.files().select(columns).to_pylist()


def zoned(rows):
    """pyiceberg leaves the zone of its metadata's times out."""
    for row in rows:
        for key, value in row.items():
            if isinstance(value, datetime.datetime):
                row[key] = value.replace(tzinfo=datetime.timezone.utc)
    return rows


def rows(engine, arguments):
    if engine == "parquet":
        return pyarrow.parquet.read_table(arguments[0]).to_pylist()
    uri, name, *snapshot = arguments
    table = SqlCatalog("frazil", uri=uri).load_table(name)
    snapshot = int(snapshot[0]) if snapshot else None
    if engine == "pyiceberg":
        return table.scan(snapshot_id=snapshot).to_arrow().to_pylist()
    if engine == "duckdb":
        return by_duckdb(table, snapshot)
    if engine == "polars":
        return by_polars(table, snapshot)
    return metadata(table, engine)


def lines(engine, arguments):
    found = []
    for row in rows(engine, arguments):
        found.append(json.dumps({key: canonical(value) for key, value in sorted(row.items())}))
    return sorted(found)


def main():
    engine, *arguments = sys.argv[1:]
    if engine == "answers":
        for file in arguments:
            print(json.dumps(lines("parquet", [file])))
    else:
        print("\n".join(lines(engine, arguments)))


if __name__ == "__main__":
    main()

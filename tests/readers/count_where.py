"""Counts a table's rows with pyiceberg and with DuckDB, under one filter after the other.

    count_where.py CATALOG_URI TABLE < FILTERS

FILTERS has one condition a line, in words that both understand. Prints for each a line with both
counts. Both prune files by their bounds, so a bound that doesn't hold shows as missing rows.
"""

import os
import sys

import duckdb
import duckdb_extension_avro
import duckdb_extension_iceberg
from pyiceberg.catalog.sql import SqlCatalog


def extension(module, name):
    folder = os.path.dirname(module.__file__)
    return f"{folder}/extensions/v{duckdb.__version__}/{name}.duckdb_extension"


def main():
    uri, name = sys.argv[1:]
    table = SqlCatalog("frazil", uri=uri).load_table(name)
    duck = duckdb.connect(config={"autoinstall_known_extensions": "false", "allow_unsigned_extensions": "true"})
    duck.execute(f"LOAD '{extension(duckdb_extension_avro, 'avro')}'")
    duck.execute(f"LOAD '{extension(duckdb_extension_iceberg, 'iceberg')}'")
    duck.execute("SET TimeZone = 'UTC'")
    source = f"iceberg_scan('{table.metadata_location.removeprefix('file://')}')"
    for line in sys.stdin:
        condition = line.rstrip("\n")
        by_pyiceberg = table.scan(row_filter=condition, selected_fields=("id",)).to_arrow().num_rows
        by_duckdb = duck.execute(f"SELECT count(*) FROM {source} WHERE {condition}").fetchone()[0]
        print(f"{by_pyiceberg}\t{by_duckdb}")


if __name__ == "__main__":
    main()

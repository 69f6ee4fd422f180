"""Reads a table with pyiceberg straight from Frazil's catalog and prints it as JSON.

    read_table.py CATALOG_URI TABLE [--filter EXPRESSION] [--select COLUMN …] [--count] [--snapshot ID]

CATALOG_URI is SQLAlchemy's spelling (sqlite:////path/catalog.db, postgresql+psycopg2://…).
Prints one JSON object a row, sorted, or with --count one number. S3 settings come from the
environment (FRAZIL_TEST_S3, _KEY, _SECRET).
"""

import argparse
import base64
import datetime
import decimal
import json
import os
import uuid

from pyiceberg.catalog.sql import SqlCatalog


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (decimal.Decimal, uuid.UUID)):
        return str(value)
    return value


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("uri")
    parser.add_argument("table")
    parser.add_argument("--filter", default=None)
    parser.add_argument("--select", nargs="+", default=["*"])
    parser.add_argument("--count", action="store_true")
    parser.add_argument("--snapshot", type=int, default=None)
    arguments = parser.parse_args()

    properties = {"uri": arguments.uri}
    if "FRAZIL_TEST_S3" in os.environ:
        properties |= {
            "s3.endpoint": os.environ["FRAZIL_TEST_S3"],
            "s3.access-key-id": os.environ["FRAZIL_TEST_S3_KEY"],
            "s3.secret-access-key": os.environ["FRAZIL_TEST_S3_SECRET"],
            "s3.region": "us-east-1",
        }
    table = SqlCatalog("frazil", **properties).load_table(arguments.table)
    scan = table.scan(selected_fields=tuple(arguments.select), snapshot_id=arguments.snapshot)
    if arguments.filter:
        scan = scan.filter(arguments.filter)
    if arguments.count:
        print(scan.to_arrow().num_rows)
        return
    for line in sorted(json.dumps(plain(row), sort_keys=True) for row in scan.to_arrow().to_pylist()):
        print(line)


if __name__ == "__main__":
    main()

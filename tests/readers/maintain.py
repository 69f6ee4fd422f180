"""What another engine does to a table, with pyiceberg, straight in Frazil's catalog.

    maintain.py CATALOG_URI ACTION TABLE [ARGUMENT …]

current                  prints the current snapshot's id
schema                   prints one line for each column, nested ones too: id, name, type
summaries                prints one line for each snapshot: id and summary
append N                 a row of its own, of the topic `foreign`
rewrite                  all rows into new files
delete EXPRESSION        copy on write
expire                   every snapshot but the current one
property NAME VALUE
get-property NAME        prints its value
remove-property NAME
rename NAME
rollback SNAPSHOT
drop

Changes are tried again while somebody else is faster, as engines do.
"""

import datetime
import os
import sys

import pyarrow
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, ValidationException


def foreign_row(table, number):
    values = {
        "n": number,
        "_topic": "foreign",
        "_topic_id": "foreign",
        "_partition": 99,
        "_offset": number,
        "_timestamp": datetime.datetime.now(datetime.timezone.utc),
    }
    schema = table.schema().as_arrow()
    row = {field.name: [values.get(field.name)] for field in schema}
    return pyarrow.table(row, schema=schema)


def rewrite(table):
    with table.transaction() as transaction:
        transaction.overwrite(table.scan().to_arrow())


def expire(table):
    current = table.current_snapshot().snapshot_id
    others = [s.snapshot_id for s in table.snapshots() if s.snapshot_id != current]
    if others:
        table.maintenance.expire_snapshots().by_ids(others).commit()


def set_property(table, name, value):
    with table.transaction() as transaction:
        transaction.set_properties({name: value})


def remove_property(table, name):
    with table.transaction() as transaction:
        transaction.remove_properties(name)


CHANGES = {
    "append": lambda table, number: table.append(foreign_row(table, int(number))),
    "rewrite": rewrite,
    "delete": lambda table, expression: table.delete(expression),
    "expire": expire,
    "property": set_property,
    "remove-property": remove_property,
    "rollback": lambda table, snapshot: table.manage_snapshots()
    .rollback_to_snapshot(int(snapshot))
    .commit(),
}


def main():
    uri, action, name, *arguments = sys.argv[1:]
    properties = {"uri": uri}
    if "FRAZIL_TEST_S3" in os.environ:
        properties |= {
            "s3.endpoint": os.environ["FRAZIL_TEST_S3"],
            "s3.access-key-id": os.environ["FRAZIL_TEST_S3_KEY"],
            "s3.secret-access-key": os.environ["FRAZIL_TEST_S3_SECRET"],
            "s3.region": "us-east-1",
        }
    catalog = SqlCatalog("frazil", **properties)
    if action == "drop":
        catalog.drop_table(name)
    elif action == "rename":
        catalog.rename_table(name, *arguments)
    elif action == "get-property":
        print(catalog.load_table(name).properties[arguments[0]])
    elif action == "current":
        print(catalog.load_table(name).current_snapshot().snapshot_id)
    elif action == "schema":
        schema = catalog.load_table(name).schema()
        for column in schema.column_names:
            field = schema.find_field(column)
            required = " required" if field.required else ""
            print(f"{field.field_id} {column} {field.field_type}{required}")
    elif action == "summaries":
        for snapshot in catalog.load_table(name).snapshots():
            summary = snapshot.summary.additional_properties
            print(snapshot.snapshot_id, " ".join(f"{key}={value}" for key, value in summary.items()))
    else:
        for attempt in range(100):
            try:
                CHANGES[action](catalog.load_table(name), *arguments)
                break
            except (CommitFailedException, ValidationException):
                continue
        else:
            sys.exit(f"{action}: others were first 100 times")


if __name__ == "__main__":
    main()

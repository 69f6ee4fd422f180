"""A Spark that does as it is told: a JSON command a line from stdin, a JSON answer a line to stdout.

    spark.py JARS CATALOG_FILE WAREHOUSE

The catalog is Frazil's SQLite file, as `frazil`. Commands:

{"sql": TEXT}                                   {"rows": [canonical JSON of each row, sorted]}
{"delete": TABLE, "columns": [NAME, …], "rows": [[VALUE, …], …], "partition": bool}
                                                an equality delete, which Spark has no SQL for
{"default": TABLE, "column": NAME, "value": N}  adds an int column with a default (format 3)

What fails is answered with {"error": TEXT}. Values are written as read_values.py writes them.
"""

import datetime
import decimal
import glob
import json
import os
import re
import sys
import time
import uuid

os.environ["TZ"] = "UTC"
time.tzset()

from pyspark.sql import SparkSession
from pyspark.sql.types import ArrayType, MapType, StructType, TimestampNTZType, TimestampType

INSERT = re.compile(r"INSERT INTO (\S+) \(([^)]*)\)\s+(VALUES.*)", re.DOTALL)
EPOCH = datetime.datetime(1970, 1, 1)
UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def instant(_, micros):
    """PySpark's own way (3.5) fails in the year 1."""
    return micros if micros is None else EPOCH + datetime.timedelta(microseconds=micros)


TimestampType.fromInternal = instant
TimestampNTZType.fromInternal = instant


def start(jars, catalog, warehouse):
    jars = glob.glob(f"{jars}/*.jar")
    settings = {
        "spark.jars": ",".join(jars),
        "spark.driver.extraClassPath": ":".join(jars),
        "spark.driver.memory": "1g",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": f"{warehouse}/spark-own",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.frazil": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.frazil.type": "jdbc",
        "spark.sql.catalog.frazil.uri": f"jdbc:sqlite:{catalog}",
        "spark.sql.catalog.frazil.warehouse": f"file://{warehouse}",
        "spark.sql.catalog.frazil.jdbc.schema-version": "V1",
        # Else it holds a lock on the file, and stays at what it saw first.
        "spark.sql.catalog.frazil.jdbc.init-catalog-tables": "false",
        "spark.sql.catalog.frazil.cache-enabled": "false",
    }
    builder = SparkSession.builder.master("local[2]").appName("frazil's tests")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def canonical(value, kind):
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        # Spark has no uuids: they come as texts.
        return value.replace("-", "") if UUID.fullmatch(value) else value
    if isinstance(value, float):
        return "NaN" if value != value else repr(value)
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(kind, StructType):
        fields = zip(kind.fieldNames(), value, kind.fields)
        return pairs((name, canonical(item, field.dataType)) for name, item, field in fields)
    if isinstance(kind, ArrayType):
        return [canonical(item, kind.elementType) for item in value]
    if isinstance(kind, MapType):
        both = lambda key, item: (canonical(key, kind.keyType), canonical(item, kind.valueType))
        return pairs(both(*entry) for entry in value.items())
    if hasattr(value, "hour"):
        text = value.isoformat(timespec="microseconds")
        return text + "+00:00" if isinstance(kind, TimestampType) else text
    return value.isoformat()


def pairs(items):
    return sorted((list(item) for item in items), key=repr)


def rows(frame):
    kinds = {field.name: field.dataType for field in frame.schema}
    lines = []
    for row in frame.collect():
        values = zip(frame.schema.fieldNames(), row)
        line = {name: canonical(value, kinds[name]) for name, value in sorted(values, key=lambda v: v[0])}
        lines.append(json.dumps(line))
    return sorted(lines)


def load(spark, name):
    return spark._jvm.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(
        spark._jsparkSession, f"frazil.{name}"
    )


def equality_delete(spark, name, columns, values, partition):
    jvm = spark._jvm
    iceberg = jvm.org.apache.iceberg
    table = load(spark, name)
    schema = table.schema().select(columns)
    ids = spark.sparkContext._gateway.new_array(jvm.int, len(columns))
    for number, column in enumerate(columns):
        ids[number] = schema.findField(column).fieldId()
    records = []
    for row in values:
        record = iceberg.data.GenericRecord.create(schema)
        for column, value in zip(columns, row):
            record.setField(column, decimal.Decimal(value) if column == "price" and value else value)
        records.append(record)
    key = None
    if partition:
        key = iceberg.PartitionKey(table.spec(), schema)
        key.partition(records[0])
    factory = iceberg.data.GenericAppenderFactory(table.schema(), table.spec(), ids, schema, None)
    place = table.locationProvider().newDataLocation(f"{uuid.uuid4()}-deletes.parquet")
    output = iceberg.encryption.EncryptedFiles.plainAsEncryptedOutput(table.io().newOutputFile(place))
    writer = factory.newEqDeleteWriter(output, iceberg.FileFormat.PARQUET, key)
    for record in records:
        writer.write(record)
    writer.close()
    table.newRowDelta().addDeletes(writer.toDeleteFile()).commit()


def default_column(spark, name, column, value):
    iceberg = spark._jvm.org.apache.iceberg
    kind = iceberg.types.Types.IntegerType.get()
    literal = iceberg.expressions.Literal.of(value)
    load(spark, name).updateSchema().addColumn(column, kind, None, literal).commit()


def completed(spark, text):
    """Spark (3.5) inserts into all of a table's columns only: the others are made null."""
    found = INSERT.fullmatch(text)
    if not found:
        return text
    table, columns, values = found.groups()
    columns = [column.strip() for column in columns.split(",")]
    every = [name if name in columns else "NULL" for name in spark.table(table).schema.fieldNames()]
    return f"INSERT INTO {table} SELECT {', '.join(every)} FROM {values} AS v({', '.join(columns)})"


def obey(spark, command):
    if "sql" in command:
        return {"rows": rows(spark.sql(completed(spark, command["sql"])))}
    if "delete" in command:
        arguments = (command["columns"], command["rows"], command["partition"])
        equality_delete(spark, command["delete"], *arguments)
    elif "default" in command:
        default_column(spark, command["default"], command["column"], command["value"])
    else:
        raise ValueError(f"no such command: {command}")
    return {"rows": []}


def main():
    # What Spark prints itself must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    spark = start(*sys.argv[1:])
    for line in sys.stdin:
        try:
            answer = obey(spark, json.loads(line))
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}".split("\n\tat ")[0].split("== SQL ==")[0]}
        print(json.dumps(answer), file=answers, flush=True)
    spark.stop()


if __name__ == "__main__":
    main()

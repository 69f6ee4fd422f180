"""The table that Kafka Connect fills, as a careful user declares it: RUN is its folder.

Left to itself, the connector makes `timestamp` a string and so no partitions, and drops what is
null in the first record.
"""
import sys

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform
from pyiceberg.types import (
    DecimalType,
    IntegerType,
    NestedField,
    StringType,
    StructType,
    TimestamptzType,
)

run = sys.argv[1]
catalog = SqlCatalog("iceberg", uri=f"sqlite:///{run}/catalog.db", warehouse=f"file://{run}/lake")


def field(number, name, kind):
    return NestedField(number, name, kind, required=False)


texts = ["page", "referrer", "device", "ip", "region", "session_id", "product_id", "category"]
properties = [field(20 + at, name, StringType()) for at, name in enumerate(texts)]
properties.append(field(28, "amount", DecimalType(12, 2)))
metadata = [field(30, "source", StringType()), field(31, "version", IntegerType())]
schema = Schema(
    field(1, "event_id", StringType()),
    field(2, "type", StringType()),
    field(3, "timestamp", TimestamptzType()),
    field(4, "correlation_id", StringType()),
    field(5, "user_id", StringType()),
    field(6, "properties", StructType(*properties)),
    field(7, "metadata", StructType(*metadata)),
)
catalog.create_namespace("shop")
catalog.create_table(
    "shop.events",
    schema,
    location=f"file://{run}/lake/shop/events",
    partition_spec=PartitionSpec(PartitionField(3, 1000, DayTransform(), "timestamp_day")),
    # Without it the connector writes gzip into a table that Java did not make.
    properties={"write.parquet.compression-codec": "zstd"},
)

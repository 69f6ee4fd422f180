"""Makes TOPIC with PARTITIONS at BOOTSTRAP and fills it with the lines of FILE, in turn."""
import sys

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

bootstrap, topic, partitions, file = sys.argv[1:]
admin = AdminClient({"bootstrap.servers": bootstrap})
admin.create_topics([NewTopic(topic, int(partitions), 1)])[topic].result()
producer = Producer(
    {
        "bootstrap.servers": bootstrap,
        "linger.ms": 50,
        "batch.size": 1_000_000,
        "compression.type": "lz4",
        "acks": "all",
        "queue.buffering.max.messages": 500_000,
    }
)
failures = []


def delivered(error, _):
    if error is not None:
        failures.append(error)


with open(file, "rb") as lines:
    for at, line in enumerate(lines):
        while True:
            try:
                partition = at % int(partitions)
                producer.produce(topic, line.rstrip(b"\n"), partition=partition, callback=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        if at % 1000 == 0:
            producer.poll(0)
producer.flush()
if failures:
    sys.exit(f"{len(failures)} records were not taken: {failures[0]}")

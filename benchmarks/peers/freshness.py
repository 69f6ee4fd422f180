"""How old a record is when a reader sees it: BOOTSTRAP TOPIC URL FILE SECONDS PER_SECOND.

Makes TOPIC with one partition and sends a marked record every 100 ms, and PER_SECOND others of FILE
beside it. URL is asked for the number of rows without a pause; a record is seen when the answer is
larger than its offset. The first MARKED seconds after the first answer count; prints ages in
seconds, as JSON.
"""
import json
import sys
import threading
import time

import psycopg
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

MARK_EVERY_S = 0.1
START_S = 180
END_S = 90

bootstrap, topic, url, file, seconds, per_second = sys.argv[1:]
seconds, per_second = float(seconds), int(per_second)
admin = AdminClient({"bootstrap.servers": bootstrap})
admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, "acks": "all"})
lines = open(file, "rb").read().splitlines()
unseen = {}
ages = []
failures = []
stop = threading.Event()
counts_from = None


def mark(line):
    """Sends a record, and remembers when and under which offset."""
    sent = time.monotonic()

    def delivered(error, message):
        if error is not None:
            failures.append(error)
        else:
            unseen[message.offset()] = sent

    producer.produce(topic, line, callback=delivered)


def produce():
    at, next_mark = 0, time.monotonic()
    while not stop.is_set():
        mark(lines[at % len(lines)])
        at += 1
        for _ in range(int(per_second * MARK_EVERY_S)):
            producer.produce(topic, lines[at % len(lines)])
            at += 1
        producer.poll(0)
        next_mark += MARK_EVERY_S
        time.sleep(max(0, next_mark - time.monotonic()))
    producer.flush()


def look(rows, now):
    for offset in [offset for offset in list(unseen) if offset < rows]:
        sent = unseen.pop(offset)
        if counts_from is not None and counts_from <= sent < counts_from + seconds:
            ages.append(now - sent)


thread = threading.Thread(target=produce)
thread.start()
try:
    began, asked, errors = time.monotonic(), 0, 0
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            now = time.monotonic()
            try:
                rows = connection.execute("SELECT count(*) FROM shop.events").fetchone()[0]
            except psycopg.errors.UndefinedTable:
                rows = 0
            asked += 1
            look(rows, time.monotonic())
            if counts_from is None:
                if rows > 0:
                    counts_from = time.monotonic()
                elif now - began > START_S:
                    sys.exit(f"nothing was seen within {START_S} s")
            elif now > counts_from + seconds:
                stop.set()
                waits = [sent for sent in list(unseen.values()) if sent < counts_from + seconds]
                if not waits:
                    break
                if now > counts_from + seconds + END_S:
                    sys.exit(f"{len(waits)} records were not seen within {END_S} s")
            time.sleep(0.02)
finally:
    stop.set()
    thread.join()
if failures:
    sys.exit(f"{len(failures)} records were not taken: {failures[0]}")
ages.sort()
share = lambda part: ages[min(len(ages) - 1, int(len(ages) * part))]
print(
    json.dumps(
        {
            "records": len(ages),
            "least": ages[0],
            "median": share(0.5),
            "p99": share(0.99),
            "worst": ages[-1],
            "asked": asked,
        }
    )
)

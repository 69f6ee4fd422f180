"""From a record sent to Apache Kafka to the row that a client sees over the Postgres wire, on an
idle topic (ten records a second) and a busy one. Frazil with a commit every 1, 5 and 10 s; Kafka
Connect with its Iceberg sink at 10 s, whose table a Frazil without a sink serves.

Who looks asks for the number of rows every 20 ms; a record's age is counted when that number first
holds it.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import sides
from suites import decode, ingest

PASSWORD = "benchmarks"
SIDES = ["frazil 1s", "frazil 5s", "frazil 10s", "connect 10s"]


def main(arguments):
    parser = argparse.ArgumentParser(prog="benchmarks/run freshness", description=__doc__)
    parser.add_argument("--seconds", type=int, default=120, help="records sent in these count")
    parser.add_argument("--busy", type=int, default=2_000, help="records a second of a busy topic")
    parser.add_argument("--only", choices=SIDES, action="append")
    given = parser.parse_args(arguments)
    (frazil,) = sides.built("frazil")
    python = sides.peers_python()
    folder = sides.HOME / "freshness"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    source = decode.lines(frazil, folder, 100_000)
    parts = pathlib.Path(os.environ.get("FRAZIL_TEST_PARTS") or sides.HOME / "parts")
    subprocess.run([ingest.PARTS / "install", parts], check=True)
    started = [ingest.PARTS / "kafka", "start", parts / "kafka", folder / "broker"]
    bootstrap = subprocess.run(started, check=True, capture_output=True, text=True).stdout.strip()
    rows = []
    try:
        for side in given.only or SIDES:
            for load, per_second in [("idle", 0), ("busy", given.busy)]:
                name = f"{side.replace(' ', '-')}-{load}"
                ingest.TOPIC = f"events-{name}"
                process = made(side, frazil, python, folder / name, bootstrap, parts)
                ages = measured(process, frazil, python, source, given.seconds, per_second)
                rows.append((side, load, ages))
                print(f"  {side}, {load}: {ages}", file=sys.stderr)
    finally:
        subprocess.run([ingest.PARTS / "kafka", "stop", folder / "broker"], check=False)
    print(f"{sides.versions()}; busy: {given.busy} records a second; ages in seconds\n")
    print("| side | topic | records | least | median | p99 | worst |")
    print("|---|---|---|---|---|---|---|")
    for side, load, ages in rows:
        figures = " | ".join(f"{ages[key]:.2f}" for key in ["least", "median", "p99", "worst"])
        print(f"| {side} | {load} | {ages['records']} | {figures} |")


def made(side, frazil, python, folder, bootstrap, parts):
    name, interval = side.split()
    if name == "connect":
        return ingest.Connect(python, folder, bootstrap, parts)
    return Frazil(frazil, folder, bootstrap, interval)


class Frazil(ingest.Frazil):
    def __init__(self, binary, folder, bootstrap, interval):
        super().__init__(binary, folder, bootstrap)
        self.interval = interval

    def prepare(self):
        super().prepare()
        stream = self.folder / "catalog" / "shop.toml"
        text = stream.read_text().replace('"shop-events"', f'"{ingest.TOPIC}"')
        stream.write_text(text.replace('interval = "10s"', f'interval = "{self.interval}"'))


def measured(side, frazil, python, source, seconds, per_second):
    side.prepare()
    port = free_port()
    reader = side.folder / "reader"
    reader.mkdir()
    (reader / "catalog").mkdir()
    (reader / "sql").mkdir()
    name = "frazil" if isinstance(side, Frazil) else "iceberg"
    verifier = subprocess.run(
        [frazil, "passwd"], input=PASSWORD, check=True, capture_output=True, text=True
    ).stdout.strip()
    (reader / "frazil.toml").write_text(
        f'version = 1\n[lake]\nwarehouse = "{side.folder}"\nname = "{name}"\n'
        f'catalog = "sqlite:{side.folder}/catalog.db"\n'
        f'[wire]\nlisten = "127.0.0.1:{port}"\n[[wire.users]]\nname = "reader"\n'
        f'verifier = "{verifier}"\naccess = "read"\n[ops]\nlisten = "127.0.0.1:{free_port()}"\n'
    )
    processes = [side.start()]
    try:
        wait(side, lambda: (side.folder / "catalog.db").exists())
        log = open(reader / "log", "wb")
        command = [frazil, "serve", "--config", reader / "frazil.toml", "--roles", "wire"]
        processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        wait(side, lambda: answers(port))
        url = f"postgresql://reader:{PASSWORD}@127.0.0.1:{port}/frazil"
        look = [python, ingest.HERE / "peers" / "freshness.py", side.bootstrap, ingest.TOPIC]
        look += [url, source, str(seconds), str(per_second)]
        run = subprocess.run(look, check=True, stdout=subprocess.PIPE)
        return json.loads(run.stdout)
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
            process.wait()


def wait(side, done):
    end = time.monotonic() + 60
    while not done():
        if time.monotonic() > end:
            sys.exit(f"{side} did not come up within a minute; see {side.folder}")
        time.sleep(0.1)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0



"""Apache Kafka into a committed Iceberg table partitioned by day, zstd, a commit every 10 s: the
sink of `frazil serve` beside Kafka Connect with the Iceberg sink on the same broker.

CPU is that of the whole process, its start included; for Kafka Connect also without it, from its
first look at the table. A run ends when the table's metadata shows all records.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import time

import sides
from suites import decode

HERE = pathlib.Path(__file__).resolve().parent.parent
PARTS = sides.REPO / "tests" / "parts"
TOPIC = "shop-events"
PARTITIONS = "4"
TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE_S = 900
# What Kafka's own scripts give Connect's JVM.
JVM = ["-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-Xms256M", "-Xmx2G"]


def main(arguments):
    parser = argparse.ArgumentParser(prog="benchmarks/run ingest", description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--only", choices=["frazil", "connect"], help="one side, unscored")
    given = parser.parse_args(arguments)
    (frazil,) = sides.built("frazil")
    python = sides.peers_python()
    folder = sides.HOME / "ingest"
    folder.mkdir(parents=True, exist_ok=True)
    source = decode.lines(frazil, folder, given.events)
    parts = pathlib.Path(os.environ.get("FRAZIL_TEST_PARTS") or sides.HOME / "parts")
    subprocess.run([PARTS / "install", parts], check=True)
    broker = folder / "broker"
    shutil.rmtree(broker, ignore_errors=True)
    started = [PARTS / "kafka", "start", parts / "kafka", broker]
    bootstrap = subprocess.run(started, check=True, capture_output=True, text=True).stdout.strip()
    try:
        produce = [python, HERE / "peers" / "produce.py", bootstrap, TOPIC, PARTITIONS, source]
        subprocess.run(produce, check=True)
        records = int(subprocess.run(["wc", "-l", source], capture_output=True).stdout.split()[0])
        every = {
            "frazil": lambda: Frazil(frazil, folder / "frazil", bootstrap),
            "connect": lambda: Connect(python, folder / "connect", bootstrap, parts),
        }
        names = [given.only] if given.only else list(every)
        runs = {name: [] for name in names}
        for round_ in range(given.times):
            for name in names if round_ % 2 == 0 else names[::-1]:
                run = measured(every[name](), records, python)
                runs[name].append(run)
                print(f"  {name}: {run}", file=sys.stderr)
    finally:
        subprocess.run([PARTS / "kafka", "stop", broker], check=False)
    table(runs, records, source.stat().st_size / 1e6)


def measured(side, records, python):
    """Runs a side until its table shows all records; checks that each is there once."""
    side.prepare()
    began = time.monotonic()
    process = side.start()
    warm_s = None
    try:
        while side.committed() < records:
            if process.poll() is not None:
                sys.exit(f"{side} ended with {process.returncode}; see {side.folder}")
            if time.monotonic() - began > PATIENCE_S:
                sys.exit(f"{side} took longer than {PATIENCE_S} s; see {side.folder}")
            if warm_s is None and side.is_warm():
                warm_s = cpu_s(process.pid)
            time.sleep(0.05)
        run = {
            "cpu_s": cpu_s(process.pid),
            "start_s": warm_s or 0.0,
            "wall_s": time.monotonic() - began,
            "peak_mb": peak_bytes(process.pid) / 1e6,
        }
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
    look = [python, HERE / "peers" / "ingest_check.py", side.metadata()]
    found = json.loads(subprocess.run(look, check=True, capture_output=True).stdout)
    if found["rows"] != records:
        sys.exit(f"{side} has {found['rows']} rows for {records} records: no score")
    return {**run, **found}


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_bytes(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


class Side:
    """A process that fills shop.events from the topic; its catalog is SQLite."""

    def __init__(self, folder):
        self.folder = folder

    def __str__(self):
        return type(self).__name__

    def prepare(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def metadata(self):
        catalog = sqlite3.connect(f"file:{self.folder}/catalog.db?mode=ro", uri=True, timeout=30)
        try:
            found = catalog.execute(
                "SELECT metadata_location FROM iceberg_tables"
                " WHERE table_namespace = 'shop' AND table_name = 'events'"
            ).fetchone()
        finally:
            catalog.close()
        return found and found[0].removeprefix("file://").removeprefix("file:")

    def committed(self):
        try:
            text = pathlib.Path(self.metadata() or "").read_text()
            metadata = json.loads(text)
        except (sqlite3.Error, OSError, ValueError):
            return 0
        current = metadata.get("current-snapshot-id")
        for snapshot in metadata.get("snapshots", []):
            if snapshot["snapshot-id"] == current:
                return int(snapshot["summary"].get("total-records", 0))
        return 0

    def is_warm(self):
        return False


class Frazil(Side):
    def __init__(self, binary, folder, bootstrap):
        super().__init__(folder)
        self.binary = binary
        self.bootstrap = bootstrap

    def prepare(self):
        super().prepare()
        streams = self.folder / "catalog"
        streams.mkdir()
        (self.folder / "sql").mkdir()
        shutil.copy(sides.REPO / "catalog" / "shop.toml", streams)
        (self.folder / "frazil.toml").write_text(
            'version = 1\n[lake]\nwarehouse = "."\n'
            f'[source]\nkind = "kafka"\nbrokers = "{self.bootstrap}"\n'
            '[streams]\nfolder = "catalog"\n'
        )

    def start(self):
        group = f"frazil-{time.time_ns()}"
        stream = self.folder / "catalog" / "shop.toml"
        stream.write_text(stream.read_text().replace("frazil-shop", group))
        command = [self.binary, "serve", "--config", self.folder / "frazil.toml"]
        log = open(self.folder / "log", "wb")
        return subprocess.Popen([*command, "--roles", "sink"], stdout=log, stderr=log)


class Connect(Side):
    def __init__(self, python, folder, bootstrap, parts):
        super().__init__(folder)
        self.python = python
        self.bootstrap = bootstrap
        self.parts = parts
        self.name = f"connect-{time.time_ns()}"

    def jars(self, profile):
        folder = sides.HOME / "connect-jars" / profile / "jars"
        if not (folder.parent / "installed").exists():
            pom = HERE / "peers" / "connect" / "pom.xml"
            command = ["mvn", "-q", "-B", "-f", pom, "-P", profile]
            goal = ["dependency:copy-dependencies", "-DincludeScope=runtime"]
            subprocess.run([*command, *goal, f"-DoutputDirectory={folder}"], check=True)
            (folder.parent / "installed").touch()
        return folder

    def prepare(self):
        super().prepare()
        subprocess.run(
            [self.python, HERE / "peers" / "connect" / "table.py", self.folder], check=True
        )
        # Where topics aren't made by themselves, its control topic must be there.
        command = [PARTS / "kafka", "tool", self.parts / "kafka"]
        command += ["org.apache.kafka.tools.TopicCommand", "--bootstrap-server", self.bootstrap]
        command += ["--create", "--topic", self.control(), "--partitions", "1"]
        subprocess.run(command, check=True, capture_output=True)
        plugins = self.jars("plugin").parent.parent / "plugin"
        properties(
            self.folder / "worker.properties",
            {
                "bootstrap.servers": self.bootstrap,
                "plugin.path": plugins,
                # The default reads every class of every jar at each start.
                "plugin.discovery": "service_load",
                "listeners": "HTTP://127.0.0.1:0",
                "offset.storage.file.filename": self.folder / "offsets",
                # An idle task wakes only so often; 60000 by default.
                "offset.flush.interval.ms": 10000,
                "key.converter": "org.apache.kafka.connect.storage.StringConverter",
                "value.converter": "org.apache.kafka.connect.json.JsonConverter",
                "value.converter.schemas.enable": "false",
            },
        )
        properties(
            self.folder / "connector.properties",
            {
                "name": self.name,
                "connector.class": "org.apache.iceberg.connect.IcebergSinkConnector",
                "tasks.max": 2,
                "topics": TOPIC,
                "iceberg.tables": "shop.events",
                "iceberg.control.topic": self.control(),
                "iceberg.control.commit.interval-ms": 10000,
                # With its default it loses records when it is killed.
                "iceberg.kafka.auto.offset.reset": "earliest",
                "iceberg.catalog": "iceberg",
                "iceberg.catalog.catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
                "iceberg.catalog.uri": f"jdbc:sqlite:{self.folder}/catalog.db",
                "iceberg.catalog.jdbc.busy_timeout": 30000,
                "iceberg.catalog.jdbc.journal_mode": "WAL",
                "iceberg.catalog.warehouse": f"file://{self.folder}/lake",
                "iceberg.catalog.io-impl": "org.apache.iceberg.hadoop.HadoopFileIO",
            },
        )

    def control(self):
        return f"control-{self.name}"

    def start(self):
        java = ["java", *JVM, "-Dorg.slf4j.simpleLogger.defaultLogLevel=info"]
        path = ["-cp", f"{self.jars('runtime')}/*", "org.apache.kafka.connect.cli.ConnectStandalone"]
        files = [self.folder / "worker.properties", self.folder / "connector.properties"]
        log = open(self.folder / "log", "wb")
        return subprocess.Popen([*java, *path, *files], stdout=log, stderr=log)

    def is_warm(self):
        return b"Table loaded by catalog" in (self.folder / "log").read_bytes()


def properties(file, values):
    file.write_text("".join(f"{key}={value}\n" for key, value in values.items()))


def table(runs, records, megabytes):
    print(f"{sides.versions()}; {records} records, {megabytes:.0f} MB of JSON\n")
    print("| | runs | CPU s | least-most | MB per CPU-s | without the start | wall s | peak MB |")
    print("|---|---|---|---|---|---|---|---|")
    for name, all_ in runs.items():
        cpu = [run["cpu_s"] for run in all_]
        warm = statistics.median(run["cpu_s"] - run["start_s"] for run in all_)
        middle = {key: statistics.median(run[key] for run in all_) for key in all_[0]}
        print(
            f"| {name} | {len(all_)} | {middle['cpu_s']:.2f} | {min(cpu):.2f}-{max(cpu):.2f} "
            f"| {megabytes / middle['cpu_s']:.0f} | {megabytes / warm:.0f} "
            f"| {middle['wall_s']:.1f} | {middle['peak_mb']:.0f} |"
        )
    if len(runs) == 2:
        first = {(run["rows"], run["distinct"], run["cents"]) for all_ in runs.values() for run in all_}
        if len(first) != 1:
            sys.exit(f"the sides differ: {first}: no score")

"""The Postgres wire beside Postgres itself: 2,000,000 rows of six columns as texts, in binary and by
COPY; `select 1` over 1, 16 and 64 connections; connects. Both hold the same rows and must send the
same bytes.

CPU is the server's, its children's counted in. Postgres has what `tests/parts/postgres` gives it
(its defaults, no fsync) after VACUUM ANALYZE; both ask for SCRAM-SHA-256.
"""
import argparse
import json
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

import sides
from suites import freshness, ingest

USER, PASSWORD = "bench", "benchmarks"
COLUMNS = (
    "i::bigint AS id, timestamptz '2026-01-01 00:00:00+00' + i * interval '1 second' AS at,"
    " 'user-' || (i % 10007) AS user_id, '/product/' || (i % 997) || '/details' AS page,"
    " ((i % 100000) / 100.0)::numeric(12, 2) AS amount, i::float8 / 8 AS score"
)
ALL = "SELECT id, at, user_id, page, amount, score FROM lines"
TRANSFERS = {
    "SELECT, texts": ("simple", ALL),
    "SELECT, binary": ("binary", ALL),
    "COPY, texts": ("simple", "COPY lines TO STDOUT"),
    "COPY, binary": ("simple", "COPY lines TO STDOUT (FORMAT binary)"),
}


def main(arguments):
    parser = argparse.ArgumentParser(prog="benchmarks/run wire", description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of `select 1`, a round")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    given = parser.parse_args(arguments)
    frazil, wire = sides.built("frazil", "wire")
    python = sides.peers_python()
    folder = sides.HOME / "wire"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    servers = {}
    elsewhere = tempfile.TemporaryDirectory()
    try:
        # Postgres has a user of its own, who can't look into every home.
        servers["Postgres"] = Postgres(pathlib.Path(elsewhere.name) / "postgres")
        servers["frazil"] = Frazil(frazil, folder / "frazil")
        for server in servers.values():
            server.fill(python, given.rows)
        print(f"{sides.versions()}; {given.rows} rows, {given.times} rounds\n")
        transfers(wire, servers, given)
        asks(wire, servers, given)
        connects(wire, servers, given)
    finally:
        for server in servers.values():
            server.stop()
        elsewhere.cleanup()


class Postgres:
    def __init__(self, folder):
        self.folder = folder
        started = [ingest.PARTS / "postgres", "start", folder]
        url = subprocess.run(started, check=True, capture_output=True, text=True).stdout.strip()
        self.address = url.rsplit("@", 1)[1].split("/")[0]
        self.user, self.database = USER, "postgres"
        self.owner = url
        self.pid = int((folder / "data" / "postmaster.pid").read_text().split()[0])

    def fill(self, python, rows):
        run_sql(
            python,
            self.owner,
            f"CREATE TABLE lines AS SELECT {COLUMNS} FROM generate_series(1, {rows}) AS s(i)",
            "VACUUM ANALYZE lines",
            f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'",
            f"GRANT SELECT ON lines TO {USER}",
        )
        rules = self.folder / "data" / "pg_hba.conf"
        rules.write_text("host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        run_sql(python, self.owner, "SELECT pg_reload_conf()", "SELECT count(*) FROM lines")

    def stop(self):
        subprocess.run([ingest.PARTS / "postgres", "stop", self.folder], check=False)


class Frazil:
    def __init__(self, binary, folder):
        self.folder = folder
        for name in ["catalog", "sql"]:
            (folder / name).mkdir(parents=True)
        port = freshness.free_port()
        self.address = f"127.0.0.1:{port}"
        self.user, self.database = USER, "frazil"
        verifier = subprocess.run(
            [binary, "passwd"], input=PASSWORD, check=True, capture_output=True, text=True
        ).stdout.strip()
        (folder / "frazil.toml").write_text(
            f'version = 1\n[lake]\nwarehouse = "."\n[wire]\nlisten = "{self.address}"\n'
            f'[[wire.users]]\nname = "{USER}"\nverifier = "{verifier}"\naccess = "write"\n'
            f'[ops]\nlisten = "127.0.0.1:{freshness.free_port()}"\n'
        )
        log = open(folder / "log", "wb")
        command = [binary, "serve", "--config", folder / "frazil.toml", "--roles", "wire"]
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.pid = self.process.pid
        freshness.wait(self, lambda: freshness.answers(port))

    def fill(self, python, rows):
        run_sql(
            python,
            f"postgres://{USER}:{PASSWORD}@{self.address}/frazil",
            "CREATE SCHEMA IF NOT EXISTS public",
            f"CREATE TABLE lines AS SELECT {COLUMNS} FROM generate_series(1, {rows}) AS s(i)",
            "SELECT count(*) FROM lines",
        )

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def run_sql(python, url, *statements):
    program = (
        "import sys, psycopg\n"
        "with psycopg.connect(sys.argv[1], autocommit=True) as connection:\n"
        "    for statement in sys.argv[2:]: connection.execute(statement)\n"
    )
    subprocess.run([python, "-c", program, url, *statements], check=True)


def measured(wire, server, *what):
    command = [wire, str(server.pid), server.address, server.user, PASSWORD, server.database]
    run = subprocess.run([*command, *map(str, what)], check=True, stdout=subprocess.PIPE)
    return json.loads(run.stdout)


def rounds(servers, times, measure):
    """By server, what `measure` found in each round; the order turns."""
    found = {name: [] for name in servers}
    for round_ in range(times):
        names = list(servers) if round_ % 2 == 0 else list(servers)[::-1]
        for name in names:
            found[name].append(measure(servers[name]))
            print(f"  {name}: {found[name][-1]}", file=sys.stderr)
    return found


def median(runs, value):
    return statistics.median(value(run) for run in runs)


def transfers(wire, servers, given):
    print("| rows | server | million rows per CPU-s | MB per CPU-s | CPU s | wall s | first row ms | memory grown, MB | ours to theirs |")
    print("|---|---|---|---|---|---|---|---|---|")
    for title, (protocol, sql) in TRANSFERS.items():
        found = rounds(
            servers, given.times, lambda server: measured(wire, server, "rows", protocol, sql)
        )
        same(title, found)
        cpu = {name: median(runs, lambda run: run["cpu_s"]) for name, runs in found.items()}
        for name, runs in found.items():
            rate = median(runs, lambda run: run["rows"] / run["cpu_s"] / 1e6)
            bytes_ = median(runs, lambda run: run["bytes"] / run["cpu_s"] / 1e6)
            wall = median(runs, lambda run: run["wall_s"])
            first = median(runs, lambda run: run["first_s"]) * 1e3
            grown = max(run["grown_bytes"] for run in runs) / 1e6
            ratio = f"{cpu['Postgres'] / cpu['frazil']:.2f}" if name == "frazil" else ""
            print(
                f"| {title} | {name} | {rate:.2f} | {bytes_:.0f} | {cpu[name]:.2f} | {wall:.2f}"
                f" | {first:.0f} | {grown:.0f} | {ratio} |"
            )
    print()


def same(title, found):
    # Postgres sends the header of a binary COPY with the first row: their messages are cut otherwise.
    what = ["bytes"] if title == "COPY, binary" else ["rows", "hash", "bytes"]
    answers = {tuple(run[key] for key in what) for runs in found.values() for run in runs}
    if len(answers) > 1:
        sys.exit(f"{title}: not the same rows: {answers}: no score")


def asks(wire, servers, given):
    print("| select 1 | connections | server | answers a second | server's CPU µs an answer | rate, ours to theirs |")
    print("|---|---|---|---|---|---|")
    for protocol in ["simple", "prepared"]:
        for connections in given.connections:
            what = ["asks", protocol, connections, given.seconds, "select 1"]
            found = rounds(servers, given.times, lambda server: measured(wire, server, *what))
            rate = {
                name: median(runs, lambda run: run["answers"] / run["wall_s"])
                for name, runs in found.items()
            }
            for name, runs in found.items():
                cpu = median(runs, lambda run: run["cpu_s"] / run["answers"]) * 1e6
                ratio = f"{rate['frazil'] / rate['Postgres']:.2f}" if name == "frazil" else ""
                print(f"| {protocol} | {connections} | {name} | {rate[name]:.0f} | {cpu:.0f} | {ratio} |")
    print()


def connects(wire, servers, given):
    print("| connects | server's CPU ms each | wall ms each |")
    print("|---|---|---|")
    found = rounds(servers, given.times, lambda server: measured(wire, server, "connects", 200))
    for name, runs in found.items():
        cpu = median(runs, lambda run: run["cpu_s"] / run["connects"]) * 1e3
        wall = median(runs, lambda run: run["wall_s"] / run["connects"]) * 1e3
        print(f"| {name} | {cpu:.2f} | {wall:.2f} |")

"""A query for one day over tables of 1,000, 10,000 and 100,000 files, ten to a day: what it costs to
find the ten. Frazil, DuckDB's iceberg extension, pyiceberg (planning and reading with PyArrow).

Each side is a process that asks the same again and again; the first time is told apart: metadata
and manifests are read then. Rows are compared before.
"""
import argparse
import pathlib
import shutil
import statistics
import subprocess
import sys

import sides
from suites import queries

QUERY = (
    "SELECT type, count(*) AS events, sum(amount) AS amount FROM shop.events"
    " WHERE timestamp >= timestamp '{day}' AND timestamp < timestamp '{next}'"
    " GROUP BY 1 ORDER BY 1"
)


def main(arguments):
    parser = argparse.ArgumentParser(prog="benchmarks/run planning", description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--times", type=int, default=10, help="within a round; the first apart")
    given = parser.parse_args(arguments)
    layouts, asks = sides.built("layouts", "queries")
    python = sides.peers_python()
    print(f"{sides.versions()}; {given.rounds} rounds of {given.times}; medians, ms\n")
    print("| files | side | CPU, first | CPU, again | wall, first | wall, again |")
    print("|---|---|---|---|---|---|")
    for files in given.files:
        lake = made(layouts, files)
        measure(lake, files, asks, python, given)


def made(layouts, files):
    """A lake of so many files, made once."""
    folder = sides.HOME / f"planning-{files}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([layouts, "days", folder, str(files)], check=True)
        (folder / "done").touch()
    return folder


def measure(lake, files, asks, python, given):
    folder = sides.HOME / "planning-query"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    days = files // 10
    day = subprocess.run(
        [python, "-c", DAYS, str(days // 2)], check=True, capture_output=True, text=True
    ).stdout.split()
    (folder / "one_day.sql").write_text(QUERY.format(day=day[0], next=day[1]))
    metadata = queries.metadata(lake)
    peers = pathlib.Path(__file__).resolve().parent.parent / "peers"
    last = [str(given.times), str(folder)]
    commands = {
        "frazil": [asks, "frazil", str(lake), *last],
        "DuckDB": [python, str(peers / "queries_duckdb.py"), metadata, *last],
        "pyiceberg": [python, str(peers / "planning_pyiceberg.py"), metadata, *last, *day],
    }
    rounds = {name: [] for name in commands}
    for round_ in range(given.rounds):
        names = list(commands)
        turn = round_ % len(names)
        for name in names[turn:] + names[:turn]:
            print(f"  {files} files, round {round_ + 1}: {name}", file=sys.stderr)
            rounds[name].append(sides.measured(commands[name]).found)
    queries.same(rounds)
    for name, found in rounds.items():
        cells = [
            statistics.median(pick(answer["one_day"][what]) for answer in found) * 1e3
            for what in ["cpu_s", "wall_s"]
            for pick in [lambda times: times[0], lambda times: statistics.median(times[1:])]
        ]
        print(f"| {files:,} | {name} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")


DAYS = (
    "import datetime, sys\n"
    "day = datetime.date(1970, 1, 1) + datetime.timedelta(days=int(sys.argv[1]))\n"
    "print(day, day + datetime.timedelta(days=1))\n"
)

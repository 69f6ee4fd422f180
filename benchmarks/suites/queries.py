"""Fourteen product-analytics queries over one lake of the demo's events: Frazil, DuckDB's iceberg
extension on the same table, DataFusion's plain listing of the same files.

A side is a process that asks each query several times: the first time is told apart (footers and
metadata are read then). Scores are CPU time, all threads; rows are compared before.
"""
import argparse
import json
import math
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import sys

import sides

HERE = pathlib.Path(__file__).resolve().parent.parent


def main(arguments):
    parser = argparse.ArgumentParser(prog="benchmarks/run queries", description=__doc__)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--times", type=int, default=3, help="within a round; the first apart")
    given = parser.parse_args(arguments)
    frazil, queries = sides.built("frazil", "queries")
    python = sides.peers_python()
    lake = house(frazil, given.events)
    peer = [python, str(HERE / "peers" / "queries_duckdb.py"), metadata(lake)]
    last = [str(given.times), str(asked(frazil, lake))]
    commands = {
        "frazil": [queries, "frazil", str(lake), *last],
        "DuckDB": [*peer, *last],
        "plain": [queries, "plain", str(lake), *last],
    }
    names = list(commands)
    rounds = {name: [] for name in names}
    for round_ in range(given.rounds):
        turn = round_ % len(names)
        for name in names[turn:] + names[:turn]:
            print(f"  round {round_ + 1}: {name}", file=sys.stderr)
            rounds[name].append(sides.measured(commands[name]).found)
    same(rounds)
    print(f"{sides.versions()}; {given.events} events, {given.rounds} rounds of {given.times}\n")
    for title, cost in (("repeated", repeated), ("first", first)):
        table(title, rounds, cost)


def house(frazil, events):
    """A demo's folder with so many events, made once."""
    folder = sides.HOME / f"lake-{events}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        command = [frazil, "demo", "--dir", str(folder), "--events", str(events), "--exit"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (folder / "done").touch()
    return folder


def asked(frazil, lake):
    """The queries with days and a user that the lake has: a demo's history ends today."""
    sql = (
        "SELECT cast(max(timestamp) AS date) - 10 AS day1, cast(max(timestamp) AS date) - 9 AS day2,"
        " cast(max(timestamp) AS date) - 3 AS day8,"
        " (SELECT user_id FROM shop.events GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1) AS \"user\""
        " FROM shop.events"
    )
    command = [frazil, "sql", "--config", str(lake / "frazil.toml"), "--format", "json", sql]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    (values,) = json.loads(answer)
    folder = sides.HOME / "queries"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for file in (HERE / "queries").glob("*.sql"):
        (folder / file.name).write_text(file.read_text().format(**values))
    return folder


def metadata(folder):
    catalog = next(iter(folder.rglob("catalog.db")))
    found = sqlite3.connect(catalog).execute(
        "SELECT metadata_location FROM iceberg_tables"
        " WHERE table_namespace = 'shop' AND table_name = 'events'"
    )
    return found.fetchone()[0].removeprefix("file://")


def same(rounds):
    """Every side must have the same rows, numbers as text."""
    reference = rounds["frazil"][0]
    for name, all_ in rounds.items():
        for found in all_:
            for query, answer in found.items():
                ours, theirs = reference[query]["rows"], answer["rows"]
                if ours != theirs:
                    pairs = [pair for pair in zip(ours, theirs) if pair[0] != pair[1]]
                    sys.exit(
                        f"{query}: {name} differs, {len(theirs)} rows for {len(ours)}; {pairs[:3]}"
                    )


def repeated(answer):
    return min(answer["cpu_s"][1:])


def first(answer):
    return answer["cpu_s"][0]


def table(title, rounds, cost):
    names = list(rounds)
    queries = sorted(rounds["frazil"][0])
    print(f"CPU ms, {title}, median over the rounds\n")
    print("| query | " + " | ".join(names) + " | ours to the best |")
    print("|---|" + "---|" * (len(names) + 1))
    ratios = {name: [] for name in names}
    for query in queries:
        costs = {
            name: statistics.median(cost(found[query]) for found in rounds[name]) * 1e3
            for name in names
        }
        for name in names:
            ratios[name].append(costs["frazil"] / costs[name])
        cells = " | ".join(f"{costs[name]:.0f}" for name in names)
        print(f"| {query} | {cells} | {costs['frazil'] / min(costs.values()):.2f} |")
    means = {name: math.exp(statistics.mean(map(math.log, all_))) for name, all_ in ratios.items()}
    print("\nGeometric mean of ours to each: ", end="")
    print(", ".join(f"{name} {means[name]:.2f}" for name in names if name != "frazil") + "\n")



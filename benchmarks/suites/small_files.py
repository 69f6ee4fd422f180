"""The queries of `benchmarks/run queries` over the same rows in 200 and in 2,000 small commits, beside
one big file for each day: what small files cost, to Frazil and to DuckDB's iceberg extension.

Nothing is compacted. A side is a process that asks each query several times, the first time told
apart; rows are compared with each other and over the layouts.
"""
import argparse
import math
import pathlib
import shutil
import statistics
import subprocess
import sys

import sides
from suites import queries

HERE = pathlib.Path(__file__).resolve().parent.parent


def main(arguments):
    parser = argparse.ArgumentParser(prog="benchmarks/run small_files", description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--commits", type=int, nargs="+", default=[200, 2_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--times", type=int, default=3, help="within a round; the first apart")
    given = parser.parse_args(arguments)
    frazil, layouts, asks = sides.built("frazil", "layouts", "queries")
    python = sides.peers_python()
    source = queries.house(frazil, given.events)
    folder = queries.asked(frazil, source)
    commands = {}
    for commits in [1, *given.commits]:
        lake = rewritten(layouts, source, given.events, commits)
        last = [str(given.times), str(folder)]
        peer = [python, str(HERE / "peers" / "queries_duckdb.py"), queries.metadata(lake)]
        commands["frazil", commits] = [asks, "frazil", str(lake), *last]
        commands["DuckDB", commits] = [*peer, *last]
    rounds = {key: [] for key in commands}
    for round_ in range(given.rounds):
        keys = list(commands)
        turn = round_ % len(keys)
        for key in keys[turn:] + keys[:turn]:
            print(f"  round {round_ + 1}: {key[0]}, {key[1]} commits", file=sys.stderr)
            rounds[key].append(sides.measured(commands[key]).found)
    queries.same({"frazil": rounds["frazil", 1], **rounds})
    print(f"{sides.versions()}; {given.events} events, {given.rounds} rounds of {given.times}\n")
    for title, cost in (("repeated", queries.repeated), ("first", queries.first)):
        table(title, rounds, cost)


def rewritten(layouts, source, events, commits):
    """The source's rows in so many commits, made once."""
    folder = sides.HOME / f"lake-{events}-in-{commits}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([layouts, "commits", source, folder, str(commits)], check=True)
        (folder / "done").touch()
    return folder


def table(title, rounds, cost):
    keys = list(rounds)
    print(f"CPU ms, {title}, median over the rounds; commits in brackets\n")
    print("| query | " + " | ".join(f"{name} ({commits})" for name, commits in keys) + " |")
    print("|---|" + "---|" * len(keys))
    names = sorted(rounds[keys[0]][0])
    costs = {
        key: {
            query: statistics.median(cost(found[query]) for found in rounds[key]) * 1e3
            for query in names
        }
        for key in keys
    }
    for query in names:
        cells = " | ".join(f"{costs[key][query]:.0f}" for key in keys)
        print(f"| {query} | {cells} |")
    print("\nTo the same side's one commit, geometric mean and worst:")
    for name, commits in keys:
        if commits != 1:
            ratios = [costs[name, commits][query] / costs[name, 1][query] for query in names]
            mean = math.exp(statistics.mean(map(math.log, ratios)))
            print(f"- {name}, {commits} commits: {mean:.2f}, {max(ratios):.2f}")
    print()

"""JSON lines of the generator into Parquet with zstd level 1, each side on one thread.

Ours splits by day and adds the sink's own columns; the peers write one file of the declared
columns. Malformed lines are taken out first: the peers have no place for them.
"""
import argparse
import json
import pathlib
import shutil
import subprocess

import sides


def main(arguments):
    parser = argparse.ArgumentParser(prog="benchmarks/run decode", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args(arguments)
    frazil, decode = sides.built("frazil", "decode")
    python = sides.peers_python()
    folder = sides.HOME / "decode"
    folder.mkdir(parents=True, exist_ok=True)
    source = lines(frazil, folder, given.events)
    out = folder / "out"
    peer = str(pathlib.Path(__file__).parent.parent / "peers" / "decode_duckdb.py")
    runs = sides.interleaved(
        {
            "frazil": lambda: sides.measured([decode, "frazil", str(source), str(out)]),
            "arrow-json": lambda: sides.measured([decode, "arrow", str(source), str(out)]),
            "DuckDB": lambda: sides.measured([python, peer, str(source), str(out)]),
        },
        given.times,
        before=lambda: shutil.rmtree(out, ignore_errors=True),
    )
    shutil.rmtree(out, ignore_errors=True)
    table(runs, source.stat().st_size / 1e6)


def lines(frazil, folder, events):
    """The generator's records without the malformed ones."""
    source = folder / f"events-{events}.jsonl"
    if source.exists():
        return source
    made = folder / "made.jsonl"
    with open(made, "wb") as file:
        command = [frazil, "generate", "--events", str(events), "--seed", "1"]
        subprocess.run(command, stdout=file, check=True)
    kept = folder / "kept.jsonl"
    with open(made, "rb") as all_, open(kept, "wb") as good:
        good.writelines(line for line in all_ if is_good(line))
    made.unlink()
    kept.rename(source)
    return source


def is_good(line):
    try:
        event = json.loads(line)
    except ValueError:
        return False
    if not isinstance(event, dict):
        return False
    wanted = {
        "event_id": str,
        "type": str,
        "timestamp": str,
        "user_id": str,
        "properties": dict,
        "metadata": dict,
    }
    typed = all(isinstance(event.get(name), kind) for name, kind in wanted.items())
    return typed and event["timestamp"].endswith("Z") and set(event) <= {*wanted, "correlation_id"}


def table(runs, megabytes):
    ours = sides.median(runs["frazil"], "cpu_s")
    print(f"{sides.versions()}; {megabytes:.0f} MB of JSON, {len(runs['frazil'])} runs each\n")
    print("| | CPU s (least-most) | MB of JSON per CPU-s | wall s | peak MB | ours to it |")
    print("|---|---|---|---|---|---|")
    for name, all_ in runs.items():
        cpu, wall = sides.median(all_, "cpu_s"), sides.median(all_, "wall_s")
        peak = sides.median(all_, "peak_bytes") / 1e6
        print(
            f"| {name} | {cpu:.2f} ({sides.spread(all_, 'cpu_s')}) | {megabytes / cpu:.0f} "
            f"| {wall:.2f} | {peak:.0f} | {cpu / ours:.2f} |"
        )

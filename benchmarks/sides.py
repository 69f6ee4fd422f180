"""Sides of a benchmark: whole processes, measured by what the kernel says of them."""
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
import venv

REPO = pathlib.Path(__file__).resolve().parent.parent
HOME = pathlib.Path(
    os.environ.get("FRAZIL_BENCH") or pathlib.Path.home() / ".cache" / "frazil" / "bench"
)


@dataclasses.dataclass
class Run:
    """One run of one side: seconds, bytes, and what the side found."""

    cpu_s: float
    wall_s: float
    peak_bytes: int
    found: dict


def built(*binaries):
    """Paths of binaries of the release profile, built if they aren't."""
    names = [argument for name in binaries for argument in ("--bin", name)]
    command = ["cargo", "build", "--release", "--locked", "-p", "frazil", "-p", "frazil-benchmarks"]
    subprocess.run([*command, *names], cwd=REPO, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or REPO / "target")
    return [str(target / "release" / name) for name in binaries]


def peers_python():
    """The Python that has the peers; made at the first call."""
    wanted = (REPO / "benchmarks" / "peers" / "requirements.txt").read_text()
    folder = HOME / "peers"
    mark = folder / "installed.txt"
    python = folder / "bin" / "python"
    if not mark.exists() or mark.read_text() != wanted:
        venv.create(folder, with_pip=True, clear=True)
        command = [python, "-m", "pip", "install", "--quiet", *wanted.split()]
        subprocess.run(command, check=True)
        mark.write_text(wanted)
    return str(python)


def measured(command, env=None):
    """Runs it to its end; the last line of its output is JSON with what it found."""
    started = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, **(env or {})}
    )
    output = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} ended with {process.returncode}")
    found = json.loads(output.decode().strip().splitlines()[-1])
    return Run(used.ru_utime + used.ru_stime, wall, used.ru_maxrss * 1024, found)


def interleaved(sides, times, before=lambda: None):
    """Runs all sides `times` times, each round in another order. Every side must find the same.

    sides: by name, a function that gives a Run.
    """
    runs = {name: [] for name in sides}
    names = list(sides)
    for round_ in range(times):
        turn = round_ % len(names)
        for name in names[turn:] + names[:turn]:
            before()
            run = sides[name]()
            runs[name].append(run)
            print(f"  {name}: {run.cpu_s:.2f} s of CPU, {run.wall_s:.2f} s", file=sys.stderr)
    first = runs[names[0]][0].found
    for name, all_ in runs.items():
        for run in all_:
            if run.found != first:
                sys.exit(f"{name} found {run.found}, {names[0]} {first}: no score")
    return runs


def median(runs, what):
    return statistics.median(getattr(run, what) for run in runs)


def spread(runs, what):
    """Least and most, for a table."""
    values = [getattr(run, what) for run in runs]
    return f"{min(values):.2f}-{max(values):.2f}"


def versions():
    """Of what was measured, for the results' page."""
    commit = subprocess.run(
        ["git", "log", "-1", "--format=%h %s"], cwd=REPO, capture_output=True, text=True
    )
    return commit.stdout.strip()

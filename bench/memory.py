"""What `make run` takes and how soon it trades: memory of each process, seconds to the first finished cycle.

    python -m bench.memory [--seconds 180]

A home of its own, free ports, SQLite, the simulated market: the default demo. RSS counts what processes share in each
of them, PSS only once. Linux only.
"""

import argparse
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.targets import tell
from hedgehog_project.ports import free_port
from tests.support.environment import MAKE_RUN, MARKER, ROOT

GIVE_UP_S = 120.0
PORTS = ("WEB_PORT", "FLOWER_PORT", "MOCK_PORT")
FINISHED = "SELECT count(*) FROM trading_trader WHERE finished_at IS NOT NULL"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench memory", description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--seconds", type=int, default=180, help="measure memory so long after the start; default: 180"
    )
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory(prefix="hedgehog-bench-") as folder:
        environment = surroundings(Path(folder))
        began = time.monotonic()
        with (Path(folder) / "run.log").open("wb") as log:
            run = subprocess.Popen(MAKE_RUN, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            first_s = first_cycle(Path(folder), began)
            print(f"first finished cycle after {first_s:.1f} s, with everybody's start")
            time.sleep(max(0.0, began + seconds - time.monotonic()))
            rows = [(name, *memory_mb(pid)) for pid, name in family(run.pid).items()]
        finally:
            run.send_signal(signal.SIGINT)
            run.wait()
        help_s = min(cpu_s([sys.executable, "manage.py", "help"], environment) for _ in range(3))
    print(f"\n| after {seconds} s | RSS, MB | PSS, MB |\n|---|--:|--:|")
    for name, rss, pss in sorted(rows, key=lambda row: -row[2]):
        print(f"| {name} | {rss:.0f} | {pss:.0f} |")
    rss, pss = sum(row[1] for row in rows), sum(row[2] for row in rows)
    print(f"| all | {rss:.0f} | {pss:.0f} |\n\nmanage.py help: {help_s:.2f} s of CPU")
    tell("memory: s to the first finished cycle", first_s)
    tell("memory: RSS, MB", rss)
    tell("memory: PSS, MB", pss)
    tell("memory: manage.py help, CPU s", help_s)


def surroundings(home: Path) -> dict[str, str]:
    """A user's, with nothing of the tests'."""
    named = {"HEDGEHOG_HOME": str(home), "HEDGEHOG_ENV_FILE": os.devnull, "DATABASE_URL": "", "REDIS_URL": ""}
    kept = {name: value for name, value in os.environ.items() if name not in (MARKER, "DJANGO_SETTINGS_MODULE")}
    return kept | named | {name: str(free_port()) for name in PORTS}


def first_cycle(home: Path, began: float) -> float:
    """Seconds until a cycle has ended."""
    while time.monotonic() < began + GIVE_UP_S:
        time.sleep(0.1)
        try:
            with sqlite3.connect(f"file:{home}/hedgehog.sqlite3?mode=ro", uri=True) as database:
                if database.execute(FINISHED).fetchone()[0]:
                    return time.monotonic() - began
        except sqlite3.Error:
            continue  # Not there yet.
    raise SystemExit(f"no cycle ended within {GIVE_UP_S:g} s:\n{(home / 'run.log').read_text()[-2000:]}")


def family(pid: int) -> dict[int, str]:
    """A process and all that it has started, with short names."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # It has just ended.
        children.setdefault(parent, []).append(int(stat.parent.name))
    found, rest = {}, [pid]
    while rest:
        each = rest.pop()
        rest += children.get(each, [])
        name = (
            (Path("/proc") / str(each) / "environ")
            .read_bytes()
            .partition(b"HEDGEHOG_PROCESS=")[2]
            .partition(b"\0")[0]
        )
        found[each] = name.decode() or ("make run" if each == pid else "supervisor")
    return found


def memory_mb(pid: int) -> tuple[float, float]:
    """RSS and PSS."""
    lines = (Path("/proc") / str(pid) / "smaps_rollup").read_text().splitlines()[1:]
    kilobytes = {line.partition(":")[0]: int(line.split()[1]) for line in lines}
    return kilobytes["Rss"] / 1024, kilobytes["Pss"] / 1024


def cpu_s(command: list[str], environment: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()

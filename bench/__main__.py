"""`python -m bench [NAME …]`: runs the measurements one after another, each in a process of its own."""

import argparse
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench import targets
from hedgehog_project.version import VERSION
from tests.support.environment import MARKER
from tests.support.machine.postgres import bin_folder

MEASUREMENTS = {
    "streamer": "CPU of 100,000 frames from a socket to Redis",
    "triggers": "a tick with 1 and with 100,000 waiting traders",
    "latency": "from a trade on the wire to an accepted order",
    "stops": "how long 10 and 200 stops wait for their turn (3 minutes)",
    "mock": "what an order and a trade cost the mock exchange (3 minutes)",
    "cycles": "full cycles a second with 100 traders",
    "many": "a cycle with 2 symbols and with 300, and what comes too late (4 minutes; its own --help)",
    "memory": "what make run takes, and how soon it trades (4 minutes)",
    "grown": "the engine, pages and commands after 200,000 cycles (its own --help)",
    "pages": "50 open pages beside /healthz, and a chart with 10,000 fills (its own --help)",
    "soak": "what grows in an hour of trading, per cycle and in 30 days (its own --help)",
    "files": "files of the past: bytes a trade, write and read, beside plain arrays",
    "recovery": "seconds until trading goes on after kill -9 of each process (6 minutes; its own --help)",
    "days": "recorded days traded in 5 slots: profit and books (9 minutes; its own --help)",
}
# Only where they are named: they need a file, or their time.
ON_DEMAND = {"mock", "many", "memory", "grown", "pages", "soak", "recovery", "days"}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measures what is meant to be fast. Results of a quiet machine stand in bench/RESULTS.md.",
        epilog="\n".join(f"  {name:10} {what}" for name, what in MEASUREMENTS.items()),
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"default: all but {', '.join(sorted(ON_DEMAND))}; options after one name are its own",
    )
    parser.add_argument("--record", action="store_true", help="append the ratios to bench/history.csv")
    words = sys.argv[1:]
    # One name may be followed by options of its own.
    options = words[1:] if len(words) > 1 and words[1].startswith("-") else []
    chosen = parser.parse_args(words[:1] if options else words)
    names = chosen.names or [name for name in MEASUREMENTS if name not in ON_DEMAND]
    if unknown := sorted(set(names) - set(MEASUREMENTS)):
        parser.error(f"no measurement {', '.join(unknown)}: there are {', '.join(MEASUREMENTS)}")
    with tempfile.TemporaryDirectory(prefix="hedgehog-bench-") as folder:
        path = Path(folder) / "figures"
        failed = measure(names, options, path)
        figures = targets.told(path)
    if table := targets.compared(figures):
        print(f"\n{table}")
    if chosen.record:
        count = targets.record(figures, VERSION, f"{datetime.now(UTC):%Y-%m-%d}")
        print(f"\n{count} ratios added to {targets.HISTORY}")
    return failed


def measure(names: list[str], options: list[str], figures: Path) -> int:
    """Runs them; how many failed. They write their figures to this file."""
    failed = 0
    for name in names:
        print(f"\n{name}: {MEASUREMENTS[name]}\n", flush=True)
        # Surroundings of its own; on PostgreSQL, where it is installed, what depends on the database.
        environment = {key: value for key, value in os.environ.items() if key != MARKER}
        environment[targets.FIGURES] = str(figures)
        if name == "cycles" and bin_folder():
            environment["HEDGEHOG_TEST_DATABASE"] = "postgresql"
        result = subprocess.run([sys.executable, "-m", f"bench.{name}", *options], env=environment, check=False)
        failed += result.returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())

"""`python -m bench [NAME …]`: runs the measurements one after another, each in a process of its own."""

import argparse
import os
import subprocess
import sys

from tests.support.environment import MARKER
from tests.support.machine.postgres import bin_folder

MEASUREMENTS = {
    "streamer": "CPU of 100,000 frames from a socket to Redis",
    "triggers": "a tick with 1 and with 100,000 waiting traders",
    "latency": "from a trade on the wire to an accepted order",
    "stops": "how long 10 and 200 stops wait for their turn (3 minutes)",
    "cycles": "full cycles a second with 100 traders",
    "grown": "the engine, pages and commands after 200,000 cycles (its own --help)",
    "soak": "what grows in an hour of trading, per cycle and in 30 days (its own --help)",
    "recovery": "seconds until trading goes on after kill -9 of each process (6 minutes; its own --help)",
    "days": "recorded days traded in 5 slots: profit and books (9 minutes; its own --help)",
}
# Only where they are named: they need a file, or their time.
ON_DEMAND = {"grown", "soak", "recovery", "days"}


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
        help="default: all but grown, soak, recovery and days; options after one name are its own",
    )
    words = sys.argv[1:]
    # One name may be followed by options of its own.
    options = words[1:] if len(words) > 1 and words[1].startswith("-") else []
    named = parser.parse_args(words[:1] if options else words).names
    names = named or [name for name in MEASUREMENTS if name not in ON_DEMAND]
    if unknown := sorted(set(names) - set(MEASUREMENTS)):
        parser.error(f"no measurement {', '.join(unknown)}: there are {', '.join(MEASUREMENTS)}")
    failed = 0
    for name in names:
        print(f"\n{name}: {MEASUREMENTS[name]}\n", flush=True)
        # Surroundings of its own; on PostgreSQL, where it is installed, what depends on the database.
        environment = {key: value for key, value in os.environ.items() if key != MARKER}
        if name == "cycles" and bin_folder():
            environment["HEDGEHOG_TEST_DATABASE"] = "postgresql"
        result = subprocess.run([sys.executable, "-m", f"bench.{name}", *options], env=environment, check=False)
        failed += result.returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())

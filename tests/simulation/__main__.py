"""Runs seeds on all cores and says what they saw; a seed that failed is named with the command that repeats it.

python -m tests.simulation --seeds 500 --first 0 --processes 2
python -m tests.simulation --seed 1234
python -m tests.simulation --mutants --remember
python -m tests.simulation --conditions believes_that_a_symbol_is_gone --seeds 60
python -m tests.simulation --strategy trailing --seeds 100
"""

import argparse
import hashlib
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.simulation.settings"

import django

django.setup()

from tests.simulation import run  # noqa: E402
from tests.simulation.mutants import hunting  # noqa: E402
from tests.simulation.surroundings import world  # noqa: E402
from tests.simulation.surroundings.conditions import USUAL, Conditions  # noqa: E402
from tests.simulation.surroundings.patches import Patches  # noqa: E402
from trading.strategies.registry import known  # noqa: E402

# Shown of the seeds that failed; more would only scroll the first away.
FAILURES_SHOWN = 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="Seeds of misfortune.")
    parser.add_argument("--seeds", type=int, default=500, help="how many (500)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (0)")
    parser.add_argument("--seed", type=int, help="only this one, twice: are both runs equal?")
    parser.add_argument("--mutants", action="store_true", help="with each planted bug, some seed must fail")
    parser.add_argument(
        "--remember", action="store_true", help="with --mutants: note which seed caught which, to be tried first"
    )
    parser.add_argument("--mutant", choices=sorted(hunting.MUTANTS), metavar="NAME", help="with this one planted")
    parser.add_argument(
        "--conditions", choices=sorted(hunting.CONDITIONS), metavar="NAME", help="those this bug is hunted under"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many at once (one a core)")
    parser.add_argument(
        "--strategy", default=world.STRATEGY, choices=sorted(known().strategies), help="for all (drawn)"
    )
    args = parser.parse_args()
    world.STRATEGY = args.strategy
    run.make_ready()
    if args.mutant:
        hunting.MUTANTS[args.mutant](Patches())
    conditions = hunting.CONDITIONS.get(args.conditions or args.mutant, USUAL)
    if args.mutants:
        return _hunt(args.seeds, args.processes, args.remember)
    if args.seed is not None:
        return _repeat(args.seed, conditions)
    named = {"MUTANT": args.mutant, "CONDITIONS": args.conditions}
    repeats = "".join(f" {variable}={name}" for variable, name in named.items() if name)
    return _run(args.first, args.seeds, args.processes, conditions, repeats)


def _run(first: int, count: int, processes: int, conditions: Conditions, repeats: str) -> int:
    began, failed = time.monotonic(), list[run.Outcome]()
    total, sums, acted = Counter[str](), Counter[str](), Counter[str]()
    digests = dict[int, str]()
    for done, outcome in enumerate(_outcomes(first, count, processes, conditions), 1):
        total += outcome.struck
        acted += outcome.acted
        digests[outcome.seed] = outcome.digest
        sums.update(steps=outcome.steps, cycles=outcome.cycles, orders=outcome.orders, fills=outcome.fills)
        if outcome.failure:
            failed.append(outcome)
            _show_failure(outcome, len(failed), repeats)
        _progress(done, count, began)
    took_s = time.monotonic() - began
    print(f"\n{count} seeds in {took_s:.1f} s, {count / took_s:.2f} a second, {processes} processes")
    print(f"{'':28}{'in all':>8}{'a seed':>10}")
    for title, numbers in (
        ("", sums),
        ("struck", dict(sorted(total.items()))),
        ("acted", dict(sorted(acted.items()))),
    ):
        print(f"\n{title}" if title else "", end="\n" if title else "")
        for name, number in numbers.items():
            print(f"{name.replace('_', ' '):28}{number:>8,}{number / count:>10.2f}")
    print(f"digest of all: {hashlib.sha256(repr(sorted(digests.items())).encode()).hexdigest()[:16]}")
    print(f"{'FAILED' if failed else 'failed'}{'':22}{len(failed):>8}")
    return 1 if failed else 0


def _outcomes(first: int, count: int, processes: int, conditions: Conditions) -> Iterator[run.Outcome]:
    # Forked: what was made ready is there already.
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        yield from pool.imap_unordered(
            partial(run.run, conditions=conditions), range(first, first + count), chunksize=4
        )


def _show_failure(outcome: run.Outcome, number: int, repeats: str) -> None:
    if number <= FAILURES_SHOWN:
        print(f"\nseed {outcome.seed} fails: {outcome.failure[:500]}", file=sys.stderr)
        print(f"    repeat it: make simulate SEED={outcome.seed}{repeats}", file=sys.stderr, flush=True)


def _progress(done: int, count: int, began: float) -> None:
    if sys.stderr.isatty():
        width = 40 * done // count
        rate = done / max(0.001, time.monotonic() - began)
        left_s = (count - done) / rate
        bar = "#" * width + "." * (40 - width)
        print(
            f"\r[{bar}] {done}/{count}  {rate:.1f} a second, {left_s:.0f} s left ",
            end="",
            file=sys.stderr,
            flush=True,
        )


def _repeat(seed: int, conditions: Conditions) -> int:
    outcomes = [run.run(seed, conditions), run.run(seed, conditions)]
    one, other = outcomes
    print(f"seed {seed}: {one.steps} steps, {one.cycles} cycles, {one.orders} orders, {one.fills} fills")
    print("struck: " + ", ".join(f"{name} {number}" for name, number in one.struck.items()))
    print(
        f"digest: {one.digest}" + ("" if one.digest == other.digest else f", and then {other.digest}: not the same!")
    )
    if one.failure:
        print(f"FAILED: {one.failure}", file=sys.stderr)
    return 1 if one.failure or one.digest != other.digest else 0


def _hunt(seeds: int, processes: int, remembers: bool) -> int:
    """Every mutant must be caught; which seed caught it, and by which invariant."""
    survived, began = 0, time.monotonic()
    known, caught_by = hunting.remembered(), dict[str, int]()
    with multiprocessing.get_context("fork").Pool(processes, maxtasksperchild=1) as pool:
        jobs = [(name, seeds, known.get(name)) for name in hunting.MUTANTS]
        for name, seed, failure in pool.imap_unordered(hunting.hunt, jobs, chunksize=1):
            survived += seed is None
            caught_by |= {name: seed} if seed is not None else {}
            caught = f"SURVIVED {failure[:200]}" if seed is None else f"seed {seed}: {failure[:120]}"
            print(f"{name:54} {caught}", flush=True)
    print(f"{len(hunting.MUTANTS) - survived} of {len(hunting.MUTANTS)} caught in {time.monotonic() - began:.0f} s")
    if remembers:
        hunting.remember(caught_by)
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())

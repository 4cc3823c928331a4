"""The long form: every kind of fault by itself, then mixes with deaths, on each database; shown, and written down."""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.e2e.chaos.engine import Chaos
from tests.e2e.chaos.hosts import Hosts
from tests.e2e.chaos.report import written
from tests.e2e.chaos.results import Result
from tests.e2e.chaos.steps import HOSTS, Step, all_steps, chosen
from tests.support.environment import ROOT
from tests.support.machine import network, postgres

SQLITE, POSTGRES, BOTH = "sqlite", "postgres", "both"
REPORT = "chaos-report.md"
LOGS = "chaos-logs"
# What a step costs beside its faults: the next cycle, the end of all cycles, the look at the books.
BESIDE_S = 8.0


def main(arguments: Sequence[str] | None = None) -> int:
    """1 where any step has failed, 2 where what was asked for makes no sense."""
    options = _options(arguments)
    try:
        steps = chosen(all_steps(options.seed, options.seconds), options.only)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    databases = [SQLITE, POSTGRES] if options.database == BOTH else [options.database]
    if POSTGRES in databases and postgres.bin_folder() is None:
        print(postgres.NOT_INSTALLED, file=sys.stderr)
        if options.database == POSTGRES:
            return 2
        databases.remove(POSTGRES)
    # Two hosts share one database: it is nothing that SQLite could do.
    hosts = [step for step in steps if step.name == HOSTS and POSTGRES in databases]
    steps = [step for step in steps if step.name != HOSTS]
    if hosts and not network.is_possible():
        print(f"{HOSTS} is skipped: it {network.NOT_POSSIBLE}.")
        hosts = []
    planned = len(databases) * len(steps) + len(hosts)
    folder = Path(options.report).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / LOGS, ignore_errors=True)
    print(f"{planned} steps on {' and '.join(databases)}, SEED={options.seed}", flush=True)
    results: list[Result] = []
    shown = Shown([*(step for _ in databases for step in steps), *hosts])
    began = time.time()
    try:
        for database in databases:
            for result in _run(database, steps, folder / LOGS):
                results.append(result)
                shown.done(result)
        for step in hosts:
            results.append(_run_hosts(step, folder / LOGS))
            shown.done(results[-1])
    except KeyboardInterrupt:
        print("\nStopped. The report tells of the steps that were done.", file=sys.stderr)
    finally:
        path = folder / REPORT
        path.write_text(written(results, options.seed, _commit(), time.time() - began, planned))
        print(f"{path} is written.")
    return 0 if len(results) == planned and all(result.has_passed for result in results) else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--seconds", type=float, default=10.0, help="for which each kind is on by itself")
    parser.add_argument("--database", choices=[SQLITE, POSTGRES, BOTH], default=BOTH)
    parser.add_argument("--only", default="", help="names of steps, separated by commas: answer_lost,mix-3,kills")
    parser.add_argument("--report", default=str(ROOT / "var"), help=f"the folder for {REPORT} and for logs")
    return parser.parse_args(arguments)


def _run(database: str, steps: Sequence[Step], logs: Path) -> Iterator[Result]:
    """One stack for all steps; a new one after a step that failed."""
    with _addresses(database) as new_address:
        left = list(steps)
        while left:
            kept = logs / f"{database}-from-{left[0].name}"
            with tempfile.TemporaryDirectory(prefix="hedgehog-chaos-") as folder, _kept(Path(folder), kept):
                yield from _until_one_fails(left, Path(folder), database, new_address())


def _until_one_fails(left: list[Step], folder: Path, database: str, address: str) -> Iterator[Result]:
    """Takes steps from the list, and ends with the first one that failed."""
    with Chaos(folder, database, address) as chaos:
        while left:
            result = chaos.run(left.pop(0))
            yield result
            if not result.has_passed:
                return


def _run_hosts(step: Step, logs: Path) -> Result:
    with tempfile.TemporaryDirectory(prefix="hedgehog-chaos-") as folder:
        try:
            with Hosts(Path(folder)) as hosts:
                return hosts.run(step)
        finally:
            for host in Path(folder).iterdir():
                _keep(host, logs / f"{HOSTS}-{host.name}")


@contextmanager
def _addresses(database: str) -> Iterator[Callable[[], str]]:
    """What gives the DATABASE_URL of a new, empty database; empty for SQLite in the stack's home."""
    with ExitStack() as until_the_end:
        if database == SQLITE:
            yield str
        else:
            cluster = postgres.Cluster()
            until_the_end.callback(cluster.stop)
            yield cluster.create


@contextmanager
def _kept(folder: Path, into: Path) -> Iterator[None]:
    """Keeps the logs of a folder, whatever happens."""
    try:
        yield
    finally:
        _keep(folder, into)


def _keep(folder: Path, into: Path) -> None:
    into.mkdir(parents=True, exist_ok=True)
    for log in folder.glob("*.log"):
        shutil.copy(log, into)


def _commit() -> str:
    """Which source this is; with a mark where something of it is not committed."""
    answer = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return answer.stdout.strip() or "unknown"


class Shown:
    """A line for each step that is done; below it, on a terminal, how far all is and how long it still takes."""

    WIDTH = 30

    def __init__(self, steps: Sequence[Step]) -> None:
        self._left = list(steps)
        self._count = len(steps)
        self._began = time.time()
        self._expected_done = 0.0
        self._bar()

    def done(self, result: Result) -> None:
        step = self._left.pop(0)
        self._expected_done += _expected(step)
        clear = "\r\x1b[K" if sys.stdout.isatty() else ""
        print(f"{clear}{result.database:8} {result}", flush=True)
        self._bar()

    def _bar(self) -> None:
        if not sys.stdout.isatty() or not self._left:
            return
        left = sum(map(_expected, self._left))
        # As fast as so far: a slow machine takes longer for all of it.
        pace = (time.time() - self._began) / self._expected_done if self._expected_done else 1.0
        done = self._count - len(self._left)
        bar = "#" * (self.WIDTH * done // self._count)
        minutes, seconds = divmod(round(left * pace), 60)
        text = f"[{bar:.<{self.WIDTH}}] {done}/{self._count}  {minutes}:{seconds:02} left  now {self._left[0].name}"
        print(text, end="", flush=True)


def _expected(step: Step) -> float:
    return max(step.seconds, 5.0 * len(step.victims)) + BESIDE_S

"""What the measurements are to reach, in one table; `python -m bench` says what is missed and by how much.

A measurement tells its figures by `tell`. Ratios depend little on the machine: those are kept per version, in
bench/history.csv (`python -m bench --record`), so that a slope shows.
"""

import csv
import json
import os
from dataclasses import dataclass
from pathlib import Path

HISTORY = Path(__file__).with_name("history.csv")
COLUMNS = ("version", "date", "figure", "value")
# Where `python -m bench` has the measurements write: a line of JSON for each figure.
FIGURES = "HEDGEHOG_BENCH_FIGURES"


@dataclass(frozen=True)
class Target:
    """A figure's bound: at most so much, or at least."""

    figure: str
    bound: float
    is_minimum: bool = False
    is_ratio: bool = True  # to something measured in the same run

    def missed_by(self, value: float) -> float:
        """The part of the bound by which it is missed; 0 where it is reached."""
        over = self.bound - value if self.is_minimum else value - self.bound
        return max(0.0, over / (self.bound or 1.0))


TARGETS = (
    # Publishing to Redis is in ours, and not in what it is compared with. The ratios are what 0.40 s is to theirs.
    Target("streamer: in bursts, CPU s per 100,000", 0.40, is_ratio=False),
    Target("streamer: in bursts / picows", 4.9),
    Target("streamer: in bursts / websocket-client, the slowest", 0.41),
    Target("streamer: one by one / picows", 1.6),
    Target("streamer: one by one / websocket-client, the slowest", 1.6),
    Target("triggers: 100,000 waiting / 1 waiting", 1.1),
    Target("triggers: events/s", 100_000, is_minimum=True, is_ratio=False),
    Target("triggers: 6,000 trades/s live, % of a core", 8.0, is_ratio=False),
    Target("triggers: a crossing, CPU ms", 0.4, is_ratio=False),
    Target("many: CPU of a cycle, 300 symbols / 2", 1.1),
    Target("many: tasks given up", 0.0, is_ratio=False),
    Target("latency: p50 / floor", 1.5),
    Target("latency: p99 / floor", 1.5),
    Target("stops: last of 200, fast exchange, s", 5.0, is_ratio=False),
    Target("stops: last of 200, slow exchange, s", 20.0, is_ratio=False),
    Target("cycles: a second", 25.0, is_minimum=True, is_ratio=False),
    Target("cycles: tasks each", 3.0),
    Target("grown: the worst of what trades / empty", 1.15),
    Target("grown: the worst of pages and commands / empty", 1.5),
    Target("pages: healthz beside 50 streams, ms", 100.0, is_ratio=False),
    Target("pages: 10,000 fills drawn, ms", 500.0, is_ratio=False),
    Target("memory: RSS, MB", 600.0, is_ratio=False),
    Target("memory: PSS, MB", 400.0, is_ratio=False),
    Target("memory: s to the first finished cycle", 15.0, is_ratio=False),
    Target("memory: manage.py help, CPU s", 0.7, is_ratio=False),
)


def tell(figure: str, value: float) -> None:
    """Hands a figure to `python -m bench`. Run by itself, a measurement only prints."""
    if path := os.environ.get(FIGURES):
        with Path(path).open("a") as file:
            file.write(json.dumps([figure, value]) + "\n")


def told(path: Path) -> dict[str, float]:
    """What the measurements have told."""
    return dict(json.loads(line) for line in path.read_text().splitlines()) if path.exists() else {}


def compared(figures: dict[str, float]) -> str:
    """The table of targets whose figure was measured; then which are missed, in a line."""
    measured = [(target, figures[target.figure]) for target in TARGETS if target.figure in figures]
    if not measured:
        return ""
    width = max(len(target.figure) for target, _ in measured)
    lines = [f"{'target':{width}}  {'measured':>10}  {'at most':>10}  {'at least':>10}"]
    missed = []
    for target, value in measured:
        bound = f"{target.bound:,.10g}"
        at_most, at_least = ("", bound) if target.is_minimum else (bound, "")
        by = target.missed_by(value)
        lines.append(
            f"{target.figure:{width}}  {value:10,.2f}  {at_most:>10}  {at_least:>10}"
            + (f"  missed by {by:.0%}" if by else "")
        )
        if by:
            missed.append(target.figure)
    return "\n".join((*lines, f"{len(missed)} of {len(measured)} targets are missed"))


def record(figures: dict[str, float], version: str, date: str, path: Path = HISTORY) -> int:
    """Appends the ratios among the figures to the history; how many."""
    ratios = {target.figure for target in TARGETS if target.is_ratio}
    rows = [(version, date, figure, f"{value:.3f}") for figure, value in figures.items() if figure in ratios]
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([COLUMNS, *rows] if is_new else rows)
    return len(rows)

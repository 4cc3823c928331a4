"""What a step came to."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.e2e.chaos.steps import Step


@dataclass
class Result:
    """Times in seconds. A recovery is the time to the next finished cycle."""

    step: Step
    database: str
    took: float = 0.0
    times_set: int = 0
    injected: Counter[str] = field(default_factory=Counter)
    orders: int = 0  # placed while the faults were on
    cycles: int = 0  # finished while the faults were on
    acted: Counter[str] = field(default_factory=Counter)  # rules of the strategy, meanwhile
    # From the end of the faults, of a time to stay away, or the restart of who was killed last.
    recovery: float | None = None
    # How long after the faults' end everybody still kept away from the exchange, as told; no part of the recovery.
    told_to_wait: float = 0.0
    # From then until every trader that lived had ended its cycle: the slowest of them.
    settled: float | None = None
    # Each process that was killed, and how long after its restart the next cycle finished.
    kills: list[tuple[str, float | None]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # further figures, in words
    fell: list[str] = field(default_factory=list)  # who ended though nobody killed it
    exceptions: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def has_passed(self) -> bool:
        return not self.differences and not self.problems

    @property
    def command(self) -> str:
        """Repeats it, as far as real processes let themselves be repeated."""
        seconds = f" SECONDS={self.step.seconds:g}" if len(self.step.kinds) == 1 else ""
        return f"make chaos SEED={self.step.seed} DATABASE={self.database} ONLY={self.step.name}{seconds}"

    def __str__(self) -> str:
        """One line for people."""
        words = [f"{self.step.name:24} {self.took:5.1f} s"]
        if self.step.lanes:
            words.append(f"injected {self.injected.total():4}")
        words.append(f"{self.orders:4} orders, {self.cycles:3} cycles meanwhile")
        if self.acted:
            words.append(", ".join(f"{number} {rule}" for rule, number in self.acted.items()))
        if self.recovery is not None:
            words.append(f"next cycle after {_seconds(self.recovery)}, all ended after {_seconds(self.settled)}")
        if self.kills:
            words.append("killed " + ", ".join(f"{name} ({_seconds(s)})" for name, s in self.kills))
        words += [*self.notes, *self.fell]
        words += [f"FAILED: {problem.splitlines()[0]}" for problem in (*self.differences, *self.problems)]
        return "; ".join(words)


def percentile(values: Sequence[float], part: float) -> float | None:
    """The nearest rank; None of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)] if ordered else None


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"

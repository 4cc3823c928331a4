"""Where a trader's triggers stood, as they moved: kept for the chart of its cycle. Nothing decides by it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from trading.core.decisions import ANY_PRICE
from trading.core.money import plain

# Of more, every second one is dropped but the last ones: a trailing stop may move thousands of times.
KEPT = 48

# Since when, in s; the price below and the one above, as text; None where there is none, or any price does.
Move = list[Any]


def moved(moves: Sequence[Move], at_s: int, below: Decimal | None, above: Decimal | None) -> list[Move]:
    """The moves with these triggers, where they differ from the last ones."""
    now: Move = [at_s, _text(below), _text(above)]
    if moves and moves[-1][1:] == now[1:]:
        return list(moves)
    kept = [*moves, now]
    if len(kept) > KEPT:
        # The older half gets coarser each time, the newer one stays.
        kept = kept[: KEPT // 2 : 2] + kept[KEPT // 2 :]
    return kept


@dataclass
class Stretch:
    """While there was a trigger on one side: since when it stood at which price, oldest first; when it was gone."""

    steps: list[tuple[int, Decimal]]
    until: int | None = None


def stretches(moves: Sequence[Move]) -> tuple[list[Stretch], list[Stretch]]:
    """Those below and those above, oldest first."""
    return _stretches((at, below) for at, below, _ in moves), _stretches((at, above) for at, _, above in moves)


def _stretches(steps: Iterable[tuple[int, str | None]]) -> list[Stretch]:
    found: list[Stretch] = []
    now: Stretch | None = None
    for at, text in steps:
        if text is None:
            if now is not None:
                now.until, now = at, None
        elif now is None:
            now = Stretch([(at, Decimal(text))])
            found.append(now)
        elif now.steps[-1][1] != Decimal(text):
            now.steps.append((at, Decimal(text)))
    return found


def _text(price: Decimal | None) -> str | None:
    return None if price is None or price >= ANY_PRICE else plain(price)

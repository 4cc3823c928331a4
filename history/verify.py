"""Whether trades can be right: pure functions of columns, sorted by id. No file, no clock, no database.

Checksums prove that a file arrived as it was sent, and not that nothing is missing in it: ids do.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from history.columns import MINUTE_US, Candles, Ints, no_candles
from history.holes import Hole
from history.periods import Period

_UNITS = 10**8


def holes(ids: Ints) -> list[Hole]:
    """The ids that are missing between others. `ids` rise."""
    before = np.flatnonzero(np.diff(ids) > 1)
    return [Hole(int(ids[place]) + 1, int(ids[place + 1]) - 1) for place in before]


def without(all_holes: Iterable[Hole], ids: Ints) -> list[Hole]:
    """What is left of holes once these trades are there. `ids` rise."""
    left: list[Hole] = []
    for hole in all_holes:
        inside = ids[np.searchsorted(ids, hole.first) : np.searchsorted(ids, hole.last, side="right")]
        edges = np.concatenate(([hole.first - 1], inside, [hole.last + 1])).astype(np.int64)
        left += holes(edges)
    return left


def is_rising(ids: Ints) -> bool:
    """Whether each id is larger than the one before: sorted, and none twice."""
    return bool(np.all(np.diff(ids) > 0))


def outside(time_us: Ints, period: Period) -> int:
    """How many trades are not of that day or month, in UTC."""
    return int(np.count_nonzero((time_us < period.begins_us) | (time_us >= period.ends_us)))


def not_positive(price: Ints, quantity: Ints) -> int:
    """How many trades have a price or a quantity that is not above 0."""
    return int(np.count_nonzero((price <= 0) | (quantity <= 0)))


_COMPARED = ("open", "high", "low", "close", "volume_whole", "volume_rest", "trades")


def candles_of(price: Ints, quantity: Ints, time_us: Ints) -> Candles:
    """The candles of one minute that trades make; a minute without a trade has none. Trades are sorted by id.

    A trade belongs to the minute of its time, and within one the order of ids tells the first and the last.
    """
    minutes = time_us // MINUTE_US
    if np.any(np.diff(minutes) < 0):  # By id, and now and then not by time.
        order = np.argsort(minutes, kind="stable")
        minutes, price, quantity = minutes[order], price[order], quantity[order]
    starts = np.flatnonzero(np.diff(minutes, prepend=-1))
    if not len(starts):
        return no_candles()
    ends = np.append(starts[1:], len(minutes))
    rest = np.add.reduceat(quantity % _UNITS, starts)
    return Candles(
        minutes[starts] * MINUTE_US,
        price[starts],
        np.maximum.reduceat(price, starts),
        np.minimum.reduceat(price, starts),
        price[ends - 1],
        np.add.reduceat(quantity // _UNITS, starts) + rest // _UNITS,
        rest % _UNITS,
        ends - starts,
    )


@dataclass(frozen=True)
class Difference:
    """A minute in which trades and candles do not tell the same; `of`: in what, as the columns are called."""

    begins_us: int
    of: tuple[str, ...]


def differences(ours: Candles, theirs: Candles) -> list[Difference]:
    """The minutes in which they differ, of those that both could have: from the first to the last that either has.

    Theirs have minutes without a trade as well, ours do not.
    """
    traded = theirs.trades > 0
    a, b = ours.time_us, theirs.time_us[traded]
    only_one = np.setxor1d(a, b)
    found = [Difference(int(each), ("trades",)) for each in only_one]
    _, here, there = np.intersect1d(a, b, assume_unique=True, return_indices=True)
    unequal = {name: getattr(ours, name)[here] != getattr(theirs, name)[traded][there] for name in _COMPARED}
    if len(here):
        for place in np.flatnonzero(np.logical_or.reduce(list(unequal.values()))):
            of = tuple(dict.fromkeys(name.partition("_")[0] for name in _COMPARED if unequal[name][place]))
            found.append(Difference(int(a[here][place]), of))
    return sorted(found, key=lambda each: each.begins_us)

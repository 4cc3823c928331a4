"""Fills holes of what the archive has, from an exchange's REST: holes only, never months.

It spends a tenth of the request weight that the address may use, however much of it is free, and waits where even
that is not: everything else of this installation that asks there comes first.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import NamedTuple, TypeVar

from hedgehog_project.venues.rate_limits import RateLimits, rate_limits_at
from history.archive import Stopped
from history.holes import Hole
from streamer import rest
from streamer.rest import AggregateTrade, HistoricalTrade

log = logging.getLogger(__name__)

T = TypeVar("T")

# The part of the address's request weight that is spent here.
SHARE = 0.1
PAGE = 1000  # the most that one answer holds
# A hole that is larger is left: at 24 pages a minute it would take longer than two minutes.
MAX_HOLE = 50_000
TRIES = 5
MAX_WAIT_S = 120.0
_UNITS = Decimal(10**8)
_US = 1000  # in a millisecond


class Row(NamedTuple):
    """One trade, or one aggregate trade: amounts in units of 1e-8, its time in microseconds."""

    id: int
    price: int
    quantity: int
    time_us: int
    maker: bool


@dataclass(frozen=True)
class Found:
    """What an exchange has of a hole. `problem`: why some of it is missing, for people; empty where nothing is."""

    rows: list[Row]
    problem: str = ""


class Pace:
    """Lets so much weight pass in a minute, evenly."""

    def __init__(self, limits: RateLimits, wait: Callable[[float], object], share: float = SHARE) -> None:
        self._limits, self._wait, self._share = limits, wait, share
        self._free_at = 0.0  # by time.monotonic()

    def take(self, weight: int) -> None:
        """Waits until the weight may be spent."""
        now = time.monotonic()
        if self._free_at > now:
            self._wait(self._free_at - now)
        per_second = self._limits.state().weight.limit * self._share / 60
        self._free_at = max(now, self._free_at) + weight / per_second


class Filler:
    """Asks one exchange's address for trades that are missing. For one thread."""

    def __init__(self, rest_url: str, api_key: str, stop: threading.Event | None = None) -> None:
        self._rest_url, self._api_key = rest_url, api_key
        self._stop = stop or threading.Event()
        self._pace = Pace(rate_limits_at(rest_url), self._wait)

    def trades(self, symbol: str, hole: Hole, from_us: int, to_us: int) -> Found:
        """The trades of a hole. The times are those of the trades around it. Raises Stopped.

        Where the exchange wants a key for old trades and there is none, aggregate trades tell those that stand alone.
        """
        if hole.size > MAX_HOLE:
            return Found([], f"{hole.size:,} trades are too many to ask for one by one")
        rows: list[Row] = []
        try:
            for trade in self._old_trades(symbol, hole):
                rows.append(_row(trade.id, trade.price, trade.qty, trade.time, trade.isBuyerMaker))
        except rest.Refused as refused:
            if not _wants_key(refused):
                return Found(rows, str(refused))
            return self._alone(symbol, hole, from_us, to_us)
        except (rest.Unreachable, _Unusable) as error:
            return Found(rows, str(error))
        return Found(rows, _missing(hole, rows))

    def aggregates(self, symbol: str, hole: Hole) -> Found:
        """The aggregate trades of a hole, by their own ids. Raises Stopped."""
        if hole.size > MAX_HOLE:
            return Found([], f"{hole.size:,} trades are too many to ask for one by one")
        rows: list[Row] = []
        start = hole.first
        try:
            while start <= hole.last:
                params: dict[str, str | int] = {"symbol": symbol, "fromId": start, "limit": PAGE}
                page = [each for each in self._get("aggTrades", params, list[AggregateTrade]) if each.a >= start]
                rows += [_row(each.a, each.p, each.q, each.T, each.m) for each in page if each.a <= hole.last]
                if not page:
                    break
                start = page[-1].a + 1
        except (rest.Refused, rest.Unreachable, _Unusable) as error:
            return Found(rows, str(error))
        return Found(rows, _missing(hole, rows))

    def _old_trades(self, symbol: str, hole: Hole) -> Iterator[HistoricalTrade]:
        start = hole.first
        while start <= hole.last:
            limit = min(PAGE, hole.last - start + 1)
            params: dict[str, str | int] = {"symbol": symbol, "fromId": start, "limit": limit}
            page = [each for each in self._get("historicalTrades", params, list[HistoricalTrade]) if each.id >= start]
            yield from (each for each in page if each.id <= hole.last)
            if not page:
                return
            start = page[-1].id + 1

    def _alone(self, symbol: str, hole: Hole, from_us: int, to_us: int) -> Found:
        rows: list[Row] = []
        params: dict[str, str | int] = {
            "symbol": symbol,
            "limit": PAGE,
            "startTime": from_us // _US,
            "endTime": -(-to_us // _US),
        }
        try:
            while page := self._get("aggTrades", params, list[AggregateTrade]):
                rows += [
                    _row(each.f, each.p, each.q, each.T, each.m)
                    for each in page
                    if each.f == each.l and hole.first <= each.f <= hole.last
                ]
                if page[-1].l >= hole.last or len(page) < PAGE:
                    break
                params = {"symbol": symbol, "limit": PAGE, "fromId": page[-1].a + 1}
        except (rest.Refused, rest.Unreachable, _Unusable) as error:
            return Found(rows, str(error))
        return Found(
            rows, _missing(hole, rows) and "without an API key only trades that stand alone can be asked for"
        )

    def _get(self, path: str, params: dict[str, str | int], shape: type[T]) -> T:
        """One page. Raises rest.Unreachable, rest.Refused, Stopped."""
        attempt = 0
        while True:
            self._pace.take(rest.WEIGHTS[path])
            try:
                return rest.get(self._rest_url, path, params, shape, self._api_key)
            except rest.Unreachable as unreachable:
                attempt += 1
                if attempt == TRIES:
                    raise
                wait_s = unreachable.retry_after_s if isinstance(unreachable, rest.Throttled) else 2.0**attempt
            self._wait(min(MAX_WAIT_S, wait_s))

    def _wait(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped


class _Unusable(Exception):
    """An answer whose numbers are none."""


def _row(number: int, price: str, quantity: str, time_ms: int, is_maker: bool) -> Row:
    return Row(number, _units(price), _units(quantity), time_ms * _US, is_maker)


def _units(text: str) -> int:
    try:
        units = Decimal(text) * _UNITS
        if units <= 0 or units != int(units) or units >= 2**63:
            raise _Unusable(f"the exchange tells an amount that is none: {text[:40]!r}")
    except (InvalidOperation, OverflowError, ValueError):
        raise _Unusable(f"the exchange tells an amount that is none: {text[:40]!r}") from None
    return int(units)


def _missing(hole: Hole, rows: list[Row]) -> str:
    count = hole.size - len(rows)
    return f"the exchange does not have {count:,} of them either" if count else ""


def _wants_key(refused: rest.Refused) -> bool:
    # "Invalid API-key, IP, or permissions", "API-key format invalid": errors.md.
    return refused.code in (-2014, -2015)

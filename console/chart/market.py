"""Public data of a symbol's market for charts: candles, the last day, the order book, the last trades.

It is asked for without a key, by the web server itself, within the shared rate limits and never from what is kept for
exits. Answers are kept for a moment: however many pages are open, each question is put once.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import redis

from hedgehog_project.venues import Market, endpoints
from streamer import rest, topics
from streamer.topics import TradeEvent
from trading.waking import prices

T = TypeVar("T")

# Lengths in seconds of the candles that charts offer, by Binance's names.
INTERVALS = {"1s": 1, "1m": 60, "5m": 300, "15m": 900, "1h": 3_600, "4h": 14_400, "1d": 86_400}
DEFAULT_INTERVAL = "5m"
CANDLES = 500
LEVELS, TRADES = 5, 12
# How long an answer is good for, in seconds; of candles, at most: the running one goes on by the stream of trades.
KEEP_CANDLES_S, KEEP_DAY_S, KEEP_BOOK_S = 20.0, 30.0, 2.5
# What ended does not change.
KEEP_ENDED_S = 600.0
# A market that does not answer is not asked again for so long.
PAUSE_S = 5.0

# time in s, open, high, low, close, volume
Candle = tuple[int, float, float, float, float, float]


@dataclass(frozen=True)
class Day:
    """The last 24 hours."""

    open: Decimal
    high: Decimal
    low: Decimal


@dataclass(frozen=True)
class Book:
    """The best prices, each with its quantity."""

    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]


class NoAnswer(Exception):
    """The market could not be asked, in words for people."""


def candles(market: Market, symbol: str, interval: str, end_s: int | None = None) -> list[Candle]:
    """The last CANDLES of them, oldest first, or those before a time. Raises NoAnswer."""
    params: dict[str, str | int] = {"symbol": symbol, "interval": interval, "limit": CANDLES}
    keep_s = min(KEEP_CANDLES_S, max(1.0, INTERVALS[interval] / 4))
    if end_s is not None:
        params["endTime"] = end_s * 1000 - 1
        keep_s = KEEP_ENDED_S
    return _kept(("klines", market, symbol, interval, end_s), keep_s, lambda: _candles(market, params))


def day(market: Market, symbol: str) -> Day:
    """Raises NoAnswer."""

    def ask() -> Day:
        found = _get(market, "ticker/24hr", {"symbol": symbol, "type": "MINI"}, dict[str, Any])
        return Day(*(Decimal(str(found[name])) for name in ("openPrice", "highPrice", "lowPrice")))

    return _kept(("day", market, symbol), KEEP_DAY_S, ask)


def known_day(market: Market, symbol: str) -> Day | None:
    """What was answered last, without asking: for a page that is not to wait."""
    _, found = _answers.get(("day", market, symbol), (0.0, None))
    return found if isinstance(found, Day) else None


def book(market: Market, symbol: str) -> Book:
    """Raises NoAnswer."""

    def ask() -> Book:
        found = _get(market, "depth", {"symbol": symbol, "limit": LEVELS}, dict[str, Any])
        sides = ([(Decimal(p), Decimal(q)) for p, q, *_ in found[side]] for side in ("bids", "asks"))
        return Book(*sides)

    return _kept(("depth", market, symbol), KEEP_BOOK_S, ask)


def last_trades(market: Market, symbol: str) -> list[TradeEvent]:
    """The newest trades that the streamer has published, newest first; none where Redis does not answer."""
    try:
        return topics.newest_trades(prices.reader(), market, symbol, TRADES)
    except redis.RedisError:
        return []


def _candles(market: Market, params: dict[str, str | int]) -> list[Candle]:
    rows = _get(market, "klines", params, list[list[Any]])
    return [
        (int(begins) // 1000, float(opened), float(high), float(low), float(closed), float(volume))
        for begins, opened, high, low, closed, volume, *_ in rows
    ]


def _get(market: Market, path: str, params: dict[str, Any], shape: type[T]) -> T:
    try:
        return rest.get(endpoints(market).rest_url, path, params, shape)
    except (rest.Unreachable, rest.Refused) as error:
        raise NoAnswer(str(error)) from None


# --- kept for a moment ----------------------------------------------------------------------------
_answers: dict[Any, tuple[float, Any]] = {}
_asking: dict[Any, threading.Lock] = {}
_lock = threading.Lock()
MAX_KEPT = 300


def _kept(key: Any, seconds: float, ask: Callable[[], T]) -> T:
    """The answer, asked for once for all who want it at a time. A refusal is kept as well."""
    with _lock:
        asking = _asking.setdefault(key, threading.Lock())
    with asking:
        until, found = _answers.get(key, (0.0, None))
        if time.monotonic() >= until:
            try:
                found = ask()
            except NoAnswer as error:
                found, seconds = error, PAUSE_S
            except (KeyError, ValueError, TypeError, ArithmeticError) as error:
                found, seconds = NoAnswer(f"an answer that can't be read ({error!r})"), PAUSE_S
            _answers[key] = (time.monotonic() + seconds, found)
            _forget_old()
    if isinstance(found, NoAnswer):
        raise found
    answer: T = found
    return answer


def _forget_old() -> None:
    if len(_answers) <= MAX_KEPT:
        return
    now = time.monotonic()
    with _lock:
        old = sorted(_answers, key=lambda key: _answers[key][0])
        for key in old[: len(old) // 2] + [key for key in old if _answers[key][0] < now]:
            _answers.pop(key, None)
            _asking.pop(key, None)


def forget() -> None:
    """The next question is put to the market."""
    _answers.clear()

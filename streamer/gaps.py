"""Fetches trades that a connection has missed, from REST, while the live frames of other symbols go on."""

import logging
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass

from streamer import rest
from streamer.frames import is_amount
from streamer.rest import AggregateTrade, HistoricalTrade
from streamer.sequence import Gap
from streamer.topics import TRADES_KEPT, TradeEvent

log = logging.getLogger(__name__)

PAGE = 1000
# Live frames of a symbol wait this long for what came before them, and no longer.
PATIENCE_S = 15.0
TRIES = 4
FETCHERS = 4


@dataclass(frozen=True)
class Filled:
    """What was found of a gap."""

    market: str
    symbol: str
    gap: Gap
    trades: list[TradeEvent]


class GapFiller:
    """A few threads that ask one market's REST address for missing trades.

    `deliver` gets a Filled for every gap, found or not; it is called from these threads.
    """

    def __init__(self, market: str, rest_url: str, api_key: str, deliver: Callable[[Filled], None]) -> None:
        self._market = market
        self._rest_url = rest_url
        self._api_key = api_key
        self._deliver = deliver
        self._jobs: queue.SimpleQueue[tuple[str, Gap, float] | None] = queue.SimpleQueue()
        self._not_before = 0.0  # the exchange has told us to wait until then

    def ask(self, symbol: str, gap: Gap) -> None:
        """Begins to fetch a gap; the answer comes through `deliver` within PATIENCE_S or so."""
        self._jobs.put((symbol, gap, time.monotonic() + PATIENCE_S))

    def stop(self) -> None:
        for _ in range(FETCHERS):
            self._jobs.put(None)

    def run(self) -> None:
        """The body of each fetching thread."""
        while (job := self._jobs.get()) is not None:
            symbol, gap, until = job
            self._deliver(Filled(self._market, symbol, gap, self._fill(symbol, gap, until)))

    def _fill(self, symbol: str, gap: Gap, until: float) -> list[TradeEvent]:
        wanted = gap
        if gap.size > TRADES_KEPT:
            wanted = Gap(gap.last - TRADES_KEPT + 1, gap.last)  # A topic keeps no more.
        trades: dict[int, TradeEvent] = {}
        problem = ""
        for attempt in range(TRIES):
            wait_s = max(self._not_before - time.monotonic(), 0.5 * 2**attempt if attempt else 0.0)
            if time.monotonic() + wait_s > until:
                problem = problem or "too many gaps at once"
                break
            time.sleep(wait_s)
            try:
                self._fetch(symbol, wanted, trades, until)
            except rest.Throttled as error:
                problem = str(error)
                self._not_before = time.monotonic() + error.retry_after_s
            except rest.Unreachable as error:
                problem = str(error)
            except rest.Refused as error:
                problem = str(error)
                break
            else:
                problem = ""
                break
        log.log(
            logging.INFO if len(trades) == gap.size else logging.WARNING,
            "gap market=%s symbol=%s first=%d last=%d size=%d filled=%d%s",
            self._market,
            symbol,
            gap.first,
            gap.last,
            gap.size,
            len(trades),
            f" not_available={problem!r}" if problem else "",
        )
        return list(trades.values())

    def _fetch(self, symbol: str, gap: Gap, into: dict[int, TradeEvent], until: float) -> None:
        """Adds the trades of a gap to `into`, by id. What came before an error stays there."""
        try:
            self._fetch_trades(symbol, gap, into, until)
        except rest.Refused as error:
            log.info("gap market=%s symbol=%s historicalTrades=%r trying=aggTrades", self._market, symbol, str(error))
            self._fetch_aggregates(symbol, gap, into, until)

    def _fetch_trades(self, symbol: str, gap: Gap, into: dict[int, TradeEvent], until: float) -> None:
        start = max([gap.first - 1, *into]) + 1
        while start <= gap.last and time.monotonic() < until:
            params: dict[str, str | int] = {
                "symbol": symbol,
                "fromId": start,
                "limit": min(PAGE, gap.last - start + 1),
            }
            page = rest.get(self._rest_url, "historicalTrades", params, list[HistoricalTrade], self._api_key)
            for row in page:
                if gap.first <= row.id <= gap.last:
                    _add(into, TradeEvent(symbol, row.id, row.price, row.qty, row.time, row.time, row.isBuyerMaker))
            newest = max((row.id for row in page), default=-1)
            if newest < start:
                return  # The exchange has no more.
            start = newest + 1

    def _fetch_aggregates(self, symbol: str, gap: Gap, into: dict[int, TradeEvent], until: float) -> None:
        """One event stands for the trades of one order at one price, under the id of the last of them.

        Pages go back from the newest: aggTrades cannot be asked for by trade id.
        """
        params: dict[str, str | int] = {"symbol": symbol, "limit": PAGE}
        for _ in range(TRADES_KEPT // PAGE + 1):
            page = rest.get(self._rest_url, "aggTrades", params, list[AggregateTrade], self._api_key)
            for row in page:
                if row.l >= gap.first and row.f <= gap.last:
                    _add(into, TradeEvent(symbol, min(row.l, gap.last), row.p, row.q, row.T, row.T, row.m))
            if not page or page[0].f <= gap.first or page[0].a == 0 or time.monotonic() > until:
                return
            params = {"symbol": symbol, "fromId": max(0, page[0].a - PAGE), "limit": PAGE}


def _add(into: dict[int, TradeEvent], trade: TradeEvent) -> None:
    """REST knows no event time; the trade's own stands for it."""
    if is_amount(trade.price) and is_amount(trade.quantity):
        into[trade.trade_id] = trade

"""Requests on a bad day, by REST and by the WebSocket API alike: what an injected fault makes of it.

The exchange itself stays true: a request is carried out by the ordinary way, once, later, or not at all.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from typing import Any, Generic, TypeVar

from binance_mock.engine.amounts import ZERO, floor_to
from binance_mock.engine.errors import Refused
from binance_mock.engine.orders import MarketTrade, Order, Side
from binance_mock.faults.faults import Fault, Occasion
from binance_mock.faults.kinds import CANCEL, REQUESTS, Hook
from binance_mock.server.faults.answers import ERRORS, Page, false_answer
from binance_mock.server.faults.denials import Denials
from binance_mock.state.context import Context
from binance_mock.state.security import RECV_WINDOW_MS
from binance_mock.state.store import StoreFailed

# How long a late request is under way at least, and how long before the end of its window it arrives at the latest.
LATE_MS, MARGIN_MS = 300, 100
GARBAGE_BYTES = 200

T = TypeVar("T")


class Way(Enum):
    """How a request is answered."""

    TRUE = auto()  # By `answer`, at once.
    LATER = auto()  # By `answer`, after the fault's delay_ms.
    FALSE = auto()  # By `said`.
    CUT = auto()  # Not at all: the connection ends.
    BREAKS_OFF = auto()  # By a part of `answer`, then the connection ends.
    GARBAGE = auto()  # By bytes that mean nothing.


@dataclass(frozen=True)
class Done(Generic[T]):
    """What came of a request. `answer` is the true one, where it was carried out."""

    way: Way
    answer: T | None = None
    said: Refused | Page | None = None
    fault: Fault | None = None

    @property
    def delay_s(self) -> float:
        return self.fault.options["delay_ms"] / 1000 if self.fault else 0.0


@dataclass(frozen=True)
class Asked(Generic[T]):
    """A request, with or without a fault. `carry_out` does it the ordinary way, and may be called later as well."""

    endpoint: str
    values: Mapping[str, str]
    carry_out: Callable[[], T]
    # An answer with its result changed.
    edited: Callable[[T, Callable[[Any], Any]], T]


@dataclass(frozen=True)
class Ban:
    """Nobody is served until then."""

    status: int
    until_ms: int

    def refusal(self, now_ms: int) -> Refused:
        if self.status == 429:
            message = (
                "Too much request weight used; current limit is 6000 request weight per 1 MINUTE. "
                "Please use WebSocket Streams for live updates to avoid polling the API."
            )
        else:
            message = (
                f"Way too much request weight used; IP banned until {self.until_ms}. "
                "Please use WebSocket Streams for live updates to avoid bans."
            )
        wait_s = -(-(self.until_ms - now_ms) // 1000)
        return Refused(-1003, message, self.status, wait_s, {"retryAfter": self.until_ms})


class FaultyRequests:
    """All requests of one exchange go through `serve`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ban: Ban | None = None
        self.denials = Denials()

    def banned(self, now_ms: int) -> Refused | None:
        """The refusal that everybody gets meanwhile."""
        if self._ban is None or self._ban.until_ms <= now_ms:
            self._ban = None
            return None
        return self._ban.refusal(now_ms)

    def lift_ban(self) -> None:
        self._ban = None

    def serve(self, asked: Asked[T]) -> Done[T]:
        faults, now_ms = self._context.faults, self._context.now_ms()
        if banned := self.banned(now_ms):
            return Done(Way.FALSE, said=banned)
        if denied := self.denials.refusal(asked.endpoint, asked.values, now_ms):
            return Done(Way.FALSE, said=denied)
        if self.denials.hides_from(asked.endpoint, now_ms):
            answer = asked.edited(asked.carry_out(), lambda rows: self.denials.shown(rows, now_ms))
            return Done(Way.TRUE, answer)
        if not any(faults.watches(hook) for hook in REQUESTS):
            return Done(Way.TRUE, asked.carry_out())
        order = self._open_order(asked.values)
        side = asked.values.get("side") or (order.side.value if order else "")
        occasion = Occasion(asked.values.get("symbol", ""), side, asked.endpoint)
        if fault := faults.inject(Hook.BEFORE, occasion, now_ms):
            return self._before(fault, asked, now_ms)
        if order is not None and asked.endpoint == CANCEL and (shares := _shares(self._context, order)):
            self._meet_fill(occasion, order, shares, now_ms)
        answer = asked.carry_out()
        fault = faults.inject(Hook.AFTER, occasion, now_ms)
        return _after(fault, answer) if fault else Done(Way.TRUE, answer)

    def _open_order(self, values: Mapping[str, str]) -> Order | None:
        """The open order that a request is about, where it names one."""
        order_id, client_id = values.get("orderId", ""), values.get("origClientOrderId")
        if not (order_id.isdecimal() or client_id):
            return None
        try:
            return self._context.exchange.engine.find_open(
                values.get("symbol", ""), int(order_id) if order_id.isdecimal() else None, client_id
            )
        except Refused:
            return None

    def _before(self, fault: Fault, asked: Asked[T], now_ms: int) -> Done[T]:
        match fault.kind.name:
            case "never_arrives":
                return Done(Way.CUT, fault=fault)
            case "order_denied":
                return self._deny(fault, asked, now_ms)
            case "accepted_late":
                return self._accept_late(fault, asked, now_ms)
            case "throttled_429" | "banned_418":
                status = 429 if fault.kind.name == "throttled_429" else 418
                self._ban = Ban(status, now_ms + fault.options["retry_after_s"] * 1000)
                return Done(Way.FALSE, said=self._ban.refusal(now_ms))
            case "too_many_orders_1015":
                message = "Too many new orders; current limit is 50 orders per 10 SECOND."
                return Done(Way.FALSE, said=Refused(-1015, message, 429, fault.options["retry_after_s"]))
        return Done(Way.FALSE, said=false_answer(fault.kind.name))

    def _deny(self, fault: Fault, asked: Asked[T], now_ms: int) -> Done[T]:
        """Carries a placing out, and answers nothing: not now, and not when the order is asked about."""
        symbol, name = asked.values.get("symbol", ""), asked.values.get("newClientOrderId", "")
        # Before anybody hears of it.
        self.denials.begin(name, now_ms + fault.options["deny_s"] * 1000, bool(fault.options["everywhere"]))
        answer = asked.carry_out()
        try:
            self.denials.number(name, self._context.exchange.order(symbol, None, name).order_id)
        except Refused:
            self.denials.end(name)
            return Done(Way.TRUE, answer)  # It was refused: there is nothing to deny.
        return Done(Way.CUT, fault=fault)

    def _accept_late(self, fault: Fault, asked: Asked[T], now_ms: int) -> Done[T]:
        """Answers as if nobody knew, and carries the request out later: all is checked then, its window as well."""
        delay_ms = fault.options["delay_ms"] or fault.chance.randint(LATE_MS, max(LATE_MS, _left_ms(asked, now_ms)))
        asyncio.get_running_loop().call_later(delay_ms / 1000, asked.carry_out)
        if fault.chance.random() < 0.5:
            return Done(Way.FALSE, said=ERRORS["timeout_1007"])
        return Done(Way.CUT, fault=fault)

    def _meet_fill(self, occasion: Occasion, order: Order, shares: Mapping[str, Decimal], now_ms: int) -> None:
        """Somebody trades with the order at the moment at which its cancel arrives."""
        fault = self._context.faults.inject(Hook.CANCEL, occasion, now_ms)
        if fault is None:
            return
        engine = self._context.exchange.engine
        book = engine.books[order.symbol]
        ahead = [each for each in book.side(order.side) if _is_ahead(each, order)]
        quantity = sum((each.remaining for each in ahead), shares[fault.kind.name])
        # One tick through the limit fills it under either fill rule; nothing is left that trades at that price.
        tick = book.rules.tick
        price = order.price - tick if order.side is Side.BUY else order.price + tick
        trade = MarketTrade(order.symbol, price, quantity, order.side is Side.BUY)
        try:
            self._context.exchange.trade([trade], now_ms)
        except StoreFailed as failure:
            self._context.fail(failure)


def _after(fault: Fault, answer: T) -> Done[T]:
    """How a request is answered that was carried out."""
    ways = {
        "answer_lost": Way.CUT,
        "answer_delayed": Way.LATER,
        "body_garbage": Way.GARBAGE,
        "body_cut_off": Way.BREAKS_OFF,
    }
    return Done(ways.get(fault.kind.name, Way.FALSE), answer, false_answer(fault.kind.name), fault)


def _left_ms(asked: Asked[T], now_ms: int) -> int:
    """How long the request may still be under way and be accepted."""
    values = asked.values
    timestamp, window = values.get("timestamp", ""), values.get("recvWindow", "").partition(".")[0]
    if not timestamp.isdecimal():
        return 0
    sent_ms = int(timestamp) // 1000 if int(timestamp) >= 10**14 else int(timestamp)
    return sent_ms + (int(window) if window.isdecimal() else RECV_WINDOW_MS) - MARGIN_MS - now_ms


def _is_ahead(other: Order, order: Order) -> bool:
    """Whether the market fills `other`, an order of the same side, first."""
    if other.price != order.price:
        return other.price > order.price if order.side is Side.BUY else other.price < order.price
    return other.order_id < order.order_id


def _shares(context: Context, order: Order) -> Mapping[str, Decimal]:
    """How much of an order each fault fills before it is cancelled; none where its symbol does not trade."""
    rules = context.exchange.engine.books[order.symbol].rules
    half = floor_to(order.remaining / 2, rules.step)
    if not rules.is_trading:
        return {}
    # An order of a single step has no half: it goes whole.
    return {
        "cancel_loses_to_fill": order.remaining,
        "cancel_meets_part_fill": half if half > ZERO else order.remaining,
    }

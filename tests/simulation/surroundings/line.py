"""The exchange as the traders see it: the mock's engine behind a bad line, a step away from everybody else.

No transaction may be open when it is called. Whoever calls may be killed before and after, and others may run
meanwhile, so that an answer may be older than what was learnt since.
"""

from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from django.db import connection

from binance_mock.engine.errors import Refused as EngineRefused
from binance_mock.protocol import replies
from binance_mock.protocol.operations import REST
from binance_mock.protocol.params import Params
from binance_mock.state.security import AHEAD_MS
from hedgehog_project.venues import Venue
from hedgehog_project.venues.codes import NO_SUCH_SYMBOL
from trading.core.denials import Denial
from trading.core.fees import Fees
from trading.core.money import plain
from trading.core.orders import Fill, OrderReport, Side
from trading.exchange import binance
from trading.exchange import replies as ours
from trading.exchange.codes import from_code
from trading.exchange.errors import NotFound, NotSent, OutcomeUnknown, Refused, Throttled
from trading.exchange.protocol import RECV_WINDOW_MS, ListedSymbol, NewOrder, Replacement
from trading.exchange.replies import from_exchange_info, from_my_trade, from_order_reply
from trading.models import Order, Switch
from trading.models.switch import TradingMode

if TYPE_CHECKING:
    from tests.simulation.surroundings.world import World

Answer = TypeVar("Answer")

# Reconciliation finds within a minute what shows again, where it is not lost in a bad line.
SHOWN_WITHIN_MS = 150_000
_REFUSALS = (
    from_code(-1013, "Filter failure: PRICE_FILTER"),
    from_code(-2010, "Account has insufficient balance for requested action."),
    from_code(-2010, "Market is closed."),
    Throttled("Too many new orders (-1015)", 2.0),
    NotSent("Exchange unreachable: connection failed"),
)


class Broken(BaseException):
    """Something that must never be; no task may catch it. The text begins with the invariant, I1 ... I7, or the rule,
    R1 ... R7.
    """


class Looker(Protocol):
    """Raises Broken where an order must not be, or must be and was denied."""

    def is_denied(self, trader_id: int, side: Side, denial: Denial) -> None: ...
    def is_saved(self, order: NewOrder) -> None: ...
    def is_sent(self, order: NewOrder) -> None: ...
    def arrives(self, order: NewOrder) -> None: ...
    def has_arrived(self, order: NewOrder) -> None: ...


class Line:
    """One account at one venue: trading.exchange.protocol.Exchange."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.failures = 0
        # Whoever looks at each order: where it is sent, where it arrives, and where it was taken.
        self.lookers: list[Looker] = []
        self._banned_until_ms = 0
        self._offset_ms = 0  # of the exchange's clock, as far as ours had to learn it
        # Of each order once: until when the exchange says that it does not know it, although it may; and of those the
        # ones that no list shows either.
        self._not_found_until_ms: dict[str, int] = {}
        self._hidden: set[str] = set()

    def at(self, venue: Venue) -> "Line":
        """Takes the place of exchange_at. What was decided is committed now, and nothing is called yet."""
        self.world.point()
        return self

    def why_wait(self, venue: Venue, side: str) -> tuple[str, float] | None:
        """Takes the place of the client's: what the shared budget says before an order is saved."""
        wait_ms = self._banned_until_ms - self.world.now_ms
        return ("The exchange asked us to wait", wait_ms / 1000) if wait_ms > 0 else None

    def clock_offset(self, venue: Venue) -> timedelta:
        """Takes the place of the client's."""
        return timedelta(milliseconds=self._offset_ms)

    # --- orders -----------------------------------------------------------------------------------
    def place(self, order: NewOrder) -> OrderReport:
        return self._sent(order, lambda: self._accept(order))

    def replace(self, order: NewOrder, replaces: str) -> Replacement:
        return self._sent(order, lambda: self._swap(order, replaces))

    def _sent(self, order: NewOrder, accept: Callable[[], Answer]) -> Answer:
        """Carries one request that places an order, along a bad line."""
        chance = self.world.chance
        if not TradingMode(Switch.row().mode).lets(order.side):
            raise Broken(f"I7: {order.client_order_id} is sent in spite of a halt")
        # Asked here and not where it arrives: a backup that was restored meanwhile may lack it.
        if not Order.objects.filter(client_order_id=order.client_order_id).exists():
            raise Broken(f"I3: {order.client_order_id} is sent and was not saved before")
        for looker in self.lookers:
            looker.is_sent(order)
        self._pause()
        self._may_be_banned()
        if chance.strikes("refused"):
            raise chance.choice(_REFUSALS)
        if self.world.wall_ms > order.not_after_ms or self.world.now.timestamp() > order.not_after:
            raise NotSent("The order was not sent: this process was delayed too long")
        if chance.strikes("never_arrives"):
            self._times_out()
        if chance.strikes("arrives_late"):
            # Signed at the last moment that the client allows, accepted at the last that the exchange's clock does.
            last_ms = order.not_after_ms + RECV_WINDOW_MS - self.world.clock_off_ms
            self.world.later(chance.randint(0, max(0, last_ms - self.world.wall_ms)), lambda: self._arrives(accept))
            self._times_out()
        answer = accept()
        self._pause()
        if chance.strikes("answer_lost"):
            self._times_out()
        return answer

    def _swap(self, order: NewOrder, replaces: str) -> Replacement:
        """What cancelReplace does: its two halves one by one, for whoever looks at what rests in between."""
        asked = binance.replacing(replaces)
        assert asked["cancelReplaceMode"] == "STOP_ON_FAILURE"
        values = {"symbol": order.symbol, "origClientOrderId": asked["cancelOrigClientOrderId"]}
        values |= {name: asked[name] for name in ("cancelRestrictions",) if name in asked}
        try:
            cancelled = from_order_reply(self._answer("DELETE order", values))
        except (NotFound, Refused) as refused:
            return Replacement(None, None, refused)
        try:
            return Replacement(cancelled, self._accept(order))
        except (Refused, Throttled) as refused:
            return Replacement(cancelled, None, refused)

    def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        self._may_not_be_found(client_order_id)
        values = {"symbol": symbol, "origClientOrderId": client_order_id}
        reply = self._ask("DELETE order", values)
        if self.world.chance.strikes("answer_lost"):
            self._times_out()
        return from_order_reply(reply)

    def _accept(self, order: NewOrder) -> OrderReport:
        values = {
            "symbol": order.symbol,
            "side": order.side.value,
            **binance.terms(order),
            "quantity": plain(order.quantity),
            "newClientOrderId": order.client_order_id,
            "newOrderRespType": "FULL",
        }
        for looker in self.lookers:
            looker.arrives(order)
        report = from_order_reply(self._answer("POST order", values))
        for looker in self.lookers:
            looker.has_arrived(order)
        return report

    def _arrives(self, accept: Callable[[], object]) -> None:
        # Nobody hears of a refusal: its sender has given up waiting.
        with suppress(Refused, NotFound):
            accept()

    # --- questions --------------------------------------------------------------------------------
    def order(self, symbol: str, client_order_id: str) -> OrderReport:
        self._may_not_be_found(client_order_id)
        values = {"symbol": symbol, "origClientOrderId": client_order_id}
        return from_order_reply(self._ask("GET order", values))

    def open_orders(self, symbol: str = "") -> list[OrderReport]:
        return self._listed("GET openOrders", {"symbol": symbol} if symbol else {})

    def _listed(self, request: str, values: dict[str, str]) -> list[OrderReport]:
        found = [from_order_reply(reply) for reply in self._ask(request, values)]
        return [report for report in found if not self._is_hidden(report.client_order_id)]

    def was_hidden(self, client_order_id: str) -> bool:
        """Whether the exchange hides this order everywhere, or did until lately: nobody can be blamed who goes on."""
        until_ms = self._not_found_until_ms.get(client_order_id, -1) + SHOWN_WITHIN_MS
        return client_order_id in self._hidden and self.world.now_ms <= until_ms

    def _is_hidden(self, client_order_id: str) -> bool:
        is_not_found = self.world.now_ms <= self._not_found_until_ms.get(client_order_id, -1)
        return client_order_id in self._hidden and is_not_found

    def orders(self, symbol: str, from_id: int | None = 1) -> list[OrderReport]:
        values = {"symbol": symbol, "limit": "1000"}
        if from_id is not None:
            values["orderId"] = str(from_id)
        return self._listed("GET allOrders", values)

    def fills(self, symbol: str, exchange_order_id: int) -> tuple[Fill, ...]:
        values = {"symbol": symbol, "orderId": str(exchange_order_id)}
        return tuple(from_my_trade(row) for row in self._ask("GET myTrades", values))

    def trades(self, symbol: str, from_id: int = 0) -> list[tuple[int, Fill]]:
        rows = self._ask("GET myTrades", {"symbol": symbol, "limit": "1000", "fromId": str(from_id)})
        return [(row["orderId"], from_my_trade(row)) for row in rows]

    def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        self._question()
        held = self.world.context.exchange.engine.ledger.balances()
        answer = {asset: (balance.free, balance.locked) for asset, balance in held.items()}
        self._pause()
        return answer

    def price(self, symbol: str) -> Decimal:
        return Decimal(self._ask("GET ticker/price", {"symbol": symbol})["price"])

    def prices(self, symbols: Collection[str], is_exit: bool = True) -> dict[str, Decimal]:
        rows = self._ask("GET ticker/price", {})
        return {row["symbol"]: Decimal(row["price"]) for row in rows if row["symbol"] in symbols}

    def listed(self, symbol: str) -> ListedSymbol:
        self._question()
        if self.world.chance.strikes("symbol_not_found"):
            raise Refused("Invalid symbol. (-1121)", NO_SUCH_SYMBOL)
        return from_exchange_info(self.world.context.exchange.engine.book(symbol).rules.info)

    def all_listed(self) -> list[ListedSymbol]:
        self._question()
        return [from_exchange_info(book.rules.info) for book in self.world.context.exchange.engine.books.values()]

    def fees(self, symbol: str) -> Fees:
        engine = self.world.context.exchange.engine
        return ours.from_commission(replies.commission(symbol, engine.rates, engine.fees_in_bnb))

    # --- the line itself --------------------------------------------------------------------------
    def _ask(self, request: str, values: dict[str, str]) -> Any:
        self._question()
        answer = self._answer(request, values)
        self._pause()
        return answer

    def _answer(self, request: str, values: dict[str, str]) -> Any:
        try:
            method, path = request.split()
            return REST[method, path].run(self.world.context, Params(values), self.world.exchange_ms)
        except EngineRefused as refused:
            raise from_code(refused.code, str(refused.body()["msg"])) from None

    def _question(self) -> None:
        self._pause()
        self._learn_the_clock()
        self._may_be_banned()
        if self.world.chance.strikes("question_fails"):
            self.failures += 1
            raise self.world.chance.choice([NotSent("no line"), OutcomeUnknown("timed out"), Throttled("wait", 1.0)])

    def _learn_the_clock(self) -> None:
        """Whoever asks with a wrong time is refused (-1021), learns the exchange's, and asks again."""
        wrong_ms = self.world.wall_ms + self._offset_ms - self.world.exchange_ms
        if not -RECV_WINDOW_MS <= wrong_ms < AHEAD_MS:
            self._offset_ms -= wrong_ms

    def _may_not_be_found(self, client_order_id: str) -> None:
        """Where orders are looked up one may be missing for a moment."""
        now_ms, chance = self.world.now_ms, self.world.chance
        if client_order_id not in self._not_found_until_ms and chance.strikes("not_found"):
            is_long = chance.strikes("not_found_long")
            self._not_found_until_ms[client_order_id] = now_ms + chance.randint(0, 30_000 if is_long else 2_000)
            if is_long:
                self._hidden.add(client_order_id)
        if now_ms <= self._not_found_until_ms.get(client_order_id, -1):
            self.failures += 1
            raise NotFound("Order does not exist.")

    def _may_be_banned(self) -> None:
        if self.world.chance.strikes("banned"):
            self._banned_until_ms = self.world.now_ms + self.world.chance.randint(1_000, 15_000)
        wait_ms = self._banned_until_ms - self.world.now_ms
        if wait_ms > 0:
            self.failures += 1
            raise Throttled("The exchange asks us to wait", wait_ms / 1000)

    def _times_out(self) -> None:
        self._pause()
        raise OutcomeUnknown("timed out")

    def _pause(self) -> None:
        if connection.in_atomic_block:
            raise Broken("I2: an exchange is called while a transaction is open")
        self.world.point()
        self.world.let_others_run()
        self.world.point()

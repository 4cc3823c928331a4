"""A world in one process: the mock exchange's engine, the real traders and leader, a virtual clock, and bad luck.

Every step passes some time, lets the market trade, delivers what is due, and may lose, double, delay and shuffle
whatever passes between the two; any process may die between any two of its steps. All of it follows from a seed.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from binance_mock.desk import Desk, open_desk
from binance_mock.errors import Refused as EngineRefused
from binance_mock.exchange import open_exchange
from binance_mock.market.manual import ManualMarket
from binance_mock.orders import Changes, MarketTrade
from binance_mock.protocol import account_requests, order_requests
from binance_mock.protocol.events import account_events
from binance_mock.protocol.params import Params
from binance_mock.protocol.security import Account
from binance_mock.store import Store
from binance_mock.symbols import LISTINGS, exchange_info
from hedgehog_project.venues import Venue
from trading import leader, traders
from trading.core.events import Event, Nudged, TradeSeen
from trading.core.money import plain
from trading.core.orders import Fill, OrderReport
from trading.exchange.errors import ExchangeError, NotFound, NotSent, OutcomeUnknown, Refused, Throttled
from trading.exchange.protocol import RECV_WINDOW_MS, Listed, NewOrder
from trading.exchange.replies import from_execution_report, from_my_trade, from_order_reply
from trading.models import Trader
from trading.own_orders import trader_of
from trading.reconcile import reconcile

START = datetime(2026, 1, 1, tzinfo=UTC)
MONEY = {"USDT": Decimal(100_000)}
PRICES = {"ETHUSDT": Decimal(3000), "BTCUSDT": Decimal(90_000)}
RECONCILE_EVERY = timedelta(seconds=60)
_NO_SUCH_ORDER = (-2011, -2013)


class DiedError(BaseException):
    """The process was killed at this point. Not an Exception: nothing may catch it."""


@dataclass(frozen=True)
class Luck:
    """How likely each misfortune is, each time that it could strike."""

    dies: float = 0.02  # before or after any call of the exchange
    answer_lost: float = 0.05
    never_arrives: float = 0.05
    arrives_late: float = 0.03
    refused: float = 0.03  # throttled, unreachable, turned down
    question_fails: float = 0.1
    report_lost: float = 0.1
    report_twice: float = 0.2
    wake_lost: float = 0.2
    bell_lost: float = 0.1
    owner_cancels: float = 0.01


NO_MISFORTUNE = Luck(*[0.0] * 11)


@dataclass
class Later:
    """Something that happens at a moment to come."""

    at: datetime
    do: Callable[[], None]


@dataclass
class World:
    """Also the exchange that the traders see: the engine behind a bad line."""

    seed: int
    luck: Luck = field(default_factory=Luck)
    now: datetime = START

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)
        self.agenda: list[Later] = []
        self.prices = dict(PRICES)
        self.reconciled_at = self.now
        self.struck: dict[str, int] = {}
        info = exchange_info([LISTINGS[symbol] for symbol in PRICES])
        exchange = open_exchange(Store(":memory:"), info, MONEY, self.now_ms)
        exchange.listeners.append(self._report)
        self.desk: Desk = open_desk(exchange, ManualMarket(), Account("key", "secret"), now_ms=lambda: self.now_ms)

    # --- time -------------------------------------------------------------------------------------
    @property
    def now_ms(self) -> int:
        return round(self.now.timestamp() * 1000)

    def clock(self) -> datetime:
        """Takes the place of django.utils.timezone.now."""
        return self.now

    def step(self, moves_market: bool = True) -> None:
        """Passes up to two seconds."""
        self.now += timedelta(milliseconds=self.chance.randint(1, 2000))
        if moves_market:
            for symbol in self.prices:
                self._trade(symbol)
        self._deliver()
        self._lead()
        if moves_market and self._strikes("owner_cancels"):
            self._owner_cancels()

    # --- what the leader and the market do --------------------------------------------------------
    def _trade(self, symbol: str) -> None:
        for _ in range(self.chance.randint(1, 4)):
            price = self.prices[symbol] * (1 + Decimal(round(self.chance.gauss(0, 0.0015), 6)))
            # It comes back, so that cycles end.
            price += (PRICES[symbol] - price) * Decimal("0.1")
            self.prices[symbol] = price.quantize(Decimal("0.01"))
            quantity = Decimal(self.chance.randint(1, 2000)) / 100_000 * (90_000 / PRICES[symbol])
            trade = MarketTrade(symbol, self.prices[symbol], quantity.quantize(Decimal("0.00001")), True)
            self.desk.exchange.trade([trade], self.now_ms)
            waiting = Trader.objects.filter(symbol__name=symbol, finished_at=None, wake_below__gte=trade.price)
            for trader_id in list(waiting.values_list("pk", flat=True)):
                if not self._strikes("wake_lost"):
                    event = TradeSeen(symbol, 1, trade.price, self.now_ms, self.chance.choice([0.0, 0.1, 30.0]))
                    self._wake(trader_id, event)

    def _lead(self) -> None:
        leader.fill_slots()
        leader.ask_about_stuck_orders(self.now)
        leader.nudge_whoever_is_due(self.now)
        if self.now > self.reconciled_at + RECONCILE_EVERY:
            self.reconciled_at = self.now
            with suppress(ExchangeError):  # As the task does: the next minute tries again.
                self._alive(lambda: reconcile(Venue.MOCK, self.at))

    def rung(self, task: str, kwargs: dict[str, Any], **_: Any) -> None:
        """Takes the place of Celery's send_task: bells are lost, and answered at once, later, or twice."""
        if self._strikes("bell_lost"):
            return
        match task.removeprefix("trading.tasks."):
            case "nudge":
                self._soon(lambda: self._wake(kwargs["trader"], Nudged(kwargs["why"])))
            case "ask":
                self._soon(lambda: self._ask(kwargs["order"], kwargs["trader"]))

    def _wake(self, trader_id: int, event: Event) -> None:
        try:
            self._alive(lambda: traders.wake(trader_id, event, self.at))
        except ExchangeError as error:
            traders.note_failure(trader_id, error)

    def _ask(self, order_id: int, trader_id: int) -> None:
        try:
            self._alive(lambda: traders.ask(order_id, self.at, now=self.now))
        except ExchangeError as error:
            traders.note_failure(trader_id, error)

    def _owner_cancels(self) -> None:
        """As on Binance's own page."""
        orders = [order for order in self.desk.exchange.engine.open_orders() if trader_of(order.client_order_id)]
        if orders:
            order = self.chance.choice(orders)
            self.desk.exchange.cancel(order.symbol, order.order_id, None, self.now_ms, "web_1")

    # --- the line between the two -----------------------------------------------------------------
    def at(self, venue: Venue) -> "World":
        """Takes the place of exchange_at. What was decided is committed now, and nothing is called yet."""
        self._may_die()
        return self

    def place(self, order: NewOrder) -> OrderReport:
        if self._strikes("refused"):
            raise self.chance.choice([Refused("Filter failure", -1013), Throttled("wait", 2.0), NotSent("no line")])
        if self._strikes("never_arrives"):
            raise OutcomeUnknown("connection reset")
        if self._strikes("arrives_late"):
            # Signed at the last moment that the client allows, accepted at the last that the exchange does.
            last_ms = order.not_after_ms + RECV_WINDOW_MS
            at = datetime.fromtimestamp(self.chance.uniform(self.now_ms, last_ms) / 1000, UTC)
            self.agenda.append(Later(at, lambda: self._arrives(order)))
            raise OutcomeUnknown("timed out")
        self._may_die()
        report = self._accept(order)
        self._may_die()
        if self._strikes("answer_lost"):
            raise OutcomeUnknown("timed out")
        return report

    def _accept(self, order: NewOrder) -> OrderReport:
        values = {
            "symbol": order.symbol,
            "side": order.side.value,
            "type": "LIMIT",
            "timeInForce": "GTC",
            "price": plain(order.price),
            "quantity": plain(order.quantity),
            "newClientOrderId": order.client_order_id,
            "newOrderRespType": "FULL",
        }
        return from_order_reply(self._answer(order_requests.place, values))

    def _arrives(self, order: NewOrder) -> None:
        # Nobody hears of a refusal: its sender has given up waiting.
        with suppress(Refused):
            self._accept(order)

    def order(self, symbol: str, client_order_id: str) -> OrderReport:
        self._question()
        values = {"symbol": symbol, "origClientOrderId": client_order_id}
        return from_order_reply(self._answer(order_requests.query, values))

    def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        values = {"symbol": symbol, "origClientOrderId": client_order_id}
        return from_order_reply(self._answer(order_requests.cancel, values))

    def open_orders(self) -> list[OrderReport]:
        self._question()
        return [from_order_reply(reply) for reply in self._answer(order_requests.open_orders, {})]

    def fills(self, symbol: str, exchange_order_id: int) -> tuple[Fill, ...]:
        self._question()
        values = {"symbol": symbol, "orderId": str(exchange_order_id)}
        return tuple(from_my_trade(row) for row in self._answer(account_requests.my_trades, values))

    def trades(self, symbol: str, from_id: int = 0) -> list[tuple[int, Fill]]:
        values = {"symbol": symbol, "fromId": str(from_id), "limit": "1000"}
        return [(row["orderId"], from_my_trade(row)) for row in self._answer(account_requests.my_trades, values)]

    def orders(self, symbol: str, from_id: int = 1) -> list[OrderReport]:
        values = {"symbol": symbol, "orderId": str(from_id), "limit": "1000"}
        return [from_order_reply(row) for row in self._answer(order_requests.all_orders, values)]

    def price(self, symbol: str) -> Decimal:
        return self.prices[symbol]

    def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        held = self.desk.exchange.engine.ledger.balances()
        return {asset: (balance.free, balance.locked) for asset, balance in held.items()}

    def listed(self, symbol: str) -> Listed:
        raise NotSent("not asked in here")

    def maker_fee(self, symbol: str) -> Decimal:
        return Decimal("0.001")

    def _answer(self, request: Callable[[Desk, Params, int], Any], values: dict[str, str]) -> Any:
        try:
            return request(self.desk, Params(values), self.now_ms)
        except EngineRefused as refused:
            text = str(refused.body()["msg"])
            raise (NotFound(text) if refused.code in _NO_SUCH_ORDER else Refused(text, refused.code)) from None

    def _question(self) -> None:
        self._may_die()
        if self._strikes("question_fails"):
            raise self.chance.choice([NotSent("no line"), OutcomeUnknown("timed out"), Throttled("wait", 1.0)])

    def _report(self, changes: Changes) -> None:
        """The user data stream: late, lost, twice, in any order."""
        for event in account_events(changes, self.now_ms):
            if event["e"] != "executionReport" or self._strikes("report_lost"):
                continue
            for _ in range(2 if self._strikes("report_twice") else 1):
                self._soon(lambda event=event: self._hear(event))  # type: ignore[misc]

    def _hear(self, event: dict[str, Any]) -> None:
        report = from_execution_report(event)
        try:
            self._alive(lambda: traders.hear(report, "report", self.at))
        except ExchangeError as error:
            trader_id = trader_of(report.client_order_id)
            assert trader_id is not None
            traders.note_failure(trader_id, error)

    # --- luck -------------------------------------------------------------------------------------
    def _soon(self, do: Callable[[], None]) -> None:
        self.agenda.append(Later(self.now + timedelta(seconds=self.chance.choice([0.0, 0.0, 0.5, 3.0])), do))

    def _deliver(self) -> None:
        while due := [later for later in self.agenda if later.at <= self.now]:
            next_one = self.chance.choice(due)
            self.agenda.remove(next_one)
            next_one.do()

    def _alive(self, do: Callable[[], object]) -> None:
        """Runs what a process does until its end, or until it is killed."""
        try:
            do()
        except DiedError:
            return

    def _may_die(self) -> None:
        if self._strikes("dies"):
            raise DiedError

    def _strikes(self, misfortune: str) -> bool:
        if self.chance.random() >= getattr(self.luck, misfortune):
            return False
        self.struck[misfortune] = self.struck.get(misfortune, 0) + 1
        return True

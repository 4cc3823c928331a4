"""Our client of the exchange, over the wire: what a real mock exchange answers, and every way an answer can fail."""

import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest
import redis

from hedgehog_project.ports import HOST, free_port
from hedgehog_project.venues.keys import hmac_key
from tests.support.exchanges.clients import forget_exchanges
from tests.support.exchanges.market import KEY, SECRET, MockExchange
from tests.support.exchanges.scripted_http import (
    Answer,
    ScriptedServer,
    answer,
    cut_off,
    hang_up,
    hang_up_at_once,
    reset,
    silent,
)
from trading.core.fees import Fees
from trading.core.orders import OrderReport, OrderStatus, OrderType, Side
from trading.exchange import binance
from trading.exchange.binance import BinanceExchange
from trading.exchange.errors import (
    ExchangeError,
    KeyRejected,
    NotFound,
    NotSent,
    OutcomeUnknown,
    Refused,
    Throttled,
    Why,
)
from trading.exchange.protocol import NewOrder


def new_order(client_order_id: str = "hh-1-b-1", **values: Any) -> NewOrder:
    order = NewOrder("ETHUSDT", Side.BUY, D("2990.00"), D("0.1000"), client_order_id, now_ms() + 2000)
    return replace(order, **values)


def now_ms() -> int:
    return round(time.time() * 1000)


@pytest.fixture(autouse=True)
def alone(redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of an address that another test had, and no question is waited for."""
    forget_exchanges()
    monkeypatch.setattr(binance, "PAUSES_S", (0.001, 0.001))


@pytest.fixture
def exchange(mock: MockExchange) -> BinanceExchange:
    return mock.client()


class TestAgainstTheMock:
    """Each method's answer, as the protocol promises it."""

    def test_market_order_takes_what_the_market_gives(self, exchange: BinanceExchange, mock: MockExchange) -> None:
        mock.trade("ETHUSDT", "3001.5")
        placed = exchange.place(new_order("hh-market", type=OrderType.MARKET))
        assert (placed.status, placed.executed, placed.price) == (OrderStatus.FILLED, D("0.1"), D("3001.5"))
        assert [fill.price for fill in placed.fills] == [D("3001.5")]
        assert exchange.open_orders() == []
        assert exchange.order("ETHUSDT", "hh-market").price == D("3001.5")

    def test_resting_order_is_reported_alike_by_every_question(self, exchange: BinanceExchange) -> None:
        placed = exchange.place(new_order("hh-rests"))
        assert (placed.status, placed.executed, placed.fills) == (OrderStatus.NEW, D(0), ())
        assert (placed.client_order_id, placed.price, placed.quantity) == ("hh-rests", D(2990), D("0.1"))
        for seen in (exchange.order("ETHUSDT", "hh-rests"), *exchange.open_orders()):
            assert replace(seen, at_ms=0) == replace(placed, at_ms=0)
        assert abs(placed.at_ms - now_ms()) < 5000
        assert placed.placed_ms == placed.at_ms
        assert exchange.balances()["USDT"] == (D(9701), D(299))

    def test_fills_carry_what_the_exchange_booked(self, exchange: BinanceExchange, mock: MockExchange) -> None:
        order = exchange.place(new_order("hh-fills"))
        mock.trade("ETHUSDT", "2989", "0.04")
        part = exchange.order("ETHUSDT", "hh-fills")
        assert (part.status, part.executed) == (OrderStatus.PARTIALLY_FILLED, D("0.04"))
        mock.trade("ETHUSDT", "2989")
        assert exchange.order("ETHUSDT", "hh-fills").status == OrderStatus.FILLED
        fills = exchange.fills("ETHUSDT", order.exchange_order_id)
        assert [(fill.price, fill.quantity, fill.quote) for fill in fills] == [
            (D(2990), D("0.04"), D("119.6")),
            (D(2990), D("0.06"), D("179.4")),
        ]
        assert [(fill.commission, fill.commission_asset, fill.is_maker) for fill in fills] == [
            (D("0.00004"), "ETH", True),
            (D("0.00006"), "ETH", True),
        ]
        assert [pair for pair in exchange.trades("ETHUSDT") if pair[0] == order.exchange_order_id] == [
            (order.exchange_order_id, fill) for fill in fills
        ]
        assert [fill for _, fill in exchange.trades("ETHUSDT", fills[-1].trade_id)] == [fills[-1]]
        assert exchange.trades("ETHUSDT", fills[-1].trade_id + 1) == []
        assert exchange.balances()["ETH"] == (D("0.0999"), D(0))
        assert exchange.open_orders() == []

    def test_order_that_crosses_the_market_answers_with_its_fills(self, exchange: BinanceExchange) -> None:
        report = exchange.place(new_order("hh-crosses", price=D(3001)))
        assert report.status == OrderStatus.FILLED
        assert sum(fill.quantity for fill in report.fills) == report.executed == D("0.1")
        known = exchange.fills("ETHUSDT", report.exchange_order_id)
        assert [replace(fill, at_ms=0) for fill in report.fills] == [replace(fill, at_ms=0) for fill in known]

    def test_cancelled_order_ends_and_gives_its_money_back(self, exchange: BinanceExchange) -> None:
        exchange.place(new_order("hh-cancel"))
        report = exchange.cancel("ETHUSDT", "hh-cancel")
        assert (report.status, report.client_order_id) == (OrderStatus.CANCELED, "hh-cancel")
        assert report.placed_ms == 0
        assert exchange.order("ETHUSDT", "hh-cancel").status == OrderStatus.CANCELED
        assert exchange.balances()["USDT"] == (D(10000), D(0))
        with pytest.raises(NotFound):
            exchange.cancel("ETHUSDT", "hh-cancel")

    def test_history_longer_than_a_page_is_read_to_its_end(
        self, exchange: BinanceExchange, mock: MockExchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(binance, "PAGE", 2)
        order = exchange.place(new_order("hh-pages"))
        for _ in range(5):
            mock.trade("ETHUSDT", "2989", "0.02")
        ids = [fill.trade_id for order_id, fill in exchange.trades("ETHUSDT") if order_id == order.exchange_order_id]
        assert len(ids) == 5
        assert ids == sorted(set(ids))

    def test_orders_are_listed_oldest_first_over_several_pages(
        self, exchange: BinanceExchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(binance, "PAGE", 2)
        names = [f"hh-list-{number}" for number in range(5)]
        placed = [exchange.place(new_order(name, quantity=D("0.01"))) for name in names]
        exchange.cancel("ETHUSDT", names[0])
        listed = [report for report in exchange.orders("ETHUSDT") if report.client_order_id in names]
        assert [report.client_order_id for report in listed] == names
        assert [report.status for report in listed] == [OrderStatus.CANCELED, *[OrderStatus.NEW] * 4]
        assert [report.placed_ms for report in listed] == [report.placed_ms for report in placed]

    def test_last_price_is_that_of_the_last_trade(self, exchange: BinanceExchange, mock: MockExchange) -> None:
        mock.trade("ETHUSDT", "2991.5")
        assert exchange.price("ETHUSDT") == D("2991.5")
        with pytest.raises(Refused):
            exchange.price("NOPEUSDT")
        # One that is not listed any more, or never traded, fails the answer for no other.
        assert exchange.prices({"ETHUSDT", "NOPEUSDT", "XRPUSDT"}) == {"ETHUSDT": D("2991.5")}

    def test_listing_has_the_filters_and_the_fee(self, exchange: BinanceExchange) -> None:
        listed = exchange.listed("ETHUSDT")
        assert (listed.status, listed.base_asset, listed.quote_asset) == ("TRADING", "ETH", "USDT")
        assert (listed.tick_size, listed.step_size, listed.min_notional) == (D("0.01"), D("0.0001"), D(5))
        assert {each["filterType"] for each in listed.filters} >= {"PRICE_FILTER", "LOT_SIZE", "NOTIONAL"}
        assert exchange.fees("ETHUSDT") == Fees.flat(D("0.001"))

    @pytest.mark.parametrize(
        ("order", "code", "words"),
        [
            pytest.param(new_order(price=D("2990.001")), -1013, "PRICE_FILTER", id="tick"),
            pytest.param(new_order(quantity=D("0.10001")), -1013, "LOT_SIZE", id="step"),
            pytest.param(new_order(quantity=D("0.001")), -1013, "NOTIONAL", id="notional"),
            pytest.param(new_order(quantity=D(10)), -2010, "insufficient balance", id="balance"),
            pytest.param(new_order(side=Side.SELL), -2010, "insufficient balance", id="nothing to sell"),
            pytest.param(new_order(symbol="NOPEUSDT"), -1121, "Invalid symbol", id="symbol"),
        ],
    )
    def test_refusal_says_why_and_nothing_rests(
        self, exchange: BinanceExchange, order: NewOrder, code: int, words: str
    ) -> None:
        with pytest.raises(Refused, match=words) as refused:
            exchange.place(replace(order, not_after_ms=now_ms() + 2000))
        assert refused.value.code == code
        assert not isinstance(refused.value, KeyRejected)
        assert exchange.open_orders() == []

    def test_symbol_that_is_not_listed_is_refused(self, exchange: BinanceExchange) -> None:
        with pytest.raises(Refused) as refused:
            exchange.listed("NOPEUSDT")
        assert refused.value.code == -1121

    @pytest.mark.parametrize(("key", "secret", "code"), [("another-key", SECRET, -2015), (KEY, "another", -1022)])
    def test_wrong_key_or_secret_is_told_apart_from_other_refusals(
        self, mock: MockExchange, key: str, secret: str, code: int
    ) -> None:
        with pytest.raises(KeyRejected) as refused:
            BinanceExchange(mock.url, hmac_key(key, secret)).place(new_order())
        assert refused.value.code == code

    def test_order_that_the_exchange_never_got_is_not_found(self, exchange: BinanceExchange) -> None:
        with pytest.raises(NotFound):
            exchange.order("ETHUSDT", "hh-never")

    def test_open_order_is_not_placed_twice_under_one_id(self, exchange: BinanceExchange) -> None:
        exchange.place(new_order("hh-twice"))
        # An earlier sending may have been accepted: that is to be asked about, not refused.
        with pytest.raises(OutcomeUnknown, match="Duplicate order"):
            exchange.place(new_order("hh-twice"))
        assert len(exchange.open_orders()) == 1

    @pytest.mark.parametrize("off_by_ms", [-60_000, 60_000], ids=["slow", "fast"])
    def test_clock_that_is_off_is_set_by_the_exchanges_once(self, exchange: BinanceExchange, off_by_ms: int) -> None:
        exchange._clock.offset_ms = off_by_ms
        with pytest.raises(NotFound):
            exchange.order("ETHUSDT", "hh-never")
        assert abs(exchange._clock.offset_ms) < 500

    @pytest.mark.parametrize("off_by_ms", [-60_000, 60_000], ids=["slow", "fast"])
    def test_order_with_a_refused_timestamp_is_never_sent_again(
        self, exchange: BinanceExchange, off_by_ms: int
    ) -> None:
        """It was decided on a while ago: whoever sends it again would do so long after its deadline."""
        exchange._clock.offset_ms = off_by_ms
        with pytest.raises(NotSent, match="clock"):
            exchange.place(new_order("hh-clock"))
        assert exchange.open_orders() == []
        # The next one, decided on anew, goes by the exchange's clock.
        assert exchange.place(new_order("hh-next")).status == OrderStatus.NEW
        exchange._clock.offset_ms = off_by_ms
        with pytest.raises(NotSent, match="clock"):
            exchange.replace(new_order("hh-other"), "hh-next")
        assert [order.client_order_id for order in exchange.open_orders()] == ["hh-next"]

    def test_clock_that_is_set_back_makes_no_order_younger(
        self, exchange: BinanceExchange, mock: MockExchange
    ) -> None:
        before = mock.state()["counters"]
        with pytest.raises(NotSent, match="delayed too long"):
            exchange.place(replace(new_order("hh-old"), not_after=time.monotonic() - 0.01))
        assert mock.state()["counters"] == before

    def test_one_request_cancels_an_order_and_places_another(self, exchange: BinanceExchange) -> None:
        exchange.place(new_order("hh-first"))
        done = exchange.replace(new_order("hh-second"), "hh-first")
        assert done.cancelled is not None and done.placed is not None
        assert (done.cancelled.client_order_id, done.cancelled.status) == ("hh-first", OrderStatus.CANCELED)
        assert (done.placed.client_order_id, done.placed.status) == ("hh-second", OrderStatus.NEW)

    def test_nothing_is_placed_in_the_stead_of_an_order_that_does_not_rest_whole(
        self, exchange: BinanceExchange
    ) -> None:
        done = exchange.replace(new_order("hh-second"), "hh-first")
        assert (done.cancelled, done.placed) == (None, None)
        assert isinstance(done.problem, NotFound)
        assert exchange.open_orders() == []

    def test_order_that_was_cancelled_for_one_that_is_refused_is_told(self, exchange: BinanceExchange) -> None:
        exchange.place(new_order("hh-first"))
        done = exchange.replace(replace(new_order("hh-second"), quantity=D(50)), "hh-first")
        assert done.cancelled is not None and done.placed is None
        assert isinstance(done.problem, Refused)
        assert done.problem.why == Why.BALANCE

    def test_late_order_is_neither_signed_nor_sent(self, exchange: BinanceExchange, mock: MockExchange) -> None:
        before = mock.state()["counters"]
        with pytest.raises(NotSent, match="delayed too long"):
            exchange.place(new_order("hh-late", not_after_ms=now_ms() - 50))
        assert mock.state()["counters"] == before
        # The bound belongs to that order alone.
        assert exchange.place(new_order("hh-next")).status == OrderStatus.NEW


ORDER_TEXT = '{"symbol":"ETHUSDT","clientOrderId":"hh-1-b-1","orderId":7,"status":"NEW"'


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binance, "CONNECT_TIMEOUT_S", 0.3)
    monkeypatch.setattr(binance, "READ_TIMEOUT_S", 0.3)


def place_at(url: str) -> OrderReport:
    return BinanceExchange(url, hmac_key(KEY, SECRET)).place(new_order())


def fault(code: int) -> dict[str, Any]:
    return {"code": code, "msg": "as scripted"}


HTML = "<html><body>Bad Gateway</body></html>"
CLOCK = answer(200, {"serverTime": 1_800_000_000_000})

FAILURES = [
    # The way there and back
    pytest.param([hang_up_at_once], OutcomeUnknown, id="reset before the request was read"),
    pytest.param([reset], OutcomeUnknown, id="reset after the request was read"),
    pytest.param([hang_up], OutcomeUnknown, id="closed without an answer"),
    pytest.param([silent(1)], OutcomeUnknown, id="no answer in time"),
    pytest.param([cut_off(200, ORDER_TEXT)], OutcomeUnknown, id="cut off"),
    # The server is in trouble
    pytest.param([answer(500, text=HTML)], OutcomeUnknown, id="500 HTML"),
    pytest.param([answer(502, text=HTML)], OutcomeUnknown, id="502 HTML"),
    pytest.param([answer(503, fault(-1008))], OutcomeUnknown, id="503 -1008"),
    pytest.param([answer(500, fault(-1000))], OutcomeUnknown, id="500 -1000"),
    pytest.param([answer(400, fault(-1006))], OutcomeUnknown, id="-1006"),
    pytest.param([answer(408, fault(-1007))], OutcomeUnknown, id="-1007"),
    pytest.param([answer(404, text=HTML)], OutcomeUnknown, id="404 of something in between"),
    pytest.param([answer(500, body=[])], OutcomeUnknown, id="500 with JSON that is no object"),
    pytest.param([answer(500, text="null")], OutcomeUnknown, id="500 null"),
    pytest.param([answer(400, {"code": "no number", "msg": 1})], OutcomeUnknown, id="code that is no number"),
    # It answers, but not as its documents say
    pytest.param([answer(200, text="OK")], OutcomeUnknown, id="200 no JSON"),
    pytest.param([answer(200, text="")], OutcomeUnknown, id="200 empty"),
    pytest.param([answer(200, body=[])], OutcomeUnknown, id="200 list"),
    pytest.param([answer(200, body="placed")], OutcomeUnknown, id="200 string"),
    pytest.param([answer(200, text=ORDER_TEXT + "}")], OutcomeUnknown, id="200 fields missing"),
    pytest.param([answer(200, {**fault(0), "status": "WHATEVER"})], OutcomeUnknown, id="200 another thing"),
    # It wants us to wait
    pytest.param([answer(429, fault(-1003), Retry_After=7)], Throttled, id="429"),
    pytest.param([answer(418, fault(-1003), Retry_After=300)], Throttled, id="418"),
    pytest.param([answer(429, text=HTML)], Throttled, id="429 HTML"),
    pytest.param([answer(400, fault(-1003))], Throttled, id="-1003"),
    pytest.param([answer(400, fault(-1015))], Throttled, id="-1015"),
    pytest.param([answer(403, text=HTML)], Throttled, id="403 of the firewall"),
    # It says no
    pytest.param([answer(400, fault(-1013))], Refused, id="-1013"),
    pytest.param([answer(400, fault(-2010))], Refused, id="-2010"),
    pytest.param([answer(400, fault(-9999))], Refused, id="a code that nobody knows yet"),
    pytest.param([answer(400, fault(-1022))], KeyRejected, id="-1022"),
    pytest.param([answer(401, fault(-2014))], KeyRejected, id="-2014"),
    pytest.param([answer(401, fault(-2015))], KeyRejected, id="-2015"),
    pytest.param([answer(400, fault(-1021)), CLOCK, answer(200, {})], NotSent, id="-1021"),
    pytest.param([answer(400, fault(-1021)), answer(200, text="")], Refused, id="-1021, then no time"),
    pytest.param([answer(400, fault(-1021)), answer(200, body=[])], Refused, id="-1021, then a wrong time"),
]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("answers", "expected"), FAILURES)
def test_failed_placing_says_what_to_do_and_sends_the_order_once(
    answers: list[Answer], expected: type[ExchangeError]
) -> None:
    with ScriptedServer(*answers) as server:
        with pytest.raises(ExchangeError) as raised:
            place_at(server.url)
        placings = [request for request in server.requests if request.method == "POST"]
    assert type(raised.value) is expected
    assert len(placings) <= 1
    assert str(raised.value).strip()
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("reply", "wait_s"),
    [
        pytest.param(answer(429, fault(-1003), Retry_After=7), 7, id="as asked"),
        pytest.param(answer(418, fault(-1003), Retry_After=300), 300, id="a ban"),
        pytest.param(answer(418, fault(-1003)), 120, id="a ban of unknown length"),
        pytest.param(answer(429, fault(-1003), Retry_After="soon"), 20, id="a time that is none"),
        pytest.param(answer(429, fault(-1003), Retry_After=0), 1, id="not at all is a second at least"),
    ],
)
def test_throttled_waits_as_long_as_the_exchange_asks(reply: Answer, wait_s: float) -> None:
    with ScriptedServer(reply) as server, pytest.raises(Throttled) as throttled:
        place_at(server.url)
    assert throttled.value.wait_s == wait_s


def test_refused_connection_proves_that_nothing_was_sent() -> None:
    with pytest.raises(NotSent):
        place_at(f"http://{HOST}:{free_port()}")


def test_name_that_does_not_resolve_proves_that_nothing_was_sent() -> None:
    with pytest.raises(NotSent):
        place_at("http://nowhere.invalid")


def test_late_order_does_not_reach_the_wire() -> None:
    with ScriptedServer(answer(200, {})) as server:
        with pytest.raises(NotSent):
            BinanceExchange(server.url, hmac_key(KEY, SECRET)).place(new_order(not_after_ms=now_ms() - 50))
        assert server.requests == []


def test_order_that_became_late_while_the_clock_was_set_is_not_sent_again() -> None:
    def slowly(connection: Any) -> bool:
        time.sleep(0.3)
        return answer(200, {"serverTime": now_ms()})(connection)

    with ScriptedServer(answer(400, fault(-1021)), slowly, answer(200, {})) as server:
        with pytest.raises(NotSent):
            BinanceExchange(server.url, hmac_key(KEY, SECRET)).place(new_order(not_after_ms=now_ms() + 150))
        assert [request.method for request in server.requests] == ["POST", "GET"]


def test_numbers_go_out_as_plain_decimals() -> None:
    with ScriptedServer(answer(400, fault(-1013))) as server:
        with pytest.raises(Refused):
            BinanceExchange(server.url, hmac_key(KEY, SECRET)).place(
                new_order(price=D("0.00001000"), quantity=D("1E+3"), client_order_id="hh-1-b-2")
            )
        sent = server.requests[0].params
    assert (sent["price"], sent["quantity"]) == ("0.00001", "1000")
    assert (sent["newClientOrderId"], sent["type"], sent["timeInForce"]) == ("hh-1-b-2", "LIMIT", "GTC")
    assert sent["recvWindow"] == "3000"


QUESTIONS: dict[str, Callable[[BinanceExchange], object]] = {
    "order": lambda exchange: exchange.order("ETHUSDT", "hh-1"),
    "cancel": lambda exchange: exchange.cancel("ETHUSDT", "hh-1"),
    "open_orders": lambda exchange: exchange.open_orders(),
    "fills": lambda exchange: exchange.fills("ETHUSDT", 1),
    "trades": lambda exchange: exchange.trades("ETHUSDT"),
    "orders": lambda exchange: exchange.orders("ETHUSDT"),
    "price": lambda exchange: exchange.price("ETHUSDT"),
    "prices": lambda exchange: exchange.prices({"ETHUSDT"}),
    "balances": lambda exchange: exchange.balances(),
    "listed": lambda exchange: exchange.listed("ETHUSDT"),
    "fees": lambda exchange: exchange.fees("ETHUSDT"),
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("body", ["[1]", "null", '"words"', "7", '{"balances": 3, "symbols": []}', '[{"id": "x"}]'])
def test_question_with_an_ill_fitting_answer_raises_one_of_our_errors(question: str, body: str) -> None:
    with ScriptedServer(answer(200, text=body)) as server, pytest.raises(OutcomeUnknown):
        QUESTIONS[question](BinanceExchange(server.url, hmac_key(KEY, SECRET)))


@pytest.mark.parametrize("code", [-2011, -2013])
def test_order_that_nobody_knows_is_not_found(code: int) -> None:
    with ScriptedServer(answer(400, fault(code))) as server, pytest.raises(NotFound):
        BinanceExchange(server.url, hmac_key(KEY, SECRET)).order("ETHUSDT", "hh-1")

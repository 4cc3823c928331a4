"""Answers of every status, body and header: each question and each placing ends in a value or in an error of ours."""

import logging
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from requests.adapters import BaseAdapter

from hedgehog_project.outside import Unreadable, read_json
from hedgehog_project.venues.keys import hmac_key
from tests.fuzz.conftest import BOUNDED
from tests.fuzz.hostile import can_be_kept, hostile
from tests.fuzz.test_frames import JSON, bent, encoded
from trading.core.orders import Side
from trading.exchange.binance import BinanceExchange
from trading.exchange.errors import ExchangeError, NotFound, NotSent, OutcomeUnknown, Refused, Throttled
from trading.exchange.protocol import NewOrder

ORDER: dict[str, Any] = {
    "symbol": "ETHUSDT", "orderId": 28, "clientOrderId": "hh-1-b-1", "transactTime": 1507725176595,
    "price": "3000.0", "origQty": "1.0", "executedQty": "1.0", "status": "FILLED", "timeInForce": "GTC",
    "type": "LIMIT", "side": "BUY", "time": 1499827319559, "updateTime": 1499827319559,
    "fills": [{"price": "3000.0", "qty": "1.0", "commission": "0.001", "commissionAsset": "ETH", "tradeId": 56}],
}  # fmt: skip
TRADE: dict[str, Any] = {
    "symbol": "ETHUSDT", "id": 28457, "orderId": 100234, "price": "4.0", "qty": "12.0", "quoteQty": "48.0",
    "commission": "10.1", "commissionAsset": "BNB", "time": 1499865549590, "isBuyer": True, "isMaker": False,
}  # fmt: skip
RATES = {"maker": "0.001", "taker": "0.001", "buyer": "0", "seller": "0"}
COMMISSION: dict[str, Any] = {"standardCommission": RATES, "specialCommission": RATES, "taxCommission": RATES}
ERRORS = st.fixed_dictionaries(
    {
        "code": st.sampled_from([-1000, -1003, -1006, -1007, -1008, -1013, -1015, -1022, -2010, -2011, -2013, -2015])
        | JSON,
        "msg": st.sampled_from(["Duplicate order sent.", "Market is closed.", "banned until 1659146400000."]) | JSON,
    }
)
BODIES = st.one_of(
    st.binary(max_size=100),
    st.just(b"<html><body>502 Bad Gateway</body></html>"),
    encoded(JSON),
    encoded(ERRORS),
    encoded(bent(ORDER)),
    encoded(st.lists(bent(ORDER) | bent(TRADE), max_size=2)),
    encoded(bent({"balances": [{"asset": "ETH", "free": "1", "locked": "0"}]})),
    encoded(bent({"symbols": [{"symbol": "ETHUSDT"}], "price": "3000", **COMMISSION})),
    hostile(ORDER),
    hostile(TRADE).map(lambda row: b"[" + row + b"]"),
    hostile({"code": -2010, "msg": "Account has insufficient balance for requested action."}),
    hostile({"code": -1003, "msg": "banned until 1659146400000."}),
    hostile({"symbols": [], "balances": [], "price": "3000", "rateLimits": []}),
)
STATUSES = st.sampled_from([200, 200, 200, 201, 204, 302, 400, 401, 403, 404, 409, 418, 429, 500, 502, 503, 504])
HEADERS = st.dictionaries(
    st.sampled_from(["Retry-After", "X-MBX-USED-WEIGHT-1M", "X-MBX-ORDER-COUNT-10S", "Date", "Content-Type"]),
    st.sampled_from(["0", "1", "-1", "1e9", "nan", "", "later", "5900", "9" * 5_000, "inf", "\u0663", "a\xff\0"]),
    max_size=2,
)
QUESTIONS: list[Callable[[BinanceExchange], object]] = [
    lambda exchange: exchange.order("ETHUSDT", "hh-1-b-1"),
    lambda exchange: exchange.open_orders(),
    lambda exchange: exchange.fills("ETHUSDT", 7),
    lambda exchange: exchange.trades("ETHUSDT"),
    lambda exchange: exchange.orders("ETHUSDT"),
    lambda exchange: exchange.balances(),
    lambda exchange: exchange.listed("ETHUSDT"),
    lambda exchange: exchange.price("ETHUSDT"),
    lambda exchange: exchange.fees("ETHUSDT"),
    lambda exchange: exchange.cancel("ETHUSDT", "hh-1-b-1"),
]
_numbers = count()


class Answers(BaseAdapter):
    """Takes the place of the network."""

    def __init__(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        super().__init__()
        self.status, self.body, self.headers = status, body, headers

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        response = requests.Response()
        response.status_code, response._content, response.request = self.status, self.body, request
        response.headers.update(self.headers)
        response.url = request.url or ""
        return response

    def close(self) -> None:
        pass


def exchange_that_answers(status: int, body: bytes, headers: dict[str, str]) -> BinanceExchange:
    # An address of its own for its budget: another one's ban is not its.
    address = f"http://fuzz-{next(_numbers)}"
    exchange = BinanceExchange(address, hmac_key("key", "secret"))
    exchange._rest.session.mount(address, Answers(status, body, headers))
    return exchange


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch, redis_client: object) -> Iterator[None]:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@BOUNDED
@given(status=STATUSES, body=BODIES, headers=HEADERS, question=st.sampled_from(QUESTIONS))
def test_a_question_has_an_answer_or_an_error_of_ours(
    status: int, body: bytes, headers: dict[str, str], question: Callable[[BinanceExchange], object]
) -> None:
    try:
        question(exchange_that_answers(status, body, headers))
    except ExchangeError as error:
        assert str(error)
        assert can_be_kept(str(error)), "it is written on the trader, into Redis, into logs"


@BOUNDED
@given(status=STATUSES, body=BODIES, headers=HEADERS)
def test_a_placing_that_may_have_been_accepted_is_never_called_failed(
    status: int, body: bytes, headers: dict[str, str]
) -> None:
    order = NewOrder("ETHUSDT", Side.BUY, Decimal(3000), Decimal(1), "hh-1-b-1", 2**62)
    try:
        exchange_that_answers(status, body, headers).place(order)
    except OutcomeUnknown:
        return
    except ExchangeError as error:
        assert not isinstance(error, NotSent), "it was sent"
        assert not 200 <= status < 300, "what was answered with success may have been accepted"
        if not _is_binances(body):
            assert not isinstance(error, Refused | NotFound), "a body that is not Binance's proves nothing"


def test_half_a_character_in_an_error_is_told_and_not_stumbled_over() -> None:
    body = b'{"code":-2010,"msg":"Account has insufficient balance \\ud800 for \\u0000 this."}'
    with pytest.raises(Refused, match="insufficient balance") as refused:
        exchange_that_answers(400, body, {}).order("ETHUSDT", "hh-1-b-1")
    assert can_be_kept(str(refused.value))
    assert refused.value.code == -2010


def test_too_many_requests_are_heard_whatever_the_body_is() -> None:
    for body in (b"[" * 100_000, b"[1]", b'"\xff"', b""):
        with pytest.raises(Throttled):
            exchange_that_answers(429, body, {}).cancel("ETHUSDT", "hh-1-b-1")


def _is_binances(body: bytes) -> bool:
    try:
        answer = read_json(body)
    except Unreadable:
        return False
    code = answer.get("code") if isinstance(answer, dict) else None
    return isinstance(code, int) and code < 0

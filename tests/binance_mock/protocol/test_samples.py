"""Answers and events have the fields of Binance's own documents: none is missing."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.binance_mock.running import Mock, call, events, signed_params

# Fields that the documents show for order types and account kinds that this exchange does not have.
ELSEWHERE = {"sors", "v", "preventedMatchId"}


def samples(folder: Path, name: str) -> dict[str, list[Any]]:
    """The JSON examples of one document by section; examples that are no JSON are left out."""
    found: dict[str, list[Any]] = {}
    for each in json.loads((folder / "samples" / f"binance-spot-api-docs_{name}.json").read_text()):
        text = re.sub(r"(?<!:)//.*", "", each["text"])
        try:
            found.setdefault(each["section"], []).append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return found


def missing(sample: Any, answer: Any, path: str = "") -> list[str]:
    """The fields that the sample has and the answer lacks, or has with another kind of value."""
    if isinstance(sample, dict):
        if not isinstance(answer, dict):
            return [path]
        return [
            problem
            for name, value in sample.items()
            if name not in ELSEWHERE
            for problem in (missing(value, answer[name], f"{path}.{name}") if name in answer else [f"{path}.{name}"])
        ]
    if isinstance(sample, list):
        if not isinstance(answer, list) or (sample and not answer):
            return [path]
        if sample and not isinstance(sample[0], dict | list):
            wanted, found = [type(value) for value in sample], [type(value) for value in answer]
            # A row has its columns; a list of names may have other names.
            is_row = len(set(wanted)) > 1
            return [] if (found == wanted if is_row else set(found) == set(wanted)) else [path]
        return missing(sample[0], answer[0], f"{path}[0]") if sample else []
    same = type(sample) is type(answer) or sample is None or answer is None
    return [] if same else [f"{path}: {answer!r} is not like {sample!r}"]


@pytest.fixture
def traded(mock: Mock) -> dict[str, Any]:
    """An exchange where one order rests, one is partly filled as maker, and one filled as taker."""
    order = {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1"}
    mock.signed("POST", "order", **order, price="2990")
    mock.trade("2980", "0.4")
    mock.trade("2995")
    mock.signed("POST", "order", **order, price="2900")
    sold = mock.signed("POST", "order", symbol="ETHUSDT", side="SELL", type="MARKET", quantity="1")
    return dict(sold.json())


@pytest.mark.parametrize(
    ("section", "path", "params"),
    [
        ("Test connectivity", "ping", {}),
        ("Check server time", "time", {}),
        ("Exchange information", "exchangeInfo", {"symbol": "ETHUSDT"}),
        ("Order book", "depth", {"symbol": "ETHUSDT"}),
        ("Recent trades list", "trades", {"symbol": "ETHUSDT"}),
        ("Old trade lookup", "historicalTrades", {"symbol": "ETHUSDT"}),
        ("Compressed/Aggregate trades list", "aggTrades", {"symbol": "ETHUSDT"}),
        ("Kline/Candlestick data", "klines", {"symbol": "ETHUSDT", "interval": "1m"}),
        ("UIKlines", "uiKlines", {"symbol": "ETHUSDT", "interval": "1s"}),
        ("Current average price", "avgPrice", {"symbol": "ETHUSDT"}),
        ("24hr ticker price change statistics", "ticker/24hr", {"symbol": "ETHUSDT"}),
        ("Trading Day Ticker", "ticker/tradingDay", {"symbol": "ETHUSDT", "timeZone": "-3:30"}),
        ("Rolling window price change statistics", "ticker", {"symbol": "ETHUSDT", "windowSize": "4h"}),
        ("Symbol price ticker", "ticker/price", {"symbol": "ETHUSDT"}),
        ("Symbol order book ticker", "ticker/bookTicker", {"symbol": "ETHUSDT"}),
        ("Account information (USER_DATA)", "account", None),
        ("Query order (USER_DATA)", "order", None),
        ("Current open orders (USER_DATA)", "openOrders", None),
        ("All orders (USER_DATA)", "allOrders", None),
        ("Account trade list (USER_DATA)", "myTrades", None),
        ("Query Unfilled Order Count (USER_DATA)", "rateLimit/order", None),
        ("Query Commission Rates (USER_DATA)", "account/commission", None),
    ],
)
def test_every_documented_field_of_a_get_is_there(
    mock: Mock, traded: dict[str, Any], recorded: Path, section: str, path: str, params: dict[str, Any] | None
) -> None:
    documented = samples(recorded, "rest-api")[section][0]
    if params is None:
        asked: dict[str, Any] = {} if path in ("account", "rateLimit/order") else {"symbol": "ETHUSDT"}
        asked |= {"orderId": traded["orderId"]} if path == "order" else {}
        answer = mock.signed("GET", path, **asked).json()
    else:
        answer = mock.get(path, **params)
    if path == "exchangeInfo":
        _check_symbol_fields(documented, answer, recorded)
        return
    assert missing(documented, answer) == []


def _check_symbol_fields(documented: Any, answer: Any, recorded: Path) -> None:
    live = json.loads((recorded / "exchangeinfo/exchangeInfo_binance.com_TSLABUSDT_2026-09.json").read_text())
    for example in (documented["symbols"][0], live["symbols"][0]):
        symbol = {name: value for name, value in example.items() if name not in ("permissions", "filters")}
        assert missing(symbol, answer["symbols"][0]) == []
    ours = {each["filterType"]: each for each in answer["symbols"][0]["filters"]}
    assert missing({each["filterType"]: each for each in live["symbols"][0]["filters"]}, ours) == []


@pytest.mark.parametrize(
    ("section", "path", "numbers"),
    [
        ("24hr ticker price change statistics", "ticker/24hr", (0, 1, 2, 3)),
        ("Trading Day Ticker", "ticker/tradingDay", (0, 1, 2, 3)),
        ("Rolling window price change statistics", "ticker", (0, 1, 2, 3)),
        ("Symbol price ticker", "ticker/price", (0, 1)),
        ("Symbol order book ticker", "ticker/bookTicker", (0, 1)),
    ],
)
def test_each_form_of_a_ticker_has_the_documented_fields_and_no_others(
    mock: Mock, traded: dict[str, Any], recorded: Path, section: str, path: str, numbers: tuple[int, ...]
) -> None:
    mock.trade("60000", symbol="BTCUSDT")
    one, several = {"symbol": "ETHUSDT"}, {"symbols": '["ETHUSDT","BTCUSDT"]'}
    forms = [one, several, {**one, "type": "MINI"}, {**several, "type": "MINI"}]
    for number in numbers:
        documented, answer = samples(recorded, "rest-api")[section][number], mock.get(path, **forms[number])
        assert missing(documented, answer) == []
        if isinstance(documented, list):
            assert len(answer) == 2
            documented, answer = documented[0], answer[0]
        assert answer.keys() == documented.keys()


def test_a_prevented_match_has_the_documented_fields(mock: Mock, recorded: Path) -> None:
    order = {"symbol": "ETHUSDT", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "2990"}
    maker = mock.signed("POST", "order", **order, side="BUY").json()["orderId"]
    mock.trade("2990")
    mock.signed("POST", "order", **order, side="SELL")
    answer = mock.signed("GET", "myPreventedMatches", symbol="ETHUSDT", orderId=maker).json()
    documented = samples(recorded, "rest-api")["Query Prevented Matches (USER_DATA)"][0]
    assert missing(documented, answer) == []
    assert answer[0].keys() == documented[0].keys()


def test_a_test_order_tells_its_commissions_as_documented(mock: Mock, recorded: Path) -> None:
    order = {"symbol": "ETHUSDT", "side": "SELL", "type": "MARKET", "quantity": "1"}
    assert mock.signed("POST", "order/test", **order).json() == {}
    answer = mock.signed("POST", "order/test", **order, computeCommissionRates="true").json()
    assert missing(samples(recorded, "rest-api")["Test new order (TRADE)"][1], answer) == []


@pytest.mark.parametrize("number", range(5))
def test_a_cancel_replace_answers_as_documented(mock: Mock, recorded: Path, number: int) -> None:
    """Both done; nothing tried; cancelled only; placed only; both failed."""
    order = {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT_MAKER", "quantity": "1"}
    resting = mock.signed("POST", "order", **order, price="2900").json()["orderId"]
    gone, crosses = 10**12, "3100"
    mode = {"cancelReplaceMode": "STOP_ON_FAILURE" if number == 1 else "ALLOW_FAILURE"}
    asked = {**order, "cancelOrderId": resting if number in (0, 2) else gone, **mode}
    asked["price"] = crosses if number in (2, 4) else "2901"
    answer = mock.signed("POST", "order/cancelReplace", **asked, newOrderRespType="ACK" if number == 3 else "FULL")
    documented = samples(recorded, "rest-api")["Cancel an Existing Order and Send a New Order (TRADE)"][number]
    assert missing(documented, answer.json()) == []
    assert answer.status_code == (200, 400, 409, 409, 400)[number]
    assert answer.json().get("code") == documented.get("code")


@pytest.mark.parametrize(
    ("path", "params", "answer"),
    [
        ("myAllocations", {"symbol": "ETHUSDT"}, []),
        ("allOrderList", {}, []),
        ("openOrderList", {}, []),
        ("historicalBlockTrades", {"symbol": "ETHUSDT", "fromId": "1"}, []),
        ("executionRules", {"symbol": "ETHUSDT"}, {"symbolRules": []}),
        (
            "referencePrice",
            {"symbol": "ETHUSDT"},
            {"code": -2043, "msg": "This symbol doesn't have a reference price."},
        ),
    ],
)
def test_what_there_is_none_of_is_answered_as_empty(
    mock: Mock, path: str, params: dict[str, str], answer: Any
) -> None:
    is_signed = path in ("myAllocations", "allOrderList", "openOrderList")
    assert (mock.signed("GET", path, **params).json() if is_signed else mock.get(path, **params)) == answer


def test_no_symbol_has_a_reference_price(mock: Mock, recorded: Path) -> None:
    documented = samples(recorded, "rest-api")["Query Reference Price"][-1]
    assert mock.get("referencePrice", symbol="ETHUSDT") == documented


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("PUT", "order/amend/keepPriority", "Order amend is not supported for this symbol."),
        ("POST", "orderList/oco", "OCO orders are not supported for this symbol"),
    ],
)
def test_what_is_not_offered_is_refused_as_by_a_symbol_that_does_not_allow_it(
    mock: Mock, method: str, path: str, message: str
) -> None:
    refused = mock.signed(method, path, symbol="ETHUSDT", orderId=1)
    assert (refused.status_code, refused.json()) == (400, {"code": -2010, "msg": message})


def test_relevant_filters_are_those_of_the_symbol(mock: Mock, recorded: Path) -> None:
    answer = mock.signed("GET", "myFilters", symbol="ETHUSDT").json()
    assert answer.keys() == samples(recorded, "rest-api")["Query relevant filters (USER_DATA)"][0].keys()
    assert answer["symbolFilters"] == mock.get("exchangeInfo", symbol="ETHUSDT")["symbols"][0]["filters"]


@pytest.mark.parametrize(("kind", "number"), [("ACK", 0), ("RESULT", 1), ("FULL", 2)])
def test_every_documented_field_of_a_new_order_is_there(
    mock: Mock, traded: dict[str, Any], recorded: Path, kind: str, number: int
) -> None:
    answer = mock.signed(
        "POST", "order", symbol="ETHUSDT", side="BUY", type="MARKET", quantity="0.1", newOrderRespType=kind
    ).json()
    documented = samples(recorded, "rest-api")["New order (TRADE)"][number]
    assert missing(documented, answer) == []
    assert answer.keys() == documented.keys()


def test_every_documented_field_of_a_cancel_is_there(mock: Mock, traded: dict[str, Any], recorded: Path) -> None:
    documented = samples(recorded, "rest-api")
    order = mock.state()["openOrders"][0]["orderId"]
    answer = mock.signed("DELETE", "order", symbol="ETHUSDT", orderId=order).json()
    assert missing(documented["Cancel order (TRADE)"][0], answer) == []
    answers = mock.signed("DELETE", "openOrders", symbol="ETHUSDT").json()
    assert missing(documented["Cancel All Open Orders on a Symbol (TRADE)"][0][:1], answers) == []


def test_every_documented_field_of_an_account_event_is_there(mock: Mock, recorded: Path) -> None:
    documented = samples(recorded, "user-data-stream")
    socket = mock.user_events()
    mock.signed("POST", "order", symbol="ETHUSDT", side="SELL", type="MARKET", quantity="1")
    mock.control("reset")
    new, trade, position, deposit = events(socket, 4)
    for report in (new, trade):
        assert missing(documented["Order Update"][0]["event"], report) == []
    assert missing(documented["Account Update"][0]["event"], position) == []
    assert missing(documented["Balance Update"][0]["event"], deposit) == []
    socket.close()


@pytest.mark.parametrize(
    ("stream", "section"),
    [
        ("ethusdt@trade", "Trade Streams"),
        ("ethusdt@aggTrade", "Aggregate Trade Streams"),
        ("ethusdt@bookTicker", "Individual Symbol Book Ticker Streams"),
        ("ethusdt@miniTicker", "Individual Symbol Mini Ticker Stream"),
        ("ethusdt@ticker", "Individual Symbol Ticker Streams"),
        ("ethusdt@kline_1m", "Kline/Candlestick Streams for UTC"),
        ("ethusdt@kline_1m@+08:00", "Kline/Candlestick Streams with timezone offset"),
        ("ethusdt@ticker_1h", "Individual Symbol Rolling Window Statistics Streams"),
        ("ethusdt@depth", "Diff. Depth Stream"),
        ("ethusdt@avgPrice", "Average Price"),
        ("ethusdt@depth5", "Partial Book Depth Streams"),
    ],
)
def test_every_documented_field_of_a_stream_is_there(mock: Mock, recorded: Path, stream: str, section: str) -> None:
    documented = samples(recorded, "web-socket-streams")[section][0]
    socket = mock.socket(f"/ws/{stream}")
    mock.trade("3001")
    event = json.loads(socket.recv())
    assert missing(documented, event) == []
    assert event.keys() == documented.keys()
    socket.close()


def test_every_documented_field_of_the_websocket_api_is_there(
    mock: Mock, traded: dict[str, Any], recorded: Path
) -> None:
    documented = samples(recorded, "web-socket-api")
    order = {"symbol": "ETHUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1"}
    socket = mock.socket("/ws-api/v3")
    taken = traded["orderId"]
    market = {"symbol": "ETHUSDT"}
    asked = [
        ("Response format", "order.place", signed_params(**order, price="3100", newOrderRespType="RESULT")),
        ("Test connectivity", "ping", {}),
        ("Check server time", "time", {}),
        ("Order book", "depth", market),
        ("Recent trades", "trades.recent", market),
        ("Historical trades", "trades.historical", {**market, "fromId": 0}),
        ("Aggregate trades", "trades.aggregate", market),
        ("Klines", "klines", {**market, "interval": "1h"}),
        ("UI Klines", "uiKlines", {**market, "interval": "1h"}),
        ("Current average price", "avgPrice", market),
        ("24hr ticker price change statistics", "ticker.24hr", market),
        ("Trading Day Ticker", "ticker.tradingDay", {**market, "timeZone": "00:00"}),
        ("Rolling window price change statistics", "ticker", {**market, "windowSize": "7d"}),
        ("Symbol price ticker", "ticker.price", market),
        ("Symbol order book ticker", "ticker.book", market),
        ("Query session status", "session.status", {}),
        ("Log out of the session", "session.logout", {}),
        ("Test new order (TRADE)", "order.test", signed_params(**order, price="3100")),
        ("Query order (USER_DATA)", "order.status", signed_params(symbol="ETHUSDT", orderId=taken)),
        ("Current open orders (USER_DATA)", "openOrders.status", signed_params()),
        ("Account order history (USER_DATA)", "allOrders", signed_params(symbol="ETHUSDT")),
        ("Account information (USER_DATA)", "account.status", signed_params()),
        ("Account trade history (USER_DATA)", "myTrades", signed_params(symbol="ETHUSDT")),
        ("Unfilled Order Count (USER_DATA)", "account.rateLimits.orders", signed_params()),
        ("Account Commission Rates (USER_DATA)", "account.commission", signed_params(symbol="ETHUSDT")),
        ("Subscribe to User Data Stream through signature subscription (USER_STREAM)",
         "userDataStream.subscribe.signature", signed_params()),
        ("Listing all subscriptions", "session.subscriptions", {}),
        ("Unsubscribe from User Data Stream", "userDataStream.unsubscribe", {}),
    ]  # fmt: skip
    for section, method, params in asked:
        answers = [each for each in documented[section] if "result" in each]
        reply = call(socket, method, params, "x")
        optional = {
            "trailingDelta",
            "trailingTime",
            "strategyId",
            "strategyType",
            "preventedQuantity",
            "status",
            "id",
        }
        problems = [p for p in missing(answers[0], reply) if p.rpartition(".")[2] not in optional]
        assert problems == [], method
    socket.close()

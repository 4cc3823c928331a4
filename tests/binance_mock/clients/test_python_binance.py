"""Unmodified clients trade on the mock: python-binance, sync and async, and plain websocket-client."""

import asyncio
import json
import time
from typing import Any

import pytest
import websocket
from binance.async_client import AsyncClient
from binance.exceptions import BinanceAPIException

from tests.binance_mock.running import KEY, SECRET, Mock, call, events, signed_params


def test_the_sync_client_buys_sells_and_reads_its_books(mock: Mock) -> None:
    client = mock.client()
    assert client.ping() == {}
    assert abs(client.get_server_time()["serverTime"] - time.time() * 1000) < 2000
    order = client.create_order(
        symbol="ETHUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.5", price="2990.00"
    )
    assert (order["status"], order["executedQty"], order["fills"]) == ("NEW", "0.00000000", [])
    assert [each["orderId"] for each in client.get_open_orders(symbol="ETHUSDT")] == [order["orderId"]]
    mock.trade("2980", "0.2")
    mock.trade("2980", "5")
    found = client.get_order(symbol="ETHUSDT", origClientOrderId=order["clientOrderId"])
    assert (found["status"], found["cummulativeQuoteQty"]) == ("FILLED", "1495.00000000")
    fills = client.get_my_trades(symbol="ETHUSDT", orderId=order["orderId"])
    assert [(fill["qty"], fill["commission"], fill["commissionAsset"]) for fill in fills] == [
        ("0.20000000", "0.00020000", "ETH"),
        ("0.30000000", "0.00030000", "ETH"),
    ]
    assert client.get_asset_balance("ETH") == {"asset": "ETH", "free": "10.49950000", "locked": "0.00000000"}
    sold = client.order_market_sell(symbol="ETHUSDT", quantity="0.4995")
    assert (sold["status"], sold["fills"][0]["price"]) == ("FILLED", "2980.00000000")
    assert [each["orderId"] for each in client.get_all_orders(symbol="ETHUSDT")][-2:] == [
        order["orderId"],
        sold["orderId"],
    ]


def test_the_sync_client_cancels(mock: Mock) -> None:
    client = mock.client()
    placed = [client.order_limit_sell(symbol="ETHUSDT", quantity="1", price=f"310{i}.00") for i in range(3)]
    cancelled = client.cancel_order(symbol="ETHUSDT", orderId=placed[0]["orderId"])
    assert (cancelled["status"], cancelled["origClientOrderId"]) == ("CANCELED", placed[0]["clientOrderId"])
    with pytest.raises(BinanceAPIException) as refused:
        client.cancel_order(symbol="ETHUSDT", orderId=placed[0]["orderId"])
    assert (refused.value.code, refused.value.message) == (-2011, "Unknown order sent.")
    rest = client.cancel_all_open_orders(symbol="ETHUSDT")
    assert [each["orderId"] for each in rest] == [each["orderId"] for each in placed[1:]]
    assert client.get_asset_balance("ETH")["locked"] == "0.00000000"


def test_the_sync_client_reads_the_market(mock: Mock) -> None:
    client = mock.client()
    mock.trade("3001", "2")
    assert client.get_symbol_info("ETHUSDT")["filters"][0]["tickSize"] == "0.01000000"
    assert len(client.get_exchange_info()["symbols"]) > 20
    assert client.get_symbol_ticker(symbol="ETHUSDT") == {"symbol": "ETHUSDT", "price": "3001.00000000"}
    newest = client.get_recent_trades(symbol="ETHUSDT", limit=2)
    assert [trade["price"] for trade in newest] == ["3000.00000000", "3001.00000000"]
    older = client.get_historical_trades(symbol="ETHUSDT", fromId=newest[0]["id"], limit=1)
    assert older == newest[:1]
    aggregates = client.get_aggregate_trades(symbol="ETHUSDT", fromId=newest[0]["id"])
    assert [(each["a"], each["p"]) for each in aggregates] == [(t["id"], t["price"]) for t in newest]
    book = client.get_order_book(symbol="ETHUSDT", limit=5)
    assert float(book["bids"][0][0]) < 3001 < float(book["asks"][0][0])
    best = client.get_orderbook_ticker(symbol="ETHUSDT")
    assert (best["bidPrice"], best["askPrice"]) == (book["bids"][0][0], book["asks"][0][0])
    assert client.get_avg_price(symbol="ETHUSDT")["mins"] == 5
    candles = client.get_klines(symbol="ETHUSDT", interval="1m")
    assert candles[-1][4] == "3001.00000000"
    day = client.get_ticker(symbol="ETHUSDT")
    assert (day["lastPrice"], day["lastId"]) == ("3001.00000000", newest[-1]["id"])


def test_the_async_client_trades(mock: Mock) -> None:
    async def trades() -> tuple[dict[str, Any], dict[str, Any]]:
        kind = type("MockAsyncClient", (AsyncClient,), {"API_URL": f"{mock.url}/api"})
        client = kind(KEY, SECRET)
        try:
            await client.ping()
            order = await client.create_order(
                symbol="ETHUSDT", side="SELL", type="LIMIT", timeInForce="GTC", quantity="1", price="3050.00"
            )
            await client.cancel_order(symbol="ETHUSDT", origClientOrderId=order["clientOrderId"])
            found = await client.get_order(symbol="ETHUSDT", orderId=order["orderId"])
            return found, await client.order_market_buy(symbol="ETHUSDT", quoteOrderQty="300")
        finally:
            await client.close_connection()

    cancelled, bought = asyncio.run(trades())
    assert cancelled["status"] == "CANCELED"
    assert (bought["status"], bought["executedQty"]) == ("FILLED", "0.10000000")


def test_a_plain_websocket_sees_trades_raw_and_combined(mock: Mock) -> None:
    raw, combined = mock.socket("/ws/ethusdt@trade"), mock.socket("/stream?streams=ethusdt@trade/btcusdt@trade")
    shown = mock.trade("3002", "1.5")["trades"]
    event = json.loads(raw.recv())
    assert (event["e"], event["s"], event["t"], event["p"], event["q"]) == (
        "trade", "ETHUSDT", shown[0]["id"], "3002.00000000", "1.50000000",
    )  # fmt: skip
    wrapped = json.loads(combined.recv())
    assert (wrapped["stream"], wrapped["data"]["t"]) == ("ethusdt@trade", shown[0]["id"])
    raw.close()
    combined.close()


@pytest.mark.parametrize(("path", "request_id"), [("/ws", 7), ("/ws/5", "seven"), ("/stream", 7)])
def test_subscriptions_change_on_an_open_connection(mock: Mock, path: str, request_id: Any) -> None:
    socket = mock.socket(path)

    def ask(method: str, params: Any = None) -> Any:
        socket.send(json.dumps({"method": method, "params": params, "id": request_id}))
        return json.loads(socket.recv())

    assert ask("SUBSCRIBE", ["ethusdt@trade", "btcusdt@trade"]) == {"result": None, "id": request_id}
    assert ask("UNSUBSCRIBE", ["btcusdt@trade"]) == {"result": None, "id": request_id}
    assert ask("LIST_SUBSCRIPTIONS") == {"result": ["ethusdt@trade"], "id": request_id}
    mock.trade("60000", "1", "BTCUSDT")
    shown = mock.trade("3003")["trades"][-1]["id"]
    event = json.loads(socket.recv())
    assert (event["data"] if path == "/stream" else event)["t"] == shown
    socket.close()


def test_a_wrong_request_on_a_stream_is_answered_and_the_connection_stays(mock: Mock) -> None:
    socket = mock.socket("/ws")
    socket.send("{")
    assert json.loads(socket.recv())["error"]["code"] == 3
    socket.send(json.dumps({"method": "NONSENSE", "id": 1}))
    assert json.loads(socket.recv())["error"]["code"] == 2
    socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 2}))
    assert json.loads(socket.recv()) == {"result": [], "id": 2}
    socket.close()


def test_who_talks_too_much_is_cut_off(mock: Mock) -> None:
    socket = mock.socket("/ws")
    for number in range(7):
        socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
    frames = [socket.recv_data()]
    while frames[-1][0] != websocket.ABNF.OPCODE_CLOSE:
        frames.append(socket.recv_data())
    assert len(frames) <= 6
    assert frames[-1][1] == (1008).to_bytes(2, "big") + b"Too many requests"


def test_a_connection_takes_1024_streams_and_no_more(mock: Mock) -> None:
    socket = mock.socket("/ws")

    def subscribe(first: int, count: int) -> Any:
        names = [f"nosuch{number}@trade" for number in range(first, first + count)]
        socket.send(json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1}))
        return json.loads(socket.recv())

    assert subscribe(0, 1024) == {"result": None, "id": 1}
    assert "too many streams" in subscribe(1024, 1)["error"]["msg"]
    socket.close()


def test_a_clients_ping_is_answered(mock: Mock) -> None:
    socket = mock.socket("/ws/ethusdt@trade")
    socket.ping("hello")
    opcode, data = socket.recv_data(control_frame=True)
    assert (opcode, data) == (websocket.ABNF.OPCODE_PONG, b"hello")
    socket.close()


def test_the_account_is_told_of_its_orders_in_order(mock: Mock) -> None:
    socket = mock.user_events()
    order = mock.client().order_limit_buy(symbol="ETHUSDT", quantity="1", price="2990.00")
    mock.trade("2980", "0.4")
    mock.client().cancel_order(symbol="ETHUSDT", orderId=order["orderId"], newClientOrderId="bye")
    told = events(socket, 6)
    assert [(each["e"], each.get("x"), each.get("X")) for each in told] == [
        ("executionReport", "NEW", "NEW"),
        ("outboundAccountPosition", None, None),
        ("executionReport", "TRADE", "PARTIALLY_FILLED"),
        ("outboundAccountPosition", None, None),
        ("executionReport", "CANCELED", "CANCELED"),
        ("outboundAccountPosition", None, None),
    ]
    trade, cancel = told[2], told[4]
    assert (trade["c"], trade["l"], trade["L"], trade["n"], trade["N"], trade["m"]) == (
        order["clientOrderId"], "0.40000000", "2990.00000000", "0.00040000", "ETH", True,
    )  # fmt: skip
    assert trade["t"] == mock.client().get_my_trades(symbol="ETHUSDT", orderId=order["orderId"])[0]["id"]
    assert (cancel["c"], cancel["C"]) == ("bye", order["clientOrderId"])
    socket.close()


def test_the_websocket_api_places_asks_and_cancels(mock: Mock) -> None:
    socket = mock.socket("/ws-api/v3")
    order = {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1"}
    placed = call(socket, "order.place", signed_params(**order, price="2950.00", newClientOrderId="ws-1"), "a-1")
    assert (placed["id"], placed["status"], placed["result"]["status"]) == ("a-1", 200, "NEW")
    assert [each["rateLimitType"] for each in placed["rateLimits"]] == ["ORDERS", "ORDERS", "REQUEST_WEIGHT"]
    which = {"symbol": "ETHUSDT", "origClientOrderId": "ws-1"}
    assert call(socket, "order.status", signed_params(**which))["result"]["price"] == "2950.00000000"
    assert len(call(socket, "openOrders.status", signed_params())["result"]) == 1
    assert call(socket, "order.cancel", signed_params(**which))["result"]["status"] == "CANCELED"
    assert call(socket, "order.status", signed_params(**which))["result"]["status"] == "CANCELED"
    again = call(socket, "order.cancel", signed_params(**which))
    assert (again["status"], again["error"]) == (400, {"code": -2011, "msg": "Unknown order sent."})
    assert call(socket, "account.status", signed_params())["result"]["accountType"] == "SPOT"
    assert call(socket, "myTrades", signed_params(symbol="ETHUSDT", limit=1))["status"] == 200
    assert call(socket, "ping")["result"] == {}
    assert "rateLimits" not in call(socket, "time", {"returnRateLimits": False})
    socket.close()


def test_the_user_stream_can_be_subscribed_once_and_left(mock: Mock) -> None:
    socket = mock.socket("/ws-api/v3")
    subscribe = "userDataStream.subscribe.signature"
    assert call(socket, subscribe, signed_params())["result"] == {"subscriptionId": 0}
    assert call(socket, subscribe, signed_params())["error"]["code"] == -2035
    assert call(socket, "userDataStream.unsubscribe")["result"] == {}
    assert call(socket, "userDataStream.unsubscribe")["error"]["code"] == -2036
    assert call(socket, subscribe, signed_params())["result"] == {"subscriptionId": 1}
    wrong = signed_params() | {"signature": "0" * 64}
    assert call(socket, subscribe, wrong)["error"]["code"] == -1022
    # Only Ed25519 keys can log on.
    assert call(socket, "session.logon", signed_params())["error"]["code"] == -4056
    assert call(socket, "session.status")["result"]["apiKey"] is None
    assert call(socket, "no.such.thing")["status"] == 400
    socket.send("not json")
    assert json.loads(socket.recv())["error"]["code"] == -1135
    socket.close()


def test_a_reset_is_told_to_the_account(mock: Mock) -> None:
    mock.client().order_market_sell(symbol="ETHUSDT", quantity="1")
    mock.client().order_limit_buy(symbol="ETHUSDT", quantity="1", price="2000.00")
    socket = mock.user_events()
    mock.control("reset")
    told = events(socket, 4)
    assert [each["e"] for each in told] == [
        "executionReport", "balanceUpdate", "balanceUpdate", "outboundAccountPosition",
    ]  # fmt: skip
    assert {each["a"]: each["d"] for each in told[1:3]} == {"ETH": "1.00000000", "USDT": "-2997.00000000"}
    assert mock.client().get_open_orders() == []
    socket.close()

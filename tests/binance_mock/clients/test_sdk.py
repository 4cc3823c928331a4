"""Binance's own SDK, which checks each answer field by field, trades on the mock: REST, WebSocket API and streams."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_sdk_spot.spot import Spot
from pydantic import BaseModel

from tests.binance_mock.running import KEY, SECRET, Mock

SYMBOL = {"symbol": "ETHUSDT"}
ORDER = {**SYMBOL, "side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "quantity": 1, "price": 2900}


def sdk(mock: Mock) -> Any:
    address = f"ws://127.0.0.1:{mock.port}"
    return Spot(
        ConfigurationRestAPI(api_key=KEY, api_secret=SECRET, base_path=mock.url, timeout=5000, retries=0),
        ConfigurationWebSocketAPI(api_key=KEY, api_secret=SECRET, stream_url=f"{address}/ws-api/v3"),
        ConfigurationWebSocketStreams(stream_url=address),
    )


def unknown_fields(answer: Any, path: str = "") -> Iterator[str]:
    """The fields of an answer that the SDK's models do not know: nothing undocumented is sent."""
    if isinstance(answer, list):
        for each in answer:
            yield from unknown_fields(each, path)
    elif isinstance(answer, BaseModel):
        for name in getattr(answer, "additional_properties", None) or ():
            yield f"{path}.{name}"
        for name in type(answer).model_fields:
            yield from unknown_fields(getattr(answer, name), f"{path}.{name}")


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("ping", {}),
        ("time", {}),
        ("exchange_info", SYMBOL),
        ("exchange_info", {"symbols": ["ETHUSDT", "BTCUSDT"]}),
        ("exchange_info", {"permissions": ["SPOT"], "symbol_status": "TRADING", "show_permission_sets": False}),
        ("execution_rules", SYMBOL),
        ("depth", SYMBOL),
        ("get_trades", SYMBOL),
        ("historical_trades", {**SYMBOL, "from_id": 1}),
        ("agg_trades", SYMBOL),
        ("klines", {**SYMBOL, "interval": "1m"}),
        ("ui_klines", {**SYMBOL, "interval": "1d", "time_zone": "-3:30"}),
        ("avg_price", SYMBOL),
        ("ticker24hr", {}),
        ("ticker24hr", {**SYMBOL, "type": "MINI"}),
        ("ticker_price", SYMBOL),
        ("ticker_book_ticker", {"symbols": ["ETHUSDT"]}),
        ("ticker", {**SYMBOL, "window_size": "2h"}),
        ("ticker_trading_day", SYMBOL),
        ("get_account", {"omit_zero_balances": True}),
        ("account_commission", SYMBOL),
        ("all_orders", SYMBOL),
        ("get_open_orders", {}),
        ("my_trades", SYMBOL),
        ("my_allocations", SYMBOL),
        ("my_prevented_matches", {**SYMBOL, "order_id": 1}),
        ("rate_limit_order", {}),
        ("all_order_list", {}),
        ("open_order_list", {}),
    ],
)
def test_every_rest_answer_has_the_shape_that_the_sdk_expects(mock: Mock, name: str, params: dict[str, Any]) -> None:
    rest = sdk(mock).rest_api
    rest.new_order(**ORDER)
    rest.new_order(**SYMBOL, side="BUY", type="MARKET", quote_order_qty=100)
    answer = getattr(rest, name)(**params).data()
    assert list(unknown_fields(answer)) == []


def test_the_sdk_places_replaces_asks_and_cancels(mock: Mock) -> None:
    rest = sdk(mock).rest_api
    placed = rest.new_order(**ORDER, new_client_order_id="by-the-sdk").data()
    assert (placed.status, placed.price, list(unknown_fields(placed))) == ("NEW", "2900.00000000", [])
    replaced = rest.order_cancel_replace(
        **{**ORDER, "price": 2901}, cancel_replace_mode="STOP_ON_FAILURE", cancel_order_id=placed.order_id
    ).data()
    assert (replaced.cancel_result, replaced.cancel_response.orig_client_order_id) == ("SUCCESS", "by-the-sdk")
    assert rest.get_order("ETHUSDT", orig_client_order_id="by-the-sdk").data().status == "CANCELED"
    rates = rest.order_test(**ORDER, compute_commission_rates=True).data()
    assert (rates.standard_commission_for_order.maker, list(unknown_fields(rates))) == ("0.00100000", [])
    cancelled = rest.delete_open_orders("ETHUSDT").data()
    assert [
        each.actual_instance.status if hasattr(each, "actual_instance") else each.status for each in cancelled
    ] == ["CANCELED"]


def test_the_sdk_trades_over_the_websocket_api_and_hears_of_it(mock: Mock) -> None:
    async def trades() -> list[Any]:
        api = await sdk(mock).websocket_api.create_connection()
        heard: list[Any] = []
        try:
            subscribed = await api.user_data_stream_subscribe_signature()
            subscribed.stream.on("message", heard.append)
            placed = (await api.order_place(**ORDER)).data()
            assert list(unknown_fields(placed)) == []
            order_id = placed.result.order_id
            for name, params in [
                ("order_status", {**SYMBOL, "order_id": order_id}),
                ("open_orders_status", {}),
                ("account_status", {}),
                ("account_commission", SYMBOL),
                ("account_rate_limits_orders", {}),
                ("all_orders", SYMBOL),
                ("my_trades", SYMBOL),
                ("session_status", {}),
                ("session_subscriptions", {}),
                ("depth", SYMBOL),
                ("ticker24hr", SYMBOL),
                ("ticker_trading_day", SYMBOL),
                ("order_cancel", {**SYMBOL, "order_id": order_id}),
            ]:
                # Each reply may tell of limits, though the SDK does not expect it of every one.
                unknown = set(unknown_fields((await getattr(api, name)(**params)).data())) - {".rateLimits"}
                assert not unknown, name
            async with asyncio.timeout(5):
                while len(heard) < 4:
                    await asyncio.sleep(0.01)
        finally:
            await api.close_connection(close_session=True)
        return [event.actual_instance for event in heard]

    told = asyncio.run(trades())
    assert [type(event).__name__ for event in told] == ["ExecutionReport", "OutboundAccountPosition"] * 2
    assert [event.X for event in told[::2]] == ["NEW", "CANCELED"]
    assert list(unknown_fields(told)) == []


def test_the_sdk_reads_the_streams(mock: Mock) -> None:
    wanted = ["trade", "agg_trade", "book_ticker", "mini_ticker", "ticker", "avg_price", "diff_book_depth"]

    async def read() -> dict[str, Any]:
        streams = await sdk(mock).websocket_streams.create_connection()
        heard: dict[str, Any] = {}
        try:
            for name in wanted:
                handle = await getattr(streams, name)(symbol="ethusdt")
                handle.on("message", lambda event, name=name: heard.__setitem__(name, event))
                # Five messages a second are allowed on a connection.
                await asyncio.sleep(0.25)
            await asyncio.to_thread(mock.trade, "3001")
            async with asyncio.timeout(5):
                while heard.keys() < set(wanted):
                    await asyncio.sleep(0.05)
        finally:
            await streams.close_connection(close_session=True)
        return heard

    heard = asyncio.run(read())
    assert heard["trade"].p == "3001.00000000"
    assert list(unknown_fields(list(heard.values()))) == []

"""Paper trading: Binance's rules and the real trades, as far as Redis has them; only the orders are the mock's."""

import asyncio
import gzip
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import redis
from aiohttp import web

from binance_mock import configured
from binance_mock.engine.orders import MarketTrade, NewOrder, OrderType, Side
from binance_mock.market.paper import CACHE, NoExchangeInfo, PaperMarket, fetch_exchange_info
from binance_mock.server.serve import make_app
from binance_mock.state.exchange import Exchange, open_exchange
from binance_mock.state.store import Store
from hedgehog_project import venues
from hedgehog_project.ports import free_port
from streamer.topics import TradeEvent, encode_trade, trade_topic
from tests.binance_mock.support import INFO, NOW, amounts, limit


def publish(client: "redis.Redis", trade_id: int, price: str) -> None:
    event = TradeEvent("ETHUSDT", trade_id, price, "5", NOW, NOW, False)
    client.xadd(trade_topic("live", "ETHUSDT"), {"t": encode_trade(event)}, id=f"{trade_id}-0")


async def until(condition: Callable[[], object], what: str) -> None:
    give_up = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up, what
        await asyncio.sleep(0.01)


def follow(exchange: Exchange, market: PaperMarket, trades: int) -> None:
    """Follows until so many trades were played in all."""

    async def run() -> None:
        task = asyncio.create_task(market.follow(exchange))
        await until(lambda: exchange.counters.trades >= trades, "the trades were not played")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def paper(path: Path, redis_url: str) -> tuple[Exchange, PaperMarket]:
    store = Store(path)
    exchange = open_exchange(store, INFO, amounts(USDT="100000"), NOW)
    market = PaperMarket(redis_url, store.marks())
    market.activate("ETHUSDT", None, 0, NOW)
    return exchange, market


def test_orders_fill_against_the_real_trades_each_once_over_restarts(
    tmp_path: Path, redis_client: "redis.Redis", settings: Any
) -> None:
    for trade_id, price in ((100, "2500"), (101, "3000")):
        publish(redis_client, trade_id, price)
    exchange, market = paper(tmp_path / "file", settings.REDIS_URL)
    follow(exchange, market, 1)
    # The first time, only the newest trade counts: it gives the price.
    assert exchange.counters.trades == 1
    assert exchange.engine.book("ETHUSDT").last_price == 3000
    exchange.place(limit("BUY", "2990", "2"), NOW)
    exchange.place(limit("BUY", "2900", "1"), NOW)
    publish(redis_client, 102, "2980")
    follow(exchange, market, 3)
    assert [order.price for order in exchange.engine.open_orders()] == [2900]
    exchange.store.close()
    # What happened while the exchange was away is played when it is back, and nothing twice.
    publish(redis_client, 103, "2890")
    exchange, market = paper(tmp_path / "file", settings.REDIS_URL)
    follow(exchange, market, 2)
    assert exchange.counters.fills == 1
    assert exchange.engine.open_orders() == []
    exchange.store.close()


@asynccontextmanager
async def binance(port: int, body: bytes) -> AsyncIterator[None]:
    """Stands in for Binance: it answers exchangeInfo."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.add_routes([web.get("/api/v3/exchangeInfo", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


def test_exchange_info_comes_from_binance_or_from_the_copy_of_the_last_time(
    tmp_path: Path, recorded: Path, caplog: pytest.LogCaptureFixture
) -> None:
    real = (recorded / "exchangeinfo" / "exchangeInfo_binance.com_TSLABUSDT_2026-09.json").read_bytes()
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    async def with_binance() -> dict[str, Any]:
        async with binance(port, real):
            return await fetch_exchange_info(url, tmp_path)

    with pytest.raises(NoExchangeInfo, match=r"must download .* once"):
        asyncio.run(fetch_exchange_info(url, tmp_path))
    assert asyncio.run(with_binance()) == json.loads(real)
    with caplog.at_level(logging.WARNING):
        assert asyncio.run(fetch_exchange_info(url, tmp_path)) == json.loads(real)
    assert "using the copy" in caplog.text
    (tmp_path / CACHE).write_text("{")
    with pytest.raises(NoExchangeInfo):
        asyncio.run(fetch_exchange_info(url, tmp_path))


def test_the_whole_exchange_trades_on_paper_with_two_thousand_symbols(
    tmp_path: Path, recorded: Path, redis_client: "redis.Redis", settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = gzip.decompress(
        (recorded / "exchangeinfo" / "exchangeInfo_binance.me_2023-04-10_full.json.gz").read_bytes()
    )
    port = free_port()
    live = venues.Endpoints(f"http://127.0.0.1:{port}", "", "")
    of = venues.endpoints
    monkeypatch.setattr(configured, "endpoints", lambda venue: live if venue == venues.Venue.LIVE else of(venue))
    settings.MARKET, settings.HEDGEHOG_HOME, settings.MOCK_BALANCES = "live", tmp_path, "USDT:1000"

    async def run() -> dict[str, Any]:
        async with binance(port, info):
            context = await configured.desk_from_settings()
        runner = web.AppRunner(make_app(context))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/v3"
        try:
            async with aiohttp.ClientSession() as session:
                assert len((await (await session.get(f"{url}/exchangeInfo")).json())["symbols"]) > 2000
                await session.get(f"{url}/ticker/price?symbol=ETHUSDT")  # Somebody cares for it.
                publish(redis_client, 1, "1900")
                book = context.exchange.engine.book("ETHUSDT")
                await until(lambda: book.last_price == 1900, "the price did not come")
                order = NewOrder("ETHUSDT", Side.BUY, OrderType.LIMIT, Decimal("0.1"), Decimal(1890))
                context.exchange.place(order, context.now_ms())
                publish(redis_client, 2, "1880")
                await until(lambda: context.exchange.counters.fills == 1, "the order did not fill")
                return dict(await (await session.get(f"{url}/ticker/price?symbol=ETHUSDT")).json())
        finally:
            await runner.cleanup()
            context.exchange.store.close()

    assert asyncio.run(run()) == {"symbol": "ETHUSDT", "price": "1880.00000000"}


@pytest.mark.parametrize("name", ["2021-10-12_8symbols", "TSLABUSDT_2026-09"])
def test_the_real_exchanges_symbols_can_be_traded(recorded: Path, tmp_path: Path, name: str) -> None:
    info = json.loads((recorded / "exchangeinfo" / f"exchangeInfo_binance.com_{name}.json").read_text())
    exchange = open_exchange(Store(tmp_path / "file"), info, amounts(USDT="100000"), NOW)
    book = next(b for b in exchange.engine.books.values() if b.rules.quote == "USDT" and b.rules.is_trading)
    exchange.trade([MarketTrade(book.rules.symbol, Decimal(1000), Decimal(1), True)], NOW)
    order = NewOrder(book.rules.symbol, Side.BUY, OrderType.LIMIT, Decimal(1), Decimal(999))
    assert exchange.place(order, NOW).reports[0].order.is_open

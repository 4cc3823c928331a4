"""Paper trading: the market is Binance's own, as the streamer writes it to Redis; only the orders are the mock's."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import aiohttp
import redis.asyncio

from binance_mock.engine.orders import MarketTrade
from binance_mock.engine.rules import read_symbols
from binance_mock.state.exchange import Exchange
from binance_mock.state.listings import NO_EXCHANGE_INFO
from binance_mock.state.past import Past
from hedgehog_project.outside import read_json
from streamer.topics import decode_trade, trade_topic

logger = logging.getLogger(__name__)

MARKET = "live"
CACHE = "exchange_info.live.json"
_BLOCK_MS = 200
_COUNT = 500
_FETCH_TIMEOUT_S = 30.0
_LONGEST_WAIT_S = 5.0


class NoExchangeInfo(Exception):
    """Neither Binance nor a cached copy can say which symbols there are; the message is one line for people."""


async def fetch_exchange_info(rest_url: str, home: Path) -> dict[str, Any]:
    """Binance's exchangeInfo, or where Binance can't be reached the copy kept from the last time."""
    cache = home / CACHE
    url = f"{rest_url}/api/v3/exchangeInfo"
    try:
        timeout = aiohttp.ClientTimeout(total=_FETCH_TIMEOUT_S)
        # trust_env: through the proxy that the environment names, as all others go.
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.get(url) as response,
        ):
            response.raise_for_status()
            body = await response.read()
        info: dict[str, Any] = read_json(body)
        read_symbols(info)
    except (aiohttp.ClientError, TimeoutError, OSError, *NO_EXCHANGE_INFO) as error:
        return _cached(cache, url, error)
    draft = cache.with_suffix(f".{os.getpid()}")
    draft.write_bytes(body)
    draft.replace(cache)
    return info


def _cached(cache: Path, url: str, error: Exception) -> dict[str, Any]:
    reason = str(error) or type(error).__name__
    try:
        info: dict[str, Any] = read_json(cache.read_bytes())
        read_symbols(info)
    except (OSError, *NO_EXCHANGE_INFO):
        raise NoExchangeInfo(
            f"MARKET=live must download {url} once for the symbols' filters, which failed: {reason}"
        ) from None
    age_h = (time.time() - cache.stat().st_mtime) / 3600
    logger.warning("%s unavailable (%s): using the copy of %.1f hours ago", url, reason, age_h)
    return info


class PaperMarket:
    """Follows the trades of the symbols that somebody cares for. Each is played once, over restarts as well."""

    name = "live"

    def __init__(self, redis_url: str, marks: Mapping[str, str]) -> None:
        self._redis_url = redis_url
        # Where each symbol's topic was read to; kept with what the trades caused.
        self._read_to = {name.removeprefix("paper:"): at for name, at in marks.items() if name.startswith("paper:")}
        self._active: dict[str, str] = {}

    def opening(self, symbol: str) -> MarketTrade | None:
        """None: the price is that of the first trade that is seen."""

    def past(self, symbol: str, now_ms: int) -> Past | None:
        """None: nothing is known of the time before."""

    def activate(self, symbol: str, last_price: Decimal | None, last_trade_id: int, now_ms: int) -> None:
        if symbol not in self._active:
            # The first time, the newest trade that is there already gives the price.
            self._active[symbol] = self._read_to.get(symbol, "-")

    def until(self, now_ms: int, maximum: int) -> list[MarketTrade]:
        """Nothing of its own: `follow` brings the trades."""
        return []

    def marks(self) -> dict[str, str]:
        """None: `follow` keeps its own."""
        return {}

    async def follow(self, exchange: Exchange) -> None:
        """Plays the trades as they appear, until cancelled. Waits for Redis where it is away."""
        client = redis.asyncio.Redis.from_url(self._redis_url, socket_timeout=10, socket_connect_timeout=5)
        wait_s = 0.0
        task = asyncio.current_task()
        assert task is not None
        try:
            # redis-py's time-outs sometimes swallow a cancellation that comes as a reply does.
            while not task.cancelling():
                try:
                    await self._step(client, exchange)
                    if wait_s:
                        logger.warning("Redis is up again")
                    wait_s = 0.0
                except (redis.RedisError, OSError) as error:
                    if not wait_s:
                        logger.warning("Redis is down, the paper market is paused: %s", error)
                    wait_s = min(max(2 * wait_s, 0.2), _LONGEST_WAIT_S)
                    await asyncio.sleep(wait_s)
        finally:
            with contextlib.suppress(redis.RedisError, OSError):
                await client.aclose()

    async def _step(self, client: "redis.asyncio.Redis", exchange: Exchange) -> None:
        for symbol, read_to in list(self._active.items()):
            if read_to == "-":
                newest: Any = await client.xrevrange(trade_topic(MARKET, symbol), count=1)
                self._active[symbol] = _before(newest[0][0]) if newest else "0"
        if not self._active:
            await asyncio.sleep(_BLOCK_MS / 1000)
            return
        topics: Any = {trade_topic(MARKET, symbol): at for symbol, at in self._active.items()}
        found: Any = await client.xread(topics, count=_COUNT, block=_BLOCK_MS)
        pages = found.items() if isinstance(found, dict) else found or []
        for topic, entries in pages:
            symbol = topic.decode().rpartition(":")[2]
            # RESP3 wraps each stream's entries in one more list.
            rows = entries[0] if entries and isinstance(entries[0], list) else entries
            self._play(exchange, symbol, rows)

    def _play(self, exchange: Exchange, symbol: str, entries: list[tuple[bytes, dict[bytes, bytes]]]) -> None:
        trades = []
        for entry_id, fields in entries:
            try:
                event = decode_trade(symbol, entry_id, fields[b"t"])
                price, quantity = Decimal(event.price), Decimal(event.quantity)
                trades.append(MarketTrade(symbol, price, quantity, event.buyer_is_maker))
            except (ValueError, KeyError, InvalidOperation):
                logger.warning("entry %r of %s is not a trade, skipped: %r", entry_id, symbol, fields)
        if not entries:
            return
        read_to = entries[-1][0].decode()
        exchange.trade(trades, time.time_ns() // 1_000_000, {f"paper:{symbol}": read_to})
        self._active[symbol] = self._read_to[symbol] = read_to


def _before(entry_id: bytes) -> str:
    """The id just before an entry, to read from it on."""
    number, _, sequence = entry_id.decode().partition("-")
    return f"{number}-{int(sequence) - 1}" if int(sequence) else f"{int(number) - 1}-{2**64 - 1}"

"""The Redis streams that carry events between rooms: their names and what their entries look like.

    trade_events:{market}:{SYMBOL}    id {trade id}-0    t = "price,quantity,trade ms,event ms,maker,made ms"
    execution_reports:{venue}         id *               kind = "event" | "connected", data = JSON

While trades of a symbol are missing and being fetched, a key says so: trade_gap:{market}:{SYMBOL} = "first-last".
One field a trade keeps an entry small and quick to read. An execution report is passed on as the exchange sent it;
The data is the event alone, without the {"subscriptionId": …} around it;
"connected" (data "{}") says that the user data stream has (re)connected: whoever keeps books must compare them now.
"""

import time
from typing import Any

import msgspec
import redis

from hedgehog_project import shared_clock

# Entries that a topic keeps; older ones fall away.
TRADES_KEPT = 10_000
REPORTS_KEPT = 10_000
# A trade that lies ahead of the shared clock by more is of before that was set back. How old it is nobody knows: old.
AHEAD_S, UNKNOWN_S = 10.0, 86_400.0
# A gap is given up sooner (gaps.PATIENCE_S). The key of a streamer that has died goes by itself.
GAP_KEY_S = 30


class TradeEvent(msgspec.Struct, frozen=True, gc=False):
    """One public trade. Price and quantity are plain decimals as the exchange wrote them; times are in ms.

    `made_ms` is its event's time by the clock that our hosts share (shared_clock.py); 0 where nobody has told.
    """

    symbol: str
    trade_id: int
    price: str
    quantity: str
    trade_ms: int
    event_ms: int
    buyer_is_maker: bool
    made_ms: int = 0

    @property
    def age_s(self) -> float:
        """How long ago it was made; neither the exchange's clock nor ours may have been set meanwhile."""
        if not self.made_ms:
            return max(0.0, time.time() - self.event_ms / 1000)
        age_s = shared_clock.now() - self.made_ms / 1000
        return max(0.0, age_s) if age_s >= -AHEAD_S else UNKNOWN_S


def trade_topic(market: str, symbol: str) -> str:
    return f"trade_events:{market}:{symbol}"


def gap_key(market: str, symbol: str) -> str:
    return f"trade_gap:{market}:{symbol}"


def report_topic(venue: str) -> str:
    return f"execution_reports:{venue}"


def encode_trade(event: TradeEvent, made_ms: int | None = None) -> str:
    """The value of the field `t`. `made_ms`: where it is known better than by the event."""
    return (
        f"{event.price},{event.quantity},{event.trade_ms},{event.event_ms},"
        f"{'1' if event.buyer_is_maker else '0'},{event.made_ms if made_ms is None else made_ms}"
    )


def decode_trade(symbol: str, entry_id: bytes, value: bytes) -> TradeEvent:
    """The trade of a topic's entry. Raises ValueError for an entry that is none."""
    # Entries of an older version have no last one.
    price, quantity, trade_ms, event_ms, maker, *made_ms = value.decode().split(",")
    return TradeEvent(
        symbol,
        int(entry_id.split(b"-")[0]),
        price,
        quantity,
        int(trade_ms),
        int(event_ms),
        maker == "1",
        int(made_ms[0]) if made_ms else 0,
    )


def has_gap(client: "redis.Redis", market: str, symbol: str) -> bool:
    """Whether trades of a symbol are missing and being fetched just now. Raises redis.RedisError."""
    return bool(client.exists(gap_key(market, symbol)))


def last_trade(client: "redis.Redis", market: str, symbol: str) -> TradeEvent | None:
    """The newest trade in a topic; None where there is none yet. Raises redis.RedisError."""
    return last_trades(client, market, [symbol]).get(symbol)


def last_trades(client: "redis.Redis", market: str, symbols: list[str]) -> dict[str, TradeEvent]:
    """The newest trade of each symbol that has one, in one round trip. Raises redis.RedisError."""
    pipeline = client.pipeline(transaction=False)
    for symbol in symbols:
        pipeline.xrevrange(trade_topic(market, symbol), count=1)
    found = {}
    for symbol, entries in zip(symbols, pipeline.execute(), strict=True):
        for entry_id, fields in entries:
            found[symbol] = decode_trade(symbol, entry_id, fields[b"t"])
    return found


def newest_trades(client: "redis.Redis", market: str, symbol: str, count: int) -> list[TradeEvent]:
    """The newest trades in a topic, newest first. Raises redis.RedisError."""
    entries: Any = client.xrevrange(trade_topic(market, symbol), count=count)
    return [decode_trade(symbol, entry_id, fields[b"t"]) for entry_id, fields in entries]

"""The payloads of the market streams (web-socket-streams.md)."""

from typing import Any

from binance_mock.engine.amounts import ZERO, text
from binance_mock.engine.book import AVERAGE_MINUTES, SymbolBook
from binance_mock.engine.orders import PublicTrade
from binance_mock.protocol.depth import levels
from binance_mock.state.statistics import Statistics
from candles.fold import Candle


def trade(trade: PublicTrade, now_ms: int) -> bytes:
    """By hand: nothing else is sent as often."""
    symbol, trade_id, price, quantity, time_ms, buyer_is_maker = trade
    return (
        f'{{"e":"trade","E":{now_ms},"s":"{symbol}","t":{trade_id},"p":"{price:.8f}","q":"{quantity:.8f}",'
        f'"T":{time_ms},"m":{"true" if buyer_is_maker else "false"},"M":true}}'
    ).encode()


def aggregate_trade(trade: PublicTrade, now_ms: int) -> bytes:
    """Here each trade is an aggregate of its own, with the trade's id."""
    symbol, trade_id, price, quantity, time_ms, buyer_is_maker = trade
    return (
        f'{{"e":"aggTrade","E":{now_ms},"s":"{symbol}","a":{trade_id},"p":"{price:.8f}","q":"{quantity:.8f}",'
        f'"f":{trade_id},"l":{trade_id},"T":{time_ms},"m":{"true" if buyer_is_maker else "false"},"M":true}}'
    ).encode()


def book_ticker(book: SymbolBook) -> dict[str, Any]:
    bids, asks = levels(book, 1)
    bid, ask = bids[0] if bids else ["0.00000000"] * 2, asks[0] if asks else ["0.00000000"] * 2
    return {
        "u": book.update_id,
        "s": book.rules.symbol,
        "b": bid[0],
        "B": bid[1],
        "a": ask[0],
        "A": ask[1],
    }


def partial_depth(book: SymbolBook, limit: int) -> dict[str, Any]:
    bids, asks = levels(book, limit)
    return {"lastUpdateId": book.update_id, "bids": bids, "asks": asks}


def mini_ticker(symbol: str, day: Statistics, now_ms: int) -> dict[str, Any]:
    return {
        "e": "24hrMiniTicker",
        "E": now_ms,
        "s": symbol,
        "c": text(day.candle.close),
        "o": text(day.candle.open),
        "h": text(day.candle.high),
        "l": text(day.candle.low),
        "v": text(day.candle.base),
        "q": text(day.candle.quote),
    }


def day_ticker(book: SymbolBook, day: Statistics, now_ms: int) -> dict[str, Any]:
    best = book_ticker(book)
    return {
        **mini_ticker(book.rules.symbol, day, now_ms),
        "e": "24hrTicker",
        "p": text(day.change),
        "P": day.change_percent,
        "w": text(day.average),
        "x": text(day.before),
        "Q": text(book.last.quantity if book.last else ZERO),
        "b": best["b"],
        "B": best["B"],
        "a": best["a"],
        "A": best["A"],
        "O": day.opens_ms,
        "C": day.closes_ms,
        "F": day.candle.first_id,
        "L": day.candle.last_id,
        "n": day.candle.count,
    }


def window_ticker(symbol: str, size: str, of: Statistics, now_ms: int) -> dict[str, Any]:
    return {
        **mini_ticker(symbol, of, now_ms),
        "e": f"{size}Ticker",
        "p": text(of.change),
        "P": of.change_percent,
        "w": text(of.average),
        "O": of.opens_ms,
        "C": of.closes_ms,
        "F": of.candle.first_id,
        "L": of.candle.last_id,
        "n": of.candle.count,
    }


def kline(symbol: str, interval: str, candle: Candle, now_ms: int) -> dict[str, Any]:
    return {
        "e": "kline",
        "E": now_ms,
        "s": symbol,
        "k": {
            "t": candle.opens_ms,
            "T": candle.closes_ms,
            "s": symbol,
            "i": interval,
            "f": candle.first_id,
            "L": candle.last_id,
            "o": text(candle.open),
            "c": text(candle.close),
            "h": text(candle.high),
            "l": text(candle.low),
            "v": text(candle.base),
            "n": candle.count,
            "x": now_ms > candle.closes_ms,
            "q": text(candle.quote),
            "V": text(candle.taker_buy_base),
            "Q": text(candle.taker_buy_quote),
            "B": "0",
        },
    }


def average_price(book: SymbolBook, now_ms: int) -> dict[str, Any]:
    return {
        "e": "avgPrice",
        "E": now_ms,
        "s": book.rules.symbol,
        "i": f"{AVERAGE_MINUTES}m",
        "w": text(book.average_price(now_ms) or ZERO),
        "T": book.last.time_ms if book.last else 0,
    }

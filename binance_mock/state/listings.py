"""The symbols that the exchange lists by itself, in exchangeInfo's form, with what their markets are like in 2026."""

import gzip
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from binance_mock.engine.amounts import floor_to, text
from binance_mock.engine.rules import read_symbols
from hedgehog_project.outside import read_json

# Assets that Binance quotes prices in, for telling a symbol's two assets apart where nobody has said what they are.
QUOTES = (
    "USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USD1", "USDP", "USDS", "USDE", "PAX", "DAI", "UST", "VAI", "EURI",
    "BKRW", "BIDR", "IDRT", "BVND", "TRY", "EUR", "BRL", "JPY", "GBP", "AUD", "RUB", "UAH", "PLN", "RON", "ZAR",
    "NGN", "IDR", "MXN", "ARS", "COP", "CZK", "BTC", "ETH", "BNB", "XRP", "TRX", "SOL", "DOT", "DOGE",
)  # fmt: skip


@dataclass(frozen=True)
class MockSymbol:
    """`price` is where a simulated market starts and what it keeps coming back to; `typical` a usual trade's size."""

    base: str
    quote: str
    tick: Decimal
    step: Decimal
    price: Decimal
    typical: Decimal
    # Where it is not the two assets after each other.
    name: str = ""

    @property
    def symbol(self) -> str:
        return self.name or self.base + self.quote


def _listing(base: str, quote: str, tick: str, step: str, price: str, typical: str) -> MockSymbol:
    return MockSymbol(base, quote, Decimal(tick), Decimal(step), Decimal(price), Decimal(typical))


LISTINGS: dict[str, MockSymbol] = {
    listing.symbol: listing
    for listing in (
        _listing("BTC", "USDT", "0.01", "0.00001", "90000", "0.004"),
        _listing("ETH", "USDT", "0.01", "0.0001", "3000", "0.08"),
        _listing("BNB", "USDT", "0.01", "0.001", "880", "0.2"),
        _listing("XRP", "USDT", "0.0001", "0.1", "2.1", "90"),
        _listing("SOL", "USDT", "0.01", "0.001", "140", "1.3"),
        _listing("ADA", "USDT", "0.0001", "0.1", "0.43", "350"),
        _listing("DOGE", "USDT", "0.00001", "1", "0.15", "1100"),
        _listing("TRX", "USDT", "0.0001", "0.1", "0.28", "600"),
        _listing("LTC", "USDT", "0.01", "0.001", "84", "1.5"),
        _listing("AVAX", "USDT", "0.01", "0.01", "14", "9"),
        _listing("LINK", "USDT", "0.01", "0.01", "13", "10"),
        _listing("DOT", "USDT", "0.001", "0.01", "2.2", "55"),
        _listing("BCH", "USDT", "0.1", "0.001", "540", "0.25"),
        _listing("NEAR", "USDT", "0.001", "0.1", "1.8", "65"),
        _listing("UNI", "USDT", "0.001", "0.01", "6.1", "20"),
        _listing("ATOM", "USDT", "0.001", "0.01", "2.5", "45"),
        _listing("XLM", "USDT", "0.0001", "1", "0.25", "450"),
        _listing("ETC", "USDT", "0.01", "0.01", "13.5", "9"),
        _listing("FIL", "USDT", "0.001", "0.01", "1.55", "75"),
        _listing("HBAR", "USDT", "0.00001", "1", "0.14", "800"),
        _listing("SUI", "USDT", "0.0001", "0.1", "1.6", "75"),
        _listing("ETH", "BTC", "0.00001", "0.0001", "0.0333", "0.06"),
    )
}


def assets_of(symbol: str, known: Collection[str] = ()) -> tuple[str, str]:
    """A symbol's base and quote asset, as well as its name and `known` assets can tell them apart."""

    def likelihood(split: tuple[str, str]) -> tuple[bool, bool, bool, int]:
        base, quote = split
        # By how much is known of both, then the longer quote: BTCUSDT is no BTCUSD quoted in T.
        return base in known and quote in known, quote in QUOTES, base in known or quote in known, len(quote)

    splits = [(symbol[:at], symbol[at:]) for at in range(1, len(symbol))]
    likely = [split for split in splits if any(likelihood(split)[:3])]
    # Of names that say nothing, three letters are the usual quote asset.
    return max(likely, key=likelihood) if likely else (symbol[:-3] or symbol, symbol[-3:])


def listing_for(
    symbol: str, tick: Decimal, step: Decimal, price: Decimal, assets: tuple[str, str] | None = None
) -> MockSymbol:
    """A listing for a symbol that is not built in, with the tick and step that its trades show."""
    base, quote = assets or assets_of(symbol, _BUILT_IN_ASSETS)
    return MockSymbol(base, quote, tick, step, price, step, symbol)


_BUILT_IN_ASSETS = frozenset(asset for each in LISTINGS.values() for asset in (each.base, each.quote))

# What reading something else than an exchangeInfo raises.
NO_EXCHANGE_INFO = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)


class BadExchangeInfo(Exception):
    """A file is no exchangeInfo; the message is one line for people."""


def read_exchange_info(path: Path) -> dict[str, Any]:
    """An exchangeInfo as an exchange has answered it, kept as JSON, or as JSON in gzip. Raises BadExchangeInfo."""
    try:
        body = path.read_bytes()
        info: dict[str, Any] = read_json(gzip.decompress(body) if path.suffix == ".gz" else body)
        read_symbols(info)
    except (OSError, EOFError, zlib.error, *NO_EXCHANGE_INFO) as error:
        raise BadExchangeInfo(f"{path} cannot be read as exchangeInfo: {error or type(error).__name__}") from None
    return {"exchangeFilters": [], **info}


def listings_of(info: Mapping[str, Any]) -> dict[str, MockSymbol]:
    """What the simulated market makes of such a file: for symbols that are not built in, a price of 20,000 ticks."""
    found = {}
    for name, rules in read_symbols(info).items():
        tick = rules.tick
        price = LISTINGS[name].price if name in LISTINGS else tick * 20_000
        # A usual trade is worth some dozen times the min notional; without one, of the price of one step or unit.
        minimum = rules.min_notional or price * (rules.step if rules.has_step else 1)
        typical = max(floor_to(minimum * 30 / price, rules.step), rules.step)
        found[name] = MockSymbol(rules.base, rules.quote, tick, rules.step, price, typical, name)
    return found


def symbol_info(listing: MockSymbol, status: str = "TRADING") -> dict[str, Any]:
    """The entry of exchangeInfo's `symbols`, with every documented field."""
    is_dollar = listing.quote in ("USDT", "USDC", "FDUSD", "TUSD", "BUSD")
    return {
        "symbol": listing.symbol,
        "status": status,
        "baseAsset": listing.base,
        "baseAssetPrecision": 8,
        "quoteAsset": listing.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": text(listing.tick),
                "maxPrice": text(listing.tick * 100_000_000),
                "tickSize": text(listing.tick),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": text(listing.step),
                "maxQty": text(min(listing.step * 1_000_000_000, Decimal(90_000_000))),
                "stepSize": text(listing.step),
            },
            {"filterType": "ICEBERG_PARTS", "limit": 10},
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": text(Decimal(0)),
                "maxQty": text(listing.typical * 20_000),
                "stepSize": text(Decimal(0)),
            },
            {
                "filterType": "TRAILING_DELTA",
                "minTrailingAboveDelta": 10,
                "maxTrailingAboveDelta": 2000,
                "minTrailingBelowDelta": 10,
                "maxTrailingBelowDelta": 2000,
            },
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": "5",
                "bidMultiplierDown": "0.2",
                "askMultiplierUp": "5",
                "askMultiplierDown": "0.2",
                "avgPriceMins": 5,
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": text(Decimal("5" if is_dollar else "0.0001")),
                "applyMinToMarket": True,
                "maxNotional": text(Decimal(9_000_000)),
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
            {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 20},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
            {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def exchange_info(listings: Iterable[MockSymbol], trading: frozenset[str] | None = None) -> dict[str, Any]:
    """What the exchange knows of its symbols; those outside `trading` have status BREAK. None: all trade."""
    entries = [
        symbol_info(each, "TRADING" if trading is None or each.symbol in trading else "BREAK") for each in listings
    ]
    return {"exchangeFilters": [], "symbols": entries}

"""Puts the exchange together as the settings say."""

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from binance_mock.engine.amounts import UNIT, cut
from binance_mock.engine.fees import Rates, rates_of
from binance_mock.engine.matching import FillRule
from binance_mock.market.csv_trades import BadFile
from binance_mock.market.manual import ManualMarket
from binance_mock.market.paper import NoExchangeInfo, PaperMarket, fetch_exchange_info
from binance_mock.market.replay import ReplayMarket, read_spec
from binance_mock.market.simulated import SimulatedMarket
from binance_mock.state import listings as symbols
from binance_mock.state.context import Context, Market, clock_ms, open_context
from binance_mock.state.exchange import open_exchange
from binance_mock.state.limits import Limits
from binance_mock.state.security import Account
from binance_mock.state.store import Store
from hedgehog_project import commission
from hedgehog_project.venues import Venue, endpoints, mock_world
from hedgehog_project.venues.account_files import file_of
from hedgehog_project.venues.keys import BadKey

if TYPE_CHECKING:
    from hedgehog_project.venues.pem import PublicKey


class BadSettings(Exception):
    """A setting can't be used; the message is one line that says what to do."""


def read_balances(text: str) -> dict[str, Decimal]:
    """ "USDT:10000,BTC:0.5" as amounts by asset. Raises BadSettings."""
    balances: dict[str, Decimal] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        asset, _, amount_text = part.partition(":")
        try:
            amount = Decimal(amount_text)
        except InvalidOperation:
            amount = Decimal(-1)
        if not (asset.isalnum() and asset == asset.upper() and 0 <= amount < 10**10 and amount == cut(amount)):
            raise BadSettings(f"MOCK_BALANCES: “{part}” is not a balance: use for example USDT:10000,BTC:0.5")
        balances[asset] = amount
    return balances


def _fill_rule() -> FillRule:
    try:
        return FillRule(settings.MOCK_FILL)
    except ValueError:
        raise BadSettings(f"MOCK_FILL must be strict or touch, not “{settings.MOCK_FILL}”") from None


def _rates() -> Rates:
    try:
        return rates_of(commission.read(settings.MOCK_COMMISSION))
    except ValueError as error:
        raise BadSettings(f"MOCK_COMMISSION: {error}") from None


def _account() -> Account:
    if not (settings.MOCK_API_KEY and (settings.MOCK_API_SECRET or settings.MOCK_PUBLIC_KEY)):
        raise BadSettings("MOCK_API_KEY and MOCK_API_SECRET (or MOCK_PUBLIC_KEY) must not be empty")
    public_key = _public_key() if settings.MOCK_PUBLIC_KEY else None
    return Account(
        settings.MOCK_API_KEY, settings.MOCK_API_SECRET, public_key, may_withdraw=settings.MOCK_KEY_MAY_WITHDRAW
    )


async def _market(store: Store) -> tuple[Market, dict[str, Any]]:
    """The market that MARKET names, and what it lists."""
    kind, _, spec = settings.MARKET.partition(":")
    listings = symbols.LISTINGS
    try:
        if settings.MARKET in ("simulated", "manual"):
            info = symbols.exchange_info(listings.values())
            if settings.MOCK_EXCHANGE_INFO:
                info = symbols.read_exchange_info(Path(settings.MOCK_EXCHANGE_INFO))
                listings = symbols.listings_of(info)
            market = (
                SimulatedMarket(settings.MOCK_SEED, listings) if settings.MARKET == "simulated" else ManualMarket()
            )
            return market, info
        if settings.MARKET == "live":
            info = await fetch_exchange_info(endpoints(Venue.LIVE).rest_url, Path(settings.HEDGEHOG_HOME))
            return PaperMarket(settings.REDIS_URL, store.marks()), info
        if kind == "replay" and spec:
            replay = ReplayMarket(*read_spec(spec), marks=store.marks())
            every = {**listings, replay.symbol: replay.listing}
            return replay, symbols.exchange_info(every.values(), frozenset({replay.symbol}))
    except (BadFile, NoExchangeInfo, symbols.BadExchangeInfo) as error:
        raise BadSettings(str(error)) from None
    raise BadSettings(f"MARKET is “{settings.MARKET}”: it must be simulated, live, manual or replay:FILE[@SPEED]")


def _with_stored(info: dict[str, Any], store: Store) -> dict[str, Any]:
    """Lists as well, not trading, the symbols that traded or have orders from when others were listed."""
    listed = {entry["symbol"] for entry in info["symbols"]}
    stored = [symbol for symbol in store.symbols() if symbol not in listed]
    if not stored:
        return info
    kept, held = store.assets(), store.ledger().holdings.keys()
    extra = [
        # What a file of before does not say, its balances may: who has an order has had the asset.
        symbols.listing_for(symbol, UNIT, UNIT, Decimal(1), kept.get(symbol) or symbols.assets_of(symbol, held))
        for symbol in stored
    ]
    return {**info, "symbols": [*info["symbols"], *(symbols.symbol_info(each, "BREAK") for each in extra)]}


async def desk_from_settings() -> Context:
    """Raises BadSettings and StoreFailed."""
    deposits, fill_rule = read_balances(settings.MOCK_BALANCES), _fill_rule()
    account, rates = _account(), _rates()
    world = mock_world()
    store = Store(Path(settings.HEDGEHOG_HOME) / file_of(world))
    store.belongs_to(world.shown)
    market, info = await _market(store)
    exchange = open_exchange(
        store,
        _with_stored(info, store),
        deposits,
        clock_ms(),
        fill_rule=fill_rule,
        rates=rates,
        fees_in_bnb=settings.MOCK_FEES_IN_BNB,
    )
    limits = Limits(orders_per_10s=settings.MOCK_ORDERS_PER_10S)
    return open_context(exchange, market, account, limits, world=world)


def _public_key() -> "PublicKey":
    # Here: its library takes a fifth of the time in which a process starts.
    from hedgehog_project.venues.pem import PublicKey

    try:
        return PublicKey(settings.MOCK_PUBLIC_KEY)
    except BadKey as error:
        raise BadSettings(f"MOCK_PUBLIC_KEY {error}") from None

"""Fills and lots as tables for taxes and for programs: their columns, and the rows of a span of time."""

from collections.abc import Iterator
from datetime import datetime, tzinfo
from decimal import Decimal

from hedgehog_project.venues import Venue
from trading.books.lots import Fifo, Sale, Traded
from trading.core.money import plain, quote_of
from trading.core.orders import OrderType, Side
from trading.models import Fill

TRADE_COLUMNS = (
    "time",
    "venue",
    "symbol",
    "side",
    "base_asset",
    "quote_asset",
    "price",
    "quantity",
    "quote_amount",
    "commission",
    "commission_asset",
    "commission_in_quote",
    "role",
    "trade_id",
    "order_id",
    "client_order_id",
    "trader",
    "slot",
)
LOT_COLUMNS = (
    "asset",
    "venue",
    "acquired_at",
    "sold_at",
    "days_held",
    "quantity",
    "cost",
    "cost_asset",
    "buy_fee",
    "proceeds",
    "proceeds_asset",
    "sell_fee",
    "gain",
    "buy_symbol",
    "buy_trade_id",
    "sell_symbol",
    "sell_trade_id",
    "note",
)
_FIELDS = (
    "traded_at",
    "order__venue",
    "order__symbol__name",
    "order__side",
    "order__symbol__base_asset",
    "order__symbol__quote_asset",
    "price",
    "quantity",
    "quote",
    "commission",
    "commission_asset",
    "commission_quote",
    "is_maker",
    "trade_id",
    "order__exchange_order_id",
    "order__client_order_id",
    "order__trader_id",
    "order__trader__slot",
    "order__type",
)


def traded(
    venue: Venue, since: datetime | None = None, until: datetime | None = None, with_takeovers: bool = False
) -> Iterator[Traded]:
    """The fills at a venue, oldest first, from `since` on and before `until`.

    `with_takeovers`: and what was taken over, which was no trade here; it is a lot all the same.
    """
    rows = Fill.objects.filter(order__venue=venue)
    if not with_takeovers:
        rows = rows.exclude(order__type=OrderType.TAKEOVER)
    if since:
        rows = rows.filter(traded_at__gte=since)
    if until:
        rows = rows.filter(traded_at__lt=until)
    # Trade ids are a symbol's own, and tell which of two fills of one moment came first.
    ordered = rows.order_by("traded_at", "trade_id", "pk").values_list(*_FIELDS)
    for at, place, symbol, side, base, quote_asset, *rest in ordered.iterator(chunk_size=5_000):
        price, quantity, quote, commission, commission_asset, commission_quote, *more = rest
        is_maker, trade_id, exchange_order_id, client_order_id, trader, slot, kind = more
        worth = _worth(price, commission, commission_asset, commission_quote, base, quote_asset)
        yield Traded(
            at,
            place,
            symbol,
            Side(side),
            base,
            quote_asset,
            price,
            quantity,
            quote,
            commission,
            commission_asset,
            worth,
            is_maker,
            trade_id,
            exchange_order_id,
            client_order_id,
            trader,
            slot,
            is_takeover=kind == OrderType.TAKEOVER,
        )


def sales(venue: Venue, since: datetime, until: datetime, fifo: Fifo) -> Iterator[Sale]:
    """The parts of what was sold, or taken as a commission, in that time, oldest first.

    `fifo` then holds the lots that are left.
    """
    for fill in traded(venue, until=until, with_takeovers=True):
        parts = fifo.take_in(fill)
        if fill.at >= since:
            yield from parts


def trade_row(fill: Traded, zone: tzinfo) -> list[object]:
    """In the order of TRADE_COLUMNS."""
    return [
        _time(fill.at, zone),
        fill.venue,
        fill.symbol,
        fill.side.lower(),
        fill.base_asset,
        fill.quote_asset,
        plain(fill.price),
        plain(fill.quantity),
        plain(fill.quote),
        plain(fill.commission),
        fill.commission_asset,
        _plain(fill.commission_quote),
        "maker" if fill.is_maker else "taker",
        fill.trade_id,
        fill.exchange_order_id,
        fill.client_order_id,
        fill.trader,
        fill.slot,
    ]


def lot_row(sale: Sale, zone: tzinfo) -> list[object]:
    """In the order of LOT_COLUMNS."""
    bought, sold = sale.bought, sale.sold
    return [
        sale.asset,
        sold.venue,
        _time(bought.at, zone) if bought else "",
        _time(sold.at, zone),
        (sold.at - bought.at).days if bought else "",
        plain(sale.quantity),
        plain(sale.cost) if bought else "",
        bought.quote_asset if bought else "",
        plain(sale.buy_fee) if bought and not bought.is_unvalued else "",
        plain(sale.proceeds),
        sold.quote_asset,
        "" if sold.is_unvalued else plain(sale.sell_fee),
        _plain(sale.gain),
        bought.symbol if bought else "",
        bought.trade_id if bought and not bought.is_takeover else "",
        sold.symbol,
        sold.trade_id,
        sale.note,
    ]


def _worth(
    price: Decimal,
    commission: Decimal,
    asset: str,
    known: Decimal | None,
    base_asset: str,
    quote_asset: str,
) -> Decimal | None:
    """A commission in quote; None where it is in a third asset that nobody has valued."""
    if asset == quote_asset or not commission:
        return commission
    return quote_of(price, commission) if asset == base_asset else known


def _plain(amount: Decimal | None) -> str:
    return "" if amount is None else plain(amount)


def _time(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).isoformat(sep=" ", timespec="milliseconds")

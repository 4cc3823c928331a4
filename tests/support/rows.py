"""Rows as a day of trading leaves them, for what shows them."""

from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import QuerySet
from django.utils import timezone

from hedgehog_project.venues import Venue
from trading.books import totals
from trading.core.journal import Cause, Kind, Source
from trading.core.orders import OrderStatus, Side
from trading.core.strategy import TraderState
from trading.models import Fill, Installation, Order, Symbol, Trader
from trading.models.journal import write


def make_trader(symbol: Symbol, slot: int = 1, venue: Venue = Venue.MOCK, **values: object) -> Trader:
    fields = {
        "budget": Decimal(200),
        "strategy_settings": {"buy_down_interval": "0.001", "profit_interval": "0.001"},
        **values,
    }
    trader = Trader.objects.create(symbol=symbol, slot=slot, venue=venue, **fields)
    totals.count(trader)
    return trader


def make_cycle(symbol: Symbol, profit: str, ended: datetime | None = None, venue: Venue = Venue.MOCK) -> Trader:
    """A finished cycle."""
    ended = ended or timezone.now()
    return make_trader(
        symbol,
        venue=venue,
        state=TraderState.FINISHED,
        profit=Decimal(profit),
        created_at=ended - timedelta(seconds=30),
        finished_at=ended,
    )


def change_cycles(rows: "QuerySet[Trader]", **values: object) -> None:
    """Changes ended cycles, and the totals that count them."""
    places = set(rows.order_by().values_list("venue", "symbol_id"))
    rows.update(**values)
    for venue, symbol_id in places:
        totals.rebuild(Venue(venue), symbol_id)


def own_id(trader: Trader | int, tail: str = "b-1") -> str:
    """The name of an order that this installation could have placed: for its trader, its side and anything."""
    number = trader if isinstance(trader, int) else trader.pk
    return f"hh-{Installation.own().identity}-{number}-{tail}"


def make_order(
    trader: Trader, side: Side = Side.BUY, status: OrderStatus = OrderStatus.NEW, **values: object
) -> Order:
    count = Order.objects.count()
    fields = {"price": Decimal("2997"), "quantity": Decimal("0.0667"), **values}
    return Order.objects.create(
        trader=trader,
        symbol=trader.symbol,
        venue=trader.venue,
        side=side,
        status=status,
        client_order_id=f"hh-{trader.pk}-{side[0].lower()}-{count:016x}",
        **fields,
    )


def make_fill(order: Order, trade_id: int = 1) -> Fill:
    """All of the order in one fill."""
    order.status, order.executed = OrderStatus.FILLED, order.quantity
    order.save()
    return Fill.objects.create(
        order=order,
        trade_id=trade_id,
        price=order.price,
        quantity=order.quantity,
        quote=order.price * order.quantity,
        commission=order.quantity / 1000,
        commission_asset=order.symbol.base_asset,
        traded_at=timezone.now(),
    )


def make_story(symbol: Symbol, slot: int = 1) -> Trader:
    """A live trader that has bought and now sells, with its journal."""
    waits_for = "waiting for the sell at 3005.99 to fill"
    trader = make_trader(symbol, slot, state=TraderState.SELLING, holds=True, waits_for=waits_for)
    buy = make_order(trader)
    make_fill(buy)
    sell = make_order(trader, Side.SELL, price=Decimal("3005.99"))
    task_id = "0c8a3b5e-55bb-4ad9-9a2e-3b0b3f0f7a11"
    woken = (
        Cause(Source.TRADE, "trade 7 at 3000", task_id),
        Cause(Source.REPORT, "buy filled, 0.0667 of 0.0667", task_id),
    )
    for order, cause in zip((buy, sell), woken, strict=True):
        write(trader, cause, Kind.ORDERED, f"places {order}", "0.1 % under 3000", order)
    return trader

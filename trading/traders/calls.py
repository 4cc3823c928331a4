"""What is asked of an exchange for one order of ours. Each call returns what there is to hear, and wakes nobody."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from trading.books.booking import as_core
from trading.core.events import BalanceSeen, OrderReported
from trading.core.journal import Source
from trading.core.money import ZERO
from trading.core.orders import OrderReport, OrderStatus, Side
from trading.exchange.errors import NotFound, OutcomeUnknown
from trading.exchange.protocol import ARRIVES_WITHIN, Exchange
from trading.models import FillMark, Order
from trading.traders.rejections import is_namesake, report_of

# Once an order can't arrive any more, "not found" may mean that it was never placed. One such answer is no proof: an
# exchange may deny for a moment what it has, and a clock may have been set forward. The proof begins once it is given
# again so much later, by whatever clock, and nothing else was heard in between.
NOT_FOUND_FOR = ARRIVES_WITHIN
# One that was acknowledged is denied for longer before it counts as gone: that it was there is certain.
FORGOTTEN_AFTER = timedelta(seconds=60)
# It is asked every few seconds. Where more has passed since the first answer the clock was set forward, or nobody was
# there to ask: that answer counts for nothing.
NOT_FOUND_AGAIN_WITHIN, FORGOTTEN_WITHIN = timedelta(seconds=60), timedelta(seconds=180)


def query(row: Order, exchange: Exchange, asked_at: datetime, source: Source = Source.QUERY) -> OrderReported | None:
    """What became of an order; None while that is not clear. Raises the exchange's errors but NotFound."""
    try:
        report = exchange.order(row.symbol.name, row.client_order_id)
    except NotFound as error:
        return _not_found(row, exchange, asked_at, str(error), source)
    if is_namesake(row, report):
        text = f"an older order has the same id, exchange order {report.exchange_order_id}"
        return _not_found(row, exchange, asked_at, text, source)
    Order.objects.filter(pk=row.pk, not_found_at__isnull=False).update(not_found_at=None)
    return OrderReported(with_fills(row, report, exchange), source)


def cancel(row: Order, exchange: Exchange, asked_at: datetime) -> OrderReported | None:
    """Cancels an order that is known to rest; where it loses to a fill or the outcome is unclear, what became of it.

    Raises the exchange's errors but NotFound.
    """
    try:
        report = exchange.cancel(row.symbol.name, row.client_order_id)
    except (NotFound, OutcomeUnknown):
        return query(row, exchange, asked_at, source=Source.CANCEL)
    return OrderReported(with_fills(row, report, exchange), Source.CANCEL)


def with_fills(row: Order, report: OrderReport, exchange: Exchange) -> OrderReport:
    """The report with the order's fills, where it tells of more than is booked."""
    if report.executed <= as_core(row).booked:
        return report
    return replace(report, fills=exchange.fills(report.symbol, report.exchange_order_id))


def balance(row: Order, exchange: Exchange, is_certain: bool) -> BalanceSeen:
    """What the account has of an order's base asset. Raises the exchange's errors."""
    asset = row.symbol.base_asset
    free, locked = exchange.balances().get(asset, (ZERO, ZERO))
    sales = Order.objects.filter(venue=row.venue, side=Side.SELL, status__is_open=True, symbol__base_asset=asset)
    ours = sum((quantity - executed for quantity, executed in sales.values_list("quantity", "executed")), ZERO)
    return BalanceSeen(asset, free, max(locked - ours, ZERO), is_certain)


# --- an order that is not found -------------------------------------------------------------------


def _not_found(row: Order, exchange: Exchange, asked_at: datetime, text: str, source: Source) -> OrderReported | None:
    """What the order is, where the exchange says again that there is none; None while that may yet change."""
    if asked_at < row.submitted_at + ARRIVES_WITHIN:
        # It may still arrive: that it is not there yet says nothing. A clock set back: see set_clocks.py.
        return None
    is_unclear = row.status == OrderStatus.SUBMITTING
    if row.not_found_at is None or asked_at > row.not_found_at + (
        NOT_FOUND_AGAIN_WITHIN if is_unclear else FORGOTTEN_WITHIN
    ):
        Order.objects.filter(pk=row.pk, not_found_at=row.not_found_at).update(not_found_at=asked_at)
        return None
    if asked_at < row.not_found_at + (NOT_FOUND_FOR if is_unclear else FORGOTTEN_AFTER):
        return None
    found = make_impossible(row, exchange)
    if found is not None:
        return OrderReported(with_fills(row, found, exchange), source)
    if row.status == OrderStatus.SUBMITTING:
        return OrderReported(report_of(row, OrderStatus.NOT_PLACED, "The exchange never received it."), source)
    # It was acknowledged once: the exchange has begun its books anew, as testnet does every month.
    reason = f"The exchange did not find it: {text}"
    return OrderReported(report_of(row, OrderStatus.NOT_FOUND, reason), source)


def make_impossible(row: Order, exchange: Exchange) -> OrderReport | None:
    """Sees to it that an order that is not found can't trade any more; the order, where it shows all the same.

    It is cancelled by its client order id, which does no harm where there is none, and then looked for among the open
    orders, all orders and the trades: each is kept elsewhere, and one may show what another denies. Raises the
    exchange's errors: nothing is proven then.
    """
    symbol = row.symbol.name
    try:
        return exchange.cancel(symbol, row.client_order_id)
    except NotFound:
        pass
    if there := _named(row, exchange.open_orders(symbol)):
        return there
    since = _order_before(row)
    orders = exchange.orders(symbol, since)
    if there := _named(row, orders):
        return there
    # A trade tells its order's number alone. One of a later order that no list shows may be of this one.
    mark = FillMark.objects.filter(venue=row.venue, symbol=symbol).values_list("trade_id", flat=True).first()
    traded = {order_id for order_id, _ in exchange.trades(symbol, mark or 0)}
    listed = {report.exchange_order_id for report in orders}
    first = since or min(listed, default=0)
    if any(order_id > first for order_id in traded - listed):
        raise OutcomeUnknown(f"A trade of {symbol} belongs to an order that the exchange does not list yet")
    return None


def _named(row: Order, reports: Iterable[OrderReport]) -> OrderReport | None:
    same = (report for report in reports if report.client_order_id == row.client_order_id)
    return next((report for report in same if not is_namesake(row, report)), None)


def _order_before(row: Order) -> int | None:
    """The exchange's number of our last order in the symbol before this one; None where there is none.

    Numbers grow, but on an exchange that begins its books anew: so the last one, not the highest.
    """
    before = Order.objects.filter(venue=row.venue, symbol=row.symbol_id, pk__lt=row.pk).order_by("-pk")
    return before.filter(exchange_order_id__isnull=False).values_list("exchange_order_id", flat=True).first()

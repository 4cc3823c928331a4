"""A holding that a person gives to a trader: it stands in the books as a filled buy that no exchange knows.

So its cost, its profit, its lots and what it binds are told as of anything that was bought. Whoever compares the
books with an exchange leaves it out: it was on the account before.
"""

from datetime import datetime
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from hedgehog_project.venues import Venue
from trading.by_hand.plans import plan_takeover
from trading.by_hand.saying import Hands, Outcome, save, wake
from trading.core.journal import Kind
from trading.core.money import EXACT, plain, round_down
from trading.core.orders import OrderStatus, OrderType, Side
from trading.core.strategy import TraderState
from trading.exchange.protocol import ExchangeAt
from trading.identity.names import new_client_order_id
from trading.models import Fill, Order, Symbol, Trader, TradingSettings
from trading.models.journal import write


def take_over(
    symbol: Symbol,
    venue: Venue,
    quantity: Decimal,
    cost: Decimal,
    hands: Hands,
    exchange_at: ExchangeAt,
    acquired_at: datetime | None = None,
) -> Outcome:
    """Begins a trader that holds so much, in base, which has cost so much, in quote, and sells it by the strategy.

    `acquired_at`: for the lots; by default now. Raises ValidationError, for people, and the exchange's errors.
    """
    free = exchange_at(venue).balances().get(symbol.base_asset, (Decimal(0), Decimal(0)))[0]
    with transaction.atomic():
        outcome = save(hands, "take over", symbol=symbol, venue=venue)
        if not outcome.is_new:
            return outcome
        settings = TradingSettings.objects.select_for_update().select_related("symbol").filter(symbol=symbol).first()
        plan = plan_takeover(symbol, venue, quantity, cost, free)
        if plan.why_not or settings is None:
            raise ValidationError(f"{symbol.name}: {plan.why_not}.")
        try:
            with transaction.atomic():
                # Over the symbol's own slots: it is sold by the strategy, and nobody follows.
                trader = Trader.born(
                    settings,
                    venue,
                    plan.slot,
                    budget=cost,
                    state=TraderState.HOLDING,
                    holds=True,
                    retry_at=timezone.now(),
                )
        except IntegrityError:
            raise ValidationError(f"{symbol.name}: somebody was quicker. Try again.") from None
        _book(trader, quantity, cost, hands, acquired_at or timezone.now())
        row = outcome.instruction
        row.trader, row.price = trader, plan.trade.price if plan.trade else None
        row.text = f"take over {plain(quantity)} {symbol.base_asset} that cost {plain(cost)} {symbol.quote_asset}"
        row.details = {"quantity": plain(quantity), "cost": plain(cost)}
        row.save(update_fields=["trader", "price", "text", "details"])
        wake(trader, "takes over a holding")
    return outcome


def _book(trader: Trader, quantity: Decimal, cost: Decimal, hands: Hands, at: datetime) -> None:
    # Rounded down, so that it binds no more than it has cost.
    price = round_down(EXACT.divide(cost, quantity))
    row = Order.objects.create(
        trader=trader,
        symbol=trader.symbol,
        venue=trader.venue,
        side=Side.BUY,
        type=OrderType.TAKEOVER,
        price=price,
        quantity=quantity,
        executed=quantity,
        status=OrderStatus.FILLED,
        client_order_id=new_client_order_id(trader, Side.BUY),
        submitted_at=timezone.now(),
        reason=f"taken over by {hands.by}"[:300],
    )
    base, quote = trader.symbol.base_asset, trader.symbol.quote_asset
    text = f"takes over {plain(quantity)} {base} that cost {plain(cost)} {quote}"
    entry = write(trader, hands.cause, Kind.BEGAN, "started", f"{text}; {hands.why}" if hands.why else text, row)
    Fill.objects.create(
        order=row, trade_id=0, price=price, quantity=quantity, quote=cost, is_maker=True, traded_at=at, entry=entry
    )

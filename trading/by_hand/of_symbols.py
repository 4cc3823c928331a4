"""What people do to a symbol, or to all at a venue. Each raises ValidationError where it can't be done."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from hedgehog_project.venues import Venue
from trading.by_hand.of_traders import tell_to_sell
from trading.by_hand.plans import SLIPPAGE, SalePlan, plan_buy, plan_sale
from trading.by_hand.saying import Hands, Outcome, change, save
from trading.core.hand import Deed, Told
from trading.core.money import plain
from trading.models import Slot, Symbol, Trader, TradingSettings
from trading.models.switch import TradingMode
from trading.models.symbols import TradingStatus
from trading.risk import kill_switch
from trading.symbols import turning
from trading.traders import next_cycle
from trading.traders.rows import locked


@dataclass(frozen=True)
class Many:
    """What was done to several traders. `not_told`: in words, by trader, why one could not be told to sell."""

    outcome: Outcome
    told: tuple[int, ...] = ()  # traders
    not_told: dict[int, str] = field(default_factory=dict)


def pause_symbol(symbol: Symbol, hands: Hands) -> Outcome:
    """No trader of it buys until it is resumed; what they hold is sold as ever."""
    with transaction.atomic():
        outcome = save(hands, "pause symbol", f"pause the buys of {symbol.name}", symbol=symbol)
        if outcome.is_new:
            _pause(symbol, hands.by)
    return outcome


def resume_symbol(symbol: Symbol, hands: Hands) -> Outcome:
    """Ends its pause; its traders look again within seconds. Those that were paused themselves stay so."""
    with transaction.atomic():
        outcome = save(hands, "resume symbol", f"resume the buys of {symbol.name}", symbol=symbol)
        if outcome.is_new:
            rows = TradingSettings.objects.filter(symbol=symbol)
            rows.update(paused_by="", paused_at=None)
            live = Trader.objects.filter(symbol=symbol, finished_at__isnull=True, retry_at__gt=timezone.now())
            live.update(retry_at=timezone.now())
    return outcome


def open_slot(symbol: Symbol, venue: Venue, number: int, hands: Hands) -> Outcome:
    """Opens a slot again that was closed by hand: the leader begins a cycle in it."""
    with transaction.atomic():
        text = f"open slot {number} of {symbol.name} at {venue}"
        outcome = save(hands, "open", text, symbol=symbol, venue=venue)
        closed = Slot.objects.filter(symbol=symbol, venue=venue, number=number, is_closed=True)
        if outcome.is_new and not closed.update(is_closed=False):
            raise ValidationError(f"Slot {number} of {symbol.name} at {venue} is not closed.")
    return outcome


def plan_sales(venue: Venue, symbols: Sequence[Symbol] | None, slippage: Decimal | None = SLIPPAGE) -> list[SalePlan]:
    """What selling everything would do: of each live trader that holds something or has an open order."""
    plans = [plan_sale(trader, slippage) for trader in _live(venue, symbols)]
    return [plan for plan in plans if plan.quantity or plan.cancels]


def sell_everything(symbol: Symbol, venue: Venue, hands: Hands, slippage: Decimal | None = SLIPPAGE) -> Many:
    """Pauses the symbol's buys, so that nothing is bought until it is resumed, and has all its traders at the venue
    sell what they hold.
    """
    text = f"sell everything of {symbol.name} at {venue}"
    with transaction.atomic():
        outcome = save(hands, "sell everything", text, symbol=symbol, venue=venue)
        if outcome.is_new:
            _pause(symbol, hands.by)
    return _sell_all(_meant(outcome, _live(venue, [symbol])), hands, outcome, slippage)


def flatten(venue: Venue, hands: Hands, slippage: Decimal | None = SLIPPAGE) -> Many:
    """Gets out of everything at a venue: denies all buys, at any venue, until trading is resumed; cancels; sells.

    What is off but holds something shuts down, for whatever is off sells nothing.
    """
    with transaction.atomic():
        outcome = save(hands, "flatten", f"get out of everything at {venue}", venue=venue)
        if outcome.is_new:
            kill_switch.halt(hands.by, hands.why or "get out of everything", TradingMode.REDUCING, cancel_buys=True)
            turning.turn(off_and_holding(venue), TradingStatus.SHUTDOWN)
    return _sell_all(_meant(outcome, _live(venue, None)), hands, outcome, slippage)


def off_and_holding(venue: Venue) -> list[Symbol]:
    """Symbols that are off, and of which a trader holds something or has an open order."""
    live = Trader.objects.filter(venue=venue, finished_at__isnull=True, holds=True).order_by()
    rows = Symbol.objects.filter(settings__status=TradingStatus.OFF, pk__in=live.values("symbol"))
    return list(rows.order_by("name"))


def _live(venue: Venue, symbols: Sequence[Symbol] | None) -> "QuerySet[Trader]":
    live = Trader.objects.filter(venue=venue, finished_at__isnull=True).select_related("symbol")
    live = live if symbols is None else live.filter(symbol__in=symbols)
    return live.order_by("symbol__name", "slot")


def _meant(outcome: Outcome, live: "QuerySet[Trader]") -> list[int]:
    """Whom it means: all that live once buys are denied, so to be called after that is committed. Those that begin
    later are nobody's to sell, however often it is said.
    """
    row = outcome.instruction
    if "traders" not in row.details:
        row.details = {"traders": list(live.values_list("pk", flat=True))}
        row.save(update_fields=["details"])
    found: list[int] = row.details["traders"]
    return found


def _sell_all(traders: Iterable[int], hands: Hands, outcome: Outcome, slippage: Decimal | None) -> Many:
    """One by one, each in its transaction. Said again it tells those of them that were not told yet."""
    told, not_told = [], {}
    for pk in traders:
        with transaction.atomic():
            row = locked(pk)
            if row is None or row.has_ended:
                continue
            plan = plan_sale(row, slippage)
            if not plan.quantity and not plan.cancels:
                continue
            if plan.why_not:
                not_told[row.pk] = plan.why_not
                continue
            each = save(hands.for_each(row.pk), "sell", trader=row)
            if each.is_new:
                tell_to_sell(row, plan, hands, each)
            told.append(row.pk)
    return Many(outcome, tuple(told), not_told)


def _pause(symbol: Symbol, by: str) -> None:
    TradingSettings.objects.filter(symbol=symbol).update(paused_by=by[:150], paused_at=timezone.now())


def buy_now(symbol: Symbol, venue: Venue, hands: Hands, slippage: Decimal = SLIPPAGE) -> Outcome:
    """Begins one more trader, which buys at once for its whole order size, for no more than this far above the last
    price, and then trades by the strategy. Within max slots, all limits and the gate: says why not.
    """
    with transaction.atomic():
        outcome = save(hands, "buy", symbol=symbol, venue=venue)
        if not outcome.is_new:
            return outcome
        # Two at a time would find the same slot, and the same room under a limit.
        settings = TradingSettings.objects.select_for_update().select_related("symbol").get(symbol=symbol)
        plan = plan_buy(symbol, venue, slippage)
        if plan.why_not or plan.trade is None:
            raise ValidationError(f"{symbol.name}: {plan.why_not}.")
        try:
            with transaction.atomic():
                trader = next_cycle.begin(settings, venue, plan.slot)
        except IntegrityError:
            raise ValidationError(f"{symbol.name}: slot {plan.slot} has just got its trader. Try again.") from None
        if trader is None:
            raise ValidationError(f"{symbol.name}: no trader can begin now; its page says why.")
        Slot.objects.get_or_create(symbol=symbol, venue=venue, number=plan.slot)
        told = Told(Deed.BUY, hands.by[:150], plan.trade.price, plan.bound).to_texts()
        limit = f"at {plain(plan.bound)} or below"
        change(trader, hands, f"told to buy now, {limit}", told=told)
        row = outcome.instruction
        row.trader, row.price = trader, plan.trade.price
        row.text = f"buy {plain(plan.quantity)} {symbol.base_asset} in slot {plan.slot}, {limit}"[:300]
        row.save(update_fields=["trader", "price", "text"])
    return outcome

"""The arithmetic of risk limits: which orders they deny, in which words, and for how long. It asks no clock.

What a limit looks at comes from `Figures`: in SQL these are in figures.py, and whoever runs the same rules in memory
has others. Exits pass every limit.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Protocol

from trading.core.denials import Check, Denial, Rule
from trading.core.fees import BNB
from trading.core.filters import SymbolFilters
from trading.core.money import EXACT, QUOTE_UNIT, ZERO, plain, share_of
from trading.core.orders import UNVALUED, Side

# How long a denied trader rests: denied by what only time or a person changes; by what a cycle's end changes; by
# prices that do not come.
LONG, SHORT, FEED = timedelta(seconds=60), timedelta(seconds=10), timedelta(seconds=3)
# How long one rests that finds the symbol's book full of orders.
FULL = timedelta(seconds=10)
# How long one rests whose order would meet an own one, which is about to trade.
MEETS = timedelta(seconds=2)
MINUTE_MS, DAY_MS = 60_000, 86_400_000


# --- what is set ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class SymbolLimits:
    """What denies the buys of one symbol. None is off."""

    max_exposure: Decimal | None = None  # in the quote asset
    max_open_orders: int | None = None
    max_daily_loss: Decimal | None = None  # in the quote asset
    max_consecutive_losses: int | None = None
    cooldown_minutes: int = 60
    max_price_age_s: int | None = None
    deny_in_gaps: bool = False


@dataclass(frozen=True)
class AccountLimits:
    """What denies the buys of an account. None is off."""

    quote_asset: str = "USDT"
    max_exposure: Decimal | None = None
    quote_reserve: Decimal | None = None
    bnb_reserve: Decimal | None = None
    max_orders_per_minute: int | None = None

    def reserve_of(self, asset: str) -> Decimal:
        """What of it is to stay free where it is paid with; 0 where nothing is."""
        of_quote = self.quote_reserve if asset == self.quote_asset else None
        of_bnb = self.bnb_reserve if asset == BNB else None
        return max(of_quote or ZERO, of_bnb or ZERO)


# --- what they look at ----------------------------------------------------------------------------


class PricesUnknown(Exception):
    """Where prices are kept nobody answers just now."""


@dataclass(frozen=True)
class Buy:
    """The order that wants to pass."""

    symbol: str
    quote_asset: str
    venue: str
    cost: Decimal  # in quote
    now_ms: int


@dataclass(frozen=True)
class Gain:
    """What ended cycles brought. `is_partly_unknown`: less commissions of unknown value."""

    profit: Decimal = ZERO
    is_partly_unknown: bool = False


@dataclass(frozen=True)
class Met:
    """An own open order that another would meet. `row` is its owner's number for it."""

    row: int
    slot: int
    side: Side
    price: Decimal


class Figures(Protocol):
    """Of a symbol and its account as they are when an order is about to be saved. Each is asked only where needed."""

    def symbol_limits(self) -> SymbolLimits | None:
        """As they are by now. From here on nobody else passes who could take the same room; None: they are gone."""

    def account_limits(self) -> AccountLimits | None:
        """The same of the account's."""

    def has_gap(self) -> bool:
        """Whether trades of the symbol are missing. Raises PricesUnknown."""

    def price_age_s(self) -> float | None:
        """Of the symbol's last trade; None where there was none yet. Raises PricesUnknown."""

    def last_results(self, count: int) -> Sequence[tuple[int, Decimal]]:
        """When the symbol's last finished cycles ended, in ms, and their profits; the newest first."""

    def gain_since(self, since_ms: int) -> Gain:
        """Of the symbol's cycles that ended since then."""

    def open_orders(self) -> int:
        """Of the symbol's traders."""

    def bound(self, quote_asset: str = "") -> Decimal:
        """What open buys and what is held bind: of the symbol, or of all that are quoted in an asset."""

    def nth_last_sent_ms(self, nth: int, since_ms: int) -> int | None:
        """When the nth of the account's orders was sent, from the newest; None where fewer were sent since then."""

    def sent_since(self, since_ms: int) -> int: ...

    def free(self, asset: str) -> Decimal | None:
        """Of the account; None: it is not known."""

    def resting(self) -> int:
        """Open orders of the symbol at the exchange."""

    def met_by(self, side: Side, price: Decimal) -> Sequence[Met]:
        """Own open orders of the symbol that one of this side and price would meet, the best first."""


# --- at the exchange: these deny sales as well ----------------------------------------------------


def at_the_exchange(
    side: Side, price: Decimal, filters: SymbolFilters, venue: str, figures: Figures
) -> Denial | None:
    """What the exchange would not take, or would end at once."""
    return full_book(side, filters, venue, figures) or self_trade(side, price, figures)


def full_book(side: Side, filters: SymbolFilters, venue: str, figures: Figures) -> Denial | None:
    """MAX_NUM_ORDERS. A sale takes the place of its buy: only buys make orders more."""
    if side == Side.SELL or not filters.max_orders:
        return None
    count = figures.resting()
    if count < filters.max_orders:
        return None
    topic = f"max open orders of {filters.symbol} at {venue} reached"
    return Denial(f"{topic}: {count} of {filters.max_orders}", FULL, topic, Check.FULL_BOOK)


def self_trade(side: Side, price: Decimal, figures: Figures) -> Denial | None:
    """An own order on the other side that this one would meet: Binance would end one of the two (stp_faq.md)."""
    others = figures.met_by(side, price)
    if not others:
        return None
    topic = f"self-trade: it would match the {others[0].side.lower()} of slot {others[0].slot}"
    in_the_way = tuple(each.row for each in others)
    return Denial(f"{topic}, {plain(others[0].price)}", MEETS, topic, Check.SELF_TRADE, in_the_way)


# --- limits that are set --------------------------------------------------------------------------


def denial(buy: Buy, symbol: SymbolLimits | None, account: AccountLimits | None, figures: Figures) -> Denial | None:
    """What denies a buy; None where it may be placed. Limits that two could pass together, each seeing room for one,
    are read anew once nobody else can: see Figures.
    """
    return (symbol and _by_symbol(buy, symbol, figures)) or (account and _by_account(buy, figures)) or None


def _by_symbol(buy: Buy, limits: SymbolLimits, figures: Figures) -> Denial | None:
    found = (
        _feed(buy, limits, figures) or _consecutive_losses(buy, limits, figures) or _day_loss(buy, limits, figures)
    )
    if found is not None:
        return found
    by_now = figures.symbol_limits()
    if by_now is None:
        return None
    return _open_orders(buy, by_now, figures) or _bound(buy, by_now, figures)


def _feed(buy: Buy, limits: SymbolLimits, figures: Figures) -> Denial | None:
    max_s, name = limits.max_price_age_s, buy.symbol
    try:
        if limits.deny_in_gaps and figures.has_gap():
            text = f"data gap: missing trades of {name} are being fetched"
            return Denial(text, FEED, text, Rule.DATA_GAP)
        age_s = None if max_s is None else figures.price_age_s()
    except PricesUnknown as unknown:
        return Denial(str(unknown), FEED, str(unknown), Rule.DATA_GAP if max_s is None else Rule.STALE_PRICE)
    if max_s is None:
        return None
    topic = f"stale price: no trade of {name} for {max_s} s"
    if age_s is None:
        return Denial(f"no trade of {name} yet", FEED, topic, Rule.STALE_PRICE)
    if age_s <= max_s:
        return None
    reason = f"stale price: the last trade of {name} is {age_s:.0f} s old, max {max_s} s"
    return Denial(reason, FEED, topic, Rule.STALE_PRICE)


def _consecutive_losses(buy: Buy, limits: SymbolLimits, figures: Figures) -> Denial | None:
    wanted = limits.max_consecutive_losses
    if wanted is None:
        return None
    # Only a cycle that gave up its price ends at a loss: after a stop.
    lost_ms = [at_ms for at_ms, profit in figures.last_results(wanted) if profit < 0]
    if len(lost_ms) < wanted:
        return None
    until_ms = lost_ms[0] + limits.cooldown_minutes * MINUTE_MS
    if until_ms <= buy.now_ms:
        return None
    what = "the last cycle" if wanted == 1 else f"the last {wanted} cycles"
    until = datetime.fromtimestamp(until_ms // 1000, UTC)
    text = f"{what} of {buy.symbol} ended at a loss: buys paused until {until:%d %b %H:%M:%S} UTC"
    return Denial(text, min(LONG, _ms(until_ms - buy.now_ms)), text, Rule.CONSECUTIVE_LOSSES)


def _day_loss(buy: Buy, limits: SymbolLimits, figures: Figures) -> Denial | None:
    maximum = limits.max_daily_loss
    if maximum is None:
        return None
    midnight_ms = midnight(buy.now_ms)
    today = figures.gain_since(midnight_ms)
    lost = -today.profit
    if lost < maximum:
        return None
    topic = f"max daily loss of {buy.symbol} reached, {plain(maximum)} {buy.quote_asset}"
    more = " and commissions of unknown value" if today.is_partly_unknown else ""
    reason = f"{topic}: {plain(lost)}{more} since midnight UTC"
    return Denial(reason, min(LONG, _ms(midnight_ms + DAY_MS - buy.now_ms)), topic, Rule.DAILY_LOSS)


def _open_orders(buy: Buy, limits: SymbolLimits, figures: Figures) -> Denial | None:
    maximum = limits.max_open_orders
    if maximum is None:
        return None
    count = figures.open_orders()
    if count < maximum:
        return None
    topic = f"max open orders of {buy.symbol}, {maximum}, reached"
    return Denial(f"{topic}: {count} open", SHORT, topic, Rule.OPEN_ORDERS)


def _bound(buy: Buy, limits: SymbolLimits, figures: Figures) -> Denial | None:
    maximum = limits.max_exposure
    if maximum is None:
        return None
    now_bound = figures.bound()
    if now_bound + buy.cost <= maximum:
        return None
    topic = f"max exposure of {buy.symbol}, {plain(maximum)} {buy.quote_asset}"
    return Denial(f"{topic}: {_needs(now_bound, buy)}", SHORT, topic, Rule.SYMBOL_EXPOSURE)


def _by_account(buy: Buy, figures: Figures) -> Denial | None:
    by_now = figures.account_limits()
    if by_now is None:
        return None
    return _order_rate(buy, by_now, figures) or _exposure(buy, by_now, figures) or _reserves(buy, by_now, figures)


def _order_rate(buy: Buy, limits: AccountLimits, figures: Figures) -> Denial | None:
    maximum = limits.max_orders_per_minute
    if maximum is None:
        return None
    # The rest is kept for exits, as with the exchange's own limits.
    for_buys = max(1, maximum * 4 // 5)
    since_ms = buy.now_ms - MINUTE_MS
    nth_ms = figures.nth_last_sent_ms(for_buys, since_ms)
    if nth_ms is None:
        return None
    topic = f"max {maximum} orders per minute at {buy.venue}"
    reason = f"{topic}, one fifth reserved for exits: {figures.sent_since(since_ms)} sent in the last minute"
    return Denial(reason, max(_ms(1_000), _ms(nth_ms - since_ms)), topic, Rule.ORDER_RATE)


def _exposure(buy: Buy, limits: AccountLimits, figures: Figures) -> Denial | None:
    maximum = limits.max_exposure
    if maximum is None or buy.quote_asset != limits.quote_asset:
        return None
    now_bound = figures.bound(limits.quote_asset)
    if now_bound + buy.cost <= maximum:
        return None
    topic = f"max account exposure at {buy.venue}, {plain(maximum)} {buy.quote_asset}"
    return Denial(f"{topic}: {_needs(now_bound, buy)}", SHORT, topic, Rule.ACCOUNT_EXPOSURE)


def _reserves(buy: Buy, limits: AccountLimits, figures: Figures) -> Denial | None:
    reserves = {buy.quote_asset: limits.reserve_of(buy.quote_asset)}
    reserves.setdefault(BNB, limits.bnb_reserve or ZERO)
    denials = (_reserve(buy, asset, minimum, figures) for asset, minimum in reserves.items() if minimum)
    return next((denial for denial in denials if denial), None)


def _reserve(buy: Buy, asset: str, minimum: Decimal, figures: Figures) -> Denial | None:
    free = figures.free(asset)
    cost = buy.cost if buy.quote_asset == asset else ZERO
    if free is not None and free - cost >= minimum:
        return None
    topic = f"reserve of {plain(minimum)} {asset} at {buy.venue}"
    if free is None:
        return Denial(f"{topic}; the free balance is not known yet", SHORT, topic, Rule.RESERVE)
    needs = f", this buy needs {plain(cost)}" if cost else ""
    return Denial(f"{topic}: {plain(free)} free{needs}", SHORT, topic, Rule.RESERVE)


def _needs(now_bound: Decimal, buy: Buy) -> str:
    return f"{plain(now_bound)} in use, this buy needs {plain(buy.cost)}"


def midnight(now_ms: int) -> int:
    """When the UTC day began, in ms."""
    return now_ms - now_ms % DAY_MS


def _ms(ms: int) -> timedelta:
    return timedelta(milliseconds=ms)


# --- what is bound --------------------------------------------------------------------------------

# Amounts are in units of 1e-8, so a price times a quantity is in units of 1e-16.
_ONE = 10**8
_PRODUCT = Decimal(1).scaleb(-16)


@dataclass(frozen=True, slots=True)
class Binding:
    """An order of a live trader that has traded or still may; amounts are whole units of 1e-8. What the trader has
    carried over and what it is missing stands with each of its orders.
    """

    trader: int
    side: Side
    is_open: bool
    price: int
    quantity: int
    executed: int
    carried: int = 0
    carried_cost: int = 0
    missing: int = 0


def bound(orders: Iterable[Binding], left_over: Decimal = ZERO) -> Decimal:
    """What they bind, in quote. A buy counts at its own price, which is its maximum cost: what is open of it, and
    what has executed, less the part that is sold or missing. `left_over`: what was left over counts at its cost,
    whether a trader has taken it along or not. Commissions do not count.
    """
    # Whole numbers: a Decimal for each of thousands of cells would take longer than the query.
    cost: dict[int, int] = defaultdict(int)
    bought: dict[int, int] = defaultdict(int)
    sold: dict[int, int] = defaultdict(int)
    still_open = 0
    for order in orders:
        trader = order.trader
        if trader not in bought:
            bought[trader], sold[trader] = order.carried, order.missing
            cost[trader] = order.carried_cost * _ONE
        if order.side == Side.SELL:
            sold[trader] += order.executed
            continue
        bought[trader] += order.executed
        cost[trader] += order.price * order.executed
        if order.is_open:
            still_open += order.price * (order.quantity - order.executed)
    # Rounded up, for a limit's sake.
    held = sum(-(-cost[each] * max(bought[each] - sold[each], 0) // bought[each]) for each in bought if bought[each])
    now_bound = EXACT.multiply(Decimal(still_open + held), _PRODUCT) + left_over
    return EXACT.quantize(now_bound, QUOTE_UNIT).normalize(EXACT)


# --- order size -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Size:
    """A trader's budget in quote, and in words how it comes about; None: there can be no trader now, and why."""

    budget: Decimal | None
    text: str


def fixed_size(budget: Decimal, slots: int, quote: str, so_far: Gain | None = None) -> Size:
    """A slot's part of a fixed budget. `so_far`: what the symbol brought, where that is traded along."""
    total, text = budget, f"the budget of {plain(budget)} {quote}"
    if so_far is not None:
        total += so_far.profit
        unknown = f" {UNVALUED}" if so_far.is_partly_unknown else ""
        how = "plus the profit" if so_far.profit > 0 else "less the loss"
        text += f" {how} of {plain(abs(so_far.profit))} {quote}{unknown} so far" if so_far.profit else ""
    return _part(total, slots, text)


def share_size(share: Decimal, slots: int, quote: str, free: Decimal, reserve: Decimal, own: Decimal) -> Size:
    """A slot's part of a share of the balance. `own`: what the symbol's traders have bound came out of the same
    balance, so that each gets as much as the first.
    """
    base = max(free - reserve, ZERO) + own
    kept = f" above the reserve of {plain(reserve)}" if reserve else ""
    text = f"{plain(share.scaleb(2))} % of {plain(free)} {quote} free{kept} plus {plain(own)} in use"
    return _part(EXACT.multiply(base, share), slots, text)


def _part(total: Decimal, slots: int, text: str) -> Size:
    text = f"{text}, split into {slots} slot{'' if slots == 1 else 's'}"
    budget = share_of(total, slots)
    return Size(budget, text) if budget > 0 else Size(None, f"no budget left: {text}")


# --- drawdown -------------------------------------------------------------------------------------

FRACTION = Decimal("0.00000001")


@dataclass(frozen=True)
class Marks:
    """How far a venue's gain has come, and its highs, as of the last look. `has_tripped`: it has stopped trading."""

    gain: Decimal
    high: Decimal
    high_ms: int
    day: date
    day_high: Decimal
    looked_ms: int
    drawdown: Decimal = ZERO
    has_tripped: bool = False

    @classmethod
    def begin(cls, gain: Decimal, now_ms: int) -> "Marks":
        return cls(gain, gain, now_ms, day_of(now_ms), gain, now_ms)

    def top(self, *, of_day: bool) -> Decimal:
        """The high that the drawdown is measured from."""
        return self.day_high if of_day else self.high


def look(marks: Marks, gain: Decimal, capital: Decimal, now_ms: int, *, of_day: bool, is_active: bool) -> Marks:
    """The marks as this gain leaves them. `is_active`: trading goes on; where it was stopped, a person has resumed.

    What one look alone shows may be a slip: of a price, or of a fill that was booked between two queries.
    """
    low, high = sorted((gain, marks.gain))
    has_resumed = marks.has_tripped and is_active
    if has_resumed:
        # A person knows of it and goes on: from here.
        marks = replace(marks, has_tripped=False, high=gain, high_ms=now_ms, day_high=gain)
    if low > marks.high:
        marks = replace(marks, high=low, high_ms=now_ms)
    if marks.day != day_of(now_ms):
        marks = replace(marks, day=day_of(now_ms), day_high=low)
    marks = replace(marks, day_high=max(marks.day_high, low), gain=gain, looked_ms=now_ms)
    top = marks.top(of_day=of_day)
    return replace(marks, drawdown=fraction(top - (gain if has_resumed else high), capital + top))


def is_too_much(drawdown: Decimal, maximum: Decimal | None) -> bool:
    """Whether a drawdown reaches its limit."""
    return maximum is not None and drawdown >= maximum


def day_of(now_ms: int) -> date:
    return datetime.fromtimestamp(now_ms // 1000, UTC).date()


def fraction(fallen: Decimal, of: Decimal) -> Decimal:
    """What part of the high's equity is gone; 0 where nothing is, or where there is nothing to be a part of."""
    if fallen <= 0 or of <= 0:
        return ZERO
    with localcontext(EXACT):
        return (fallen / of).quantize(FRACTION)

"""The arithmetic of prices and quantities. Decimals in, Decimals out; nothing here rounds in a trader's disfavour."""

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Context, Decimal, localcontext

# Prices times quantities of Binance's 64-bit amounts need up to 38 digits.
EXACT = Context(prec=60, rounding=ROUND_DOWN)
ONE = Decimal(1)
ZERO = Decimal(0)
# The decimals of a quote amount on Binance (quoteAssetPrecision).
QUOTE_UNIT = Decimal("0.00000001")
MAX_AMOUNT = Decimal("92233720368.54775807")


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """The greatest multiple of `step` that is not above `value`. A step of 0 is none: Binance's finest is left.

    >>> floor_to(Decimal("102.2041"), Decimal("0.01"))
    Decimal('102.20')
    """
    step = step if step > 0 else QUOTE_UNIT
    with localcontext(EXACT):
        return (value // step) * step


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` that is not below `value`. A step of 0 is none: Binance's finest is left."""
    down = floor_to(value, step)
    return down if down == value else EXACT.add(down, step if step > 0 else QUOTE_UNIT)


def plain(value: Decimal) -> str:
    """The number as Binance takes it and people read it: a plain decimal, never `1E-5`, no zeros at its end."""
    return format(value.normalize(EXACT), "f")


def quote_of(price: Decimal, quantity: Decimal) -> Decimal:
    """price * quantity in the quote asset, cut to its 8 decimals as the exchange does."""
    with localcontext(EXACT):
        return (price * quantity).quantize(QUOTE_UNIT)


def buy_price(price: Decimal, buy_down_interval: Decimal, tick: Decimal) -> Decimal:
    """A little below the market: floor_tick(price * (1 - buy_down_interval))."""
    with localcontext(EXACT):
        return floor_to(price * (ONE - buy_down_interval), tick)


def buy_quantity(budget: Decimal, price: Decimal, step: Decimal) -> Decimal:
    """What the budget, in quote, buys at this price: floor_step(budget / price)."""
    with localcontext(EXACT):
        return floor_to(budget / price, step)


# A buy is made smaller by this part at most, so that whole steps are left of it after its commission.
MAX_CUT = Decimal("0.01")


def whole_after(quantity: Decimal, step: Decimal, fee: Decimal) -> Decimal:
    """The greatest quantity up to this one of which the commission, a fraction of it, leaves whole steps.

    Where that is more than MAX_CUT less, the quantity itself: what is left over then goes into a later sale.

    >>> whole_after(Decimal("1.0499"), Decimal("0.0001"), Decimal("0.001"))
    Decimal('1.0000')
    """
    if step <= 0 or fee <= 0:
        return quantity
    _, parts = fee.as_integer_ratio()
    whole = floor_to(quantity, step * parts)
    return whole if whole >= EXACT.multiply(quantity, ONE - MAX_CUT) else quantity


def cost_after(price: Decimal, buy_fee: Decimal) -> Decimal:
    """What a unit bought at this price costs once the commission, a fraction (0.001 = 0.1 %), is taken out of it."""
    return EXACT.divide(price, ONE - buy_fee)


def sell_price(cost: Decimal, profit_interval: Decimal, tick: Decimal, sell_fee: Decimal) -> Decimal:
    """The price that returns the wanted profit on what a unit has cost, after the commission of the sale.

    floor_tick(cost * (1 + profit_interval) * (1 + sell_fee)), fractions as 0.001 = 0.1 %. Where a tick is so large a
    part of the price that this would not return the cost, it is the first price that does: no rounding makes each
    cycle a loss.
    """
    with localcontext(EXACT):
        wanted = floor_to(cost * (ONE + profit_interval) * (ONE + sell_fee), tick)
        even = cost / (ONE - sell_fee)
        return wanted if wanted >= even else ceil_to(even, tick)


def can_be_stored(value: object) -> bool:
    """Whether it is an amount that rows hold: a Decimal of at most 8 decimals, and of 64 bits in units of 1e-8."""
    if not isinstance(value, Decimal) or not value.is_finite() or abs(value) > MAX_AMOUNT:
        return False
    return value == round_down(value)


def share_of(budget: Decimal, slots: int) -> Decimal:
    """One slot's share of a symbol's budget, cut to 8 decimals."""
    with localcontext(EXACT):
        return (budget / slots).quantize(QUOTE_UNIT)


def round_down(price: Decimal) -> Decimal:
    """The greatest price of 8 decimals, Binance's finest, that is not above this one."""
    return price.quantize(QUOTE_UNIT, ROUND_FLOOR, EXACT)


def round_up(price: Decimal) -> Decimal:
    """The lowest price of 8 decimals that is not below this one."""
    return price.quantize(QUOTE_UNIT, ROUND_CEILING, EXACT)


def just_under(price: Decimal) -> Decimal:
    """The highest price of 8 decimals that is lower: a trade at or below it is below `price`."""
    return round_up(price) - QUOTE_UNIT


def just_over(price: Decimal) -> Decimal:
    """The lowest price of 8 decimals that is higher."""
    return round_down(price) + QUOTE_UNIT


def rounded(value: Decimal, digits: int = 6) -> str:
    """The number with about so many digits, yet at least 2 decimals: 12.345678 -> 12.3457."""
    places = min(8, max(2, digits - 1 - value.adjusted())) if value else 2
    return plain(round(value, places))

"""Arithmetic of the exchange: exact decimals of eight places, cut off and never rounded up."""

from decimal import ROUND_DOWN, Context, Decimal

UNIT = Decimal("0.00000001")
ZERO = Decimal(0)
# Wide enough for the product of any two amounts; what is cut is always cut towards zero.
_WIDE = Context(prec=60, rounding=ROUND_DOWN)


def cut(value: Decimal) -> Decimal:
    """The value without what lies beyond the eighth decimal."""
    return value.quantize(UNIT, context=_WIDE)


def times(price: Decimal, quantity: Decimal) -> Decimal:
    """price * quantity, cut to eight decimals: how the exchange reckons quote amounts and commissions."""
    return _WIDE.multiply(price, quantity).quantize(UNIT, context=_WIDE)


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of step that is not above value. A step of 0 is no step at all."""
    return cut(value) if step == 0 else _WIDE.multiply(_WIDE.divide_int(value, step), step)


def quotient(amount: Decimal, divisor: Decimal) -> Decimal:
    """amount / divisor, cut to eight decimals."""
    return cut(_WIDE.divide(amount, divisor))


def is_multiple(value: Decimal, step: Decimal) -> bool:
    return step == 0 or _WIDE.remainder(value, step) == 0


def text(value: Decimal) -> str:
    """The amount as the exchange writes it: plain, always with eight decimals."""
    return format(value, ".8f")

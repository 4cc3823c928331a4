"""Arithmetic of the exchange: exact decimals of eight places, cut off and never rounded up."""

from decimal import Decimal

from candles.worth import UNIT, ZERO, times
from candles.worth import WIDE as _WIDE

__all__ = ["UNIT", "ZERO", "cut", "floor_to", "is_multiple", "quotient", "text", "times"]


def cut(value: Decimal) -> Decimal:
    """The value without what lies beyond the eighth decimal."""
    return value.quantize(UNIT, context=_WIDE)


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

"""What a quantity is worth, as Binance reckons it: cut to eight decimals and never rounded up."""

from decimal import ROUND_DOWN, Context, Decimal

UNIT = Decimal("0.00000001")
ZERO = Decimal(0)
# Wide enough for the product of any two amounts; what is cut is always cut towards zero.
WIDE = Context(prec=60, rounding=ROUND_DOWN)


def times(price: Decimal, quantity: Decimal) -> Decimal:
    """price * quantity, cut to eight decimals: how the exchange reckons quote amounts and commissions."""
    return WIDE.multiply(price, quantity).quantize(UNIT, context=WIDE)

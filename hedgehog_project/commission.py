"""The commissions of the mock exchange, as MOCK_COMMISSION writes them."""

from decimal import Decimal, InvalidOperation

# As Binance names them: the standard commission, and the two that are added to it.
SIDES = ("maker", "taker", "buyer", "seller")
NAMES = tuple(f"{kind}{side}" for kind in ("", "special_", "tax_") for side in SIDES)
USUAL = {"maker": Decimal("0.001"), "taker": Decimal("0.001")}
MAX_RATE = Decimal("0.1")


def read(text: str) -> dict[str, Decimal]:
    """ "maker=0,tax_maker=0.0011" as rates by name. A name that is missing has its usual rate, mostly 0.

    Raises ValueError with a line for people.
    """
    rates = dict(USUAL)
    for entry in filter(None, (entry.strip() for entry in text.split(","))):
        name, _, amount = (part.strip() for part in entry.partition("="))
        if name not in NAMES:
            raise ValueError(f"“{entry}” is not a commission: use {', '.join(NAMES)}")
        try:
            rate = Decimal(amount)
        except InvalidOperation:
            rate = Decimal(-1)
        if not (rate.is_finite() and 0 <= rate <= MAX_RATE and rate == round(rate, 8)):
            raise ValueError(
                f"“{entry}” is not a rate from 0 to {MAX_RATE}: use a fraction, for example {name}=0.001"
            )
        rates[name] = rate
    return rates

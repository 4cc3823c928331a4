"""Numbers and durations as pages show them. `static/trading/numbers.js` follows the same rules: one table tests both.

The comma groups thousands and the point marks decimals for every reader: commands, exports and input fields do the
same, and in a field "1.000" must not mean a thousand to one reader and one to another.
"""

from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from trading.core.money import EXACT, plain

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"
# Quote assets that are worth about a dollar: their amounts have cents.
LIKE_DOLLARS = frozenset(
    {"USDT", "USDC", "FDUSD", "TUSD", "BUSD", "DAI", "USD", "EUR", "AEUR", "EURI", "USD1", "USDS"}
)
CENTS = 2
DIGITS_OF_OTHERS = 4


def grouped(text: str) -> str:
    """Commas between the thousands of a plain decimal: 89412.30 -> 89,412.30."""
    sign, digits = (MINUS, text[1:]) if text.startswith("-") else ("", text)
    whole, point, decimals = digits.partition(".")
    return f"{sign}{int(whole or 0):,}{point}{decimals}"


def decimals_of(step: Decimal) -> int:
    """How many decimals a multiple of the step has; of 0, which is none, Binance's eight."""
    return max(0, -int(step.normalize(EXACT).as_tuple().exponent)) if step > 0 else 8


def fixed(value: Decimal, decimals: int) -> str:
    """With that many decimals, rounded half to even: 1234.5 -> 1,234.50."""
    with localcontext(EXACT):
        rounded = value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN)
    return grouped(f"{rounded if rounded else abs(rounded):f}")


def exact(value: Decimal) -> str:
    """All its digits: 0.05000000 -> 0.05."""
    return grouped(plain(value))


def price(value: Decimal, tick: Decimal) -> str:
    """On the tick, with the tick's decimals. One between two ticks, such as an average, is rounded to the nearest."""
    return fixed(value, decimals_of(tick))


def quantity(value: Decimal, step: Decimal) -> str:
    """With the decimals of the step, zeros kept, so that a column of them stands straight."""
    text = plain(value)
    has = len(text.partition(".")[2])
    return fixed(value, max(decimals_of(step), has))  # A commission leaves finer parts than a step.


def money(value: Decimal, asset: str) -> str:
    """An amount in lists and heads: with cents where the asset is like dollars, else with four significant digits."""
    return fixed(value, _places(value, asset))


def signed(value: Decimal, asset: str) -> str:
    """A gain or loss: +2.24, −0.83; zero without a sign. What is less than half a cent is +<0.01."""
    if not value:
        return money(value, asset)
    sign, places = "+" if value > 0 else MINUS, _places(value, asset)
    unit = Decimal(1).scaleb(-places)
    if abs(value) < unit / 2:
        return f"{sign}<{unit:f}"
    return f"{sign}{fixed(abs(value), places)}"


def percent(fraction: Decimal, decimals: int = 2) -> str:
    """A change: −0.0083 -> −0.83 %; zero without a sign."""
    text = fixed(abs(fraction).scaleb(2), decimals)
    is_nothing = not any(digit in "123456789" for digit in text)
    sign = "" if is_nothing else "+" if fraction > 0 else MINUS
    return f"{sign}{text} %"


def duration(seconds: float) -> str:
    """How long, in its two largest units: 52 s, 1 h 36 min, 3 d 4 h."""
    left = max(0, round(seconds))
    if left < 60:
        return f"{left} s"
    for size, unit, smaller, lesser in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if left >= size:
            rest = left % size // smaller
            return f"{left // size} {unit} {rest} {lesser}" if rest else f"{left // size} {unit}"
    raise AssertionError(left)


def _places(value: Decimal, asset: str) -> int:
    if asset in LIKE_DOLLARS or not value:
        return CENTS
    return min(8, max(CENTS, DIGITS_OF_OTHERS - 1 - value.adjusted()))

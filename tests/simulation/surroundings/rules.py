"""What the rules of a world are: by which strategy and settings its symbols trade, and what protects them.

All is drawn from the world's seed, each rule so that it acts in a part of the worlds and leaves the others alone.
"""

from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

from binance_mock.engine.fees import Part, Rates
from binance_mock.state.listings import MockSymbol
from hedgehog_project.venues import Venue
from trading.models import AccountProtections, Symbol, SymbolProtections
from trading.models.protections import HighOf
from trading.models.switch import TradingMode
from trading.models.symbols import Sizing, Slots

if TYPE_CHECKING:
    from tests.simulation.surroundings.luck import Chance

TRADER_BUDGET = Decimal(200)
PROFIT = Decimal("0.0005")
_USUAL, _HALF = Decimal("0.001"), Decimal("0.0005")
# The usual one; no maker's; a tax; what sellers pay more than buyers, and something special.
COMMISSIONS = (
    Rates(),
    Rates(),
    Rates(),
    Rates(Part(taker=_USUAL)),
    Rates(Part(taker=_USUAL)),
    Rates(tax=Part(_USUAL, _USUAL)),
    Rates(Part(_HALF, _USUAL), tax=Part(buyer=_HALF, seller=Decimal("0.0011"))),
    Rates(Part(_HALF, _HALF, seller=_HALF), special=Part(maker=Decimal("0.0002"), taker=Decimal("0.0007"))),
)
STRATEGIES = ("naive", "naive", "naive", "trailing")
# In how many of the worlds a symbol, or the account, is protected at all.
IS_PROTECTED = 0.3


@dataclass(frozen=True)
class BnbPair:
    """The one pair with BNB that the exchange lists, and what traders learn from it of what BNB is worth in USDT."""

    listing: MockSymbol
    is_known: bool = True
    moves: bool = False  # with the market of another symbol


def _bnb_pair(base: str, quote: str, price: str, **learnt: bool) -> BnbPair:
    unit = Decimal("0.00000001")
    return BnbPair(MockSymbol(base, quote, unit, unit, Decimal(price), Decimal(1)), **learnt)


# BNB is worth some 600 USDT in each. The exchange finds a way by ETH as well, and traders do not.
BNB_PAIRS = (
    _bnb_pair("BNB", "USDT", "600"),
    _bnb_pair("USDT", "BNB", "0.00166667"),
    _bnb_pair("BNB", "BTC", "0.00666667", moves=True),
    _bnb_pair("BNB", "ETH", "0.2", is_known=False, moves=True),
)


def draw_costs(seed: int) -> tuple[Rates, BnbPair]:
    """What the exchange takes, and how BNB is listed. By dice of their own: they move nothing else in the world."""
    chance = Random(f"rates {seed}")
    return chance.choice(COMMISSIONS), chance.choice(BNB_PAIRS)


def draw_settings(chance: "Chance", strategy: str, money: Decimal) -> dict[str, Any]:
    """Its settings, those of its strategy among them; `money`: what the account has of the quote asset."""
    max_slots = chance.randint(2, 3)
    is_share = chance.random() < 0.15
    return {
        "max_slots": max_slots,
        "budget": TRADER_BUDGET * max_slots,
        "sizing": Sizing.SHARE if is_share else Sizing.FIXED,
        "balance_share": TRADER_BUDGET * max_slots / money,
        "compounds": not is_share and chance.random() < 0.3,
        "strategy": strategy or chance.choice(STRATEGIES),
        "buy_down_interval": Decimal("0.0005"),
        "profit_interval": PROFIT,
        "rebuy_interval": _some(chance, "", "0.001", "0.001", "0.003"),
        "retarget_interval": _some(chance, "", "0.001", "0.002"),
        "stop_loss_interval": _some(chance, "", "", "0.002", "0.005"),
        "trailing_stop_interval": _some(chance, "", "", "0.003", "0.006"),
        "exit_slippage": _some(chance, "", "0.001"),
    }


@dataclass(frozen=True)
class SlotsDrawn:
    """How the slots of a world's symbols buy, and at which of its steps a person makes them buy step by step."""

    first: Slots
    turned_at: int | None = None


def draw_slots(seed: int) -> SlotsDrawn:
    """By dice of its own, as costs are: where slots buy all together the world stays what it was."""
    chance = Random(f"slots {seed}")
    way = chance.choice(("together", "together", "ladder", "turned"))
    if way == "turned":
        return SlotsDrawn(Slots.TOGETHER, chance.randint(5, 45))
    return SlotsDrawn(Slots(way))


def draw_protections(chance: "Chance", symbols: list[Symbol], money: Decimal) -> None:
    """Writes the rows; `money`: what is free of the quote asset."""
    for symbol in symbols:
        if chance.random() < IS_PROTECTED:
            SymbolProtections.objects.create(symbol=symbol, **_of_symbol(chance))
    if chance.random() < IS_PROTECTED:
        AccountProtections.objects.create(venue=Venue.MOCK, **_of_account(chance, money))


def _of_symbol(chance: "Chance") -> dict[str, Any]:
    return {
        "max_exposure": _some(chance, "", "", "250", "450"),
        "max_open_orders": _count(chance, None, None, 1, 2),
        "max_daily_loss": _some(chance, "", "", "0.3", "1"),
        "max_consecutive_losses": _count(chance, None, None, 1, 2),
        "cooldown_minutes": 1,
        "max_price_age_s": _count(chance, None, None, 2),
        "deny_in_gaps": chance.random() < 0.5,
    }


def _of_account(chance: "Chance", money: Decimal) -> dict[str, Any]:
    reserve = _some(chance, "", "250", "450")
    return {
        "max_exposure": _some(chance, "", "450", "650"),
        "quote_reserve": None if reserve is None else money - reserve,
        "max_orders_per_minute": _count(chance, None, 5, 10),
        "max_drawdown": _some(chance, "", "0.001", "0.003"),
        "drawdown_from": chance.choice([HighOf.DAY, HighOf.ALL_TIME]),
        "drawdown_mode": chance.choice([TradingMode.REDUCING, TradingMode.HALTED]),
        "drawdown_cancels_buys": chance.random() < 0.5,
    }


def _some(chance: "Chance", *values: str) -> Decimal | None:
    value = chance.choice(values)
    return Decimal(value) if value else None


def _count(chance: "Chance", *values: int | None) -> int | None:
    return chance.choice(values)

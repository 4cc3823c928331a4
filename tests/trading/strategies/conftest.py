"""A strategy of a user's own, in a module that HEDGEHOG_STRATEGIES names."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from trading.strategies import registry

PATIENT = '''"""Patient: buys only after some trades, and sells for a profit."""

from dataclasses import dataclass, field
from decimal import Decimal

from trading.core.steps import buy_below, profit_price, sell_or_finish
from trading.core.strategy import ANY_PRICE, Triggers, Wait

name = "patient"


@dataclass(frozen=True)
class Settings:
    profit_interval: Decimal = field(
        default=Decimal("0.01"),
        metadata={"label": "Profit", "above": Decimal(0), "below": Decimal(1), "percent": True},
    )
    down_interval: Decimal = field(
        default=Decimal("0.002"),
        metadata={"label": "Below the market", "help": "How deep.", "above": Decimal(0), "at_most": Decimal("0.3"),
                  "percent": True},
    )
    max_price: Decimal | None = field(default=None, metadata={"label": "Highest price", "above": Decimal(0)})
    trades: int = field(default=3, metadata={"label": "Trades", "help": "How many.", "at_least": 1, "at_most": 9})
    is_bold: bool = field(default=False, metadata={"label": "Bold", "help": "Buys at once."})

    def __post_init__(self):
        if self.is_bold and self.trades > 1:
            raise ValueError("Who is bold waits for one trade only.")


def decide(position, event, filters, settings):
    if position.open_order is not None:
        return Wait("its order is not filled yet")
    if position.bought_at is not None:
        price = profit_price(position.bought_at, settings.profit_interval, filters)
        return sell_or_finish(position, filters, price, "its profit")
    return buy_below(position, event, filters, settings.down_interval, settings.profit_interval)


def triggers(position, filters, settings):
    return Triggers() if position.orders else Triggers(below=ANY_PRICE)
'''


@pytest.fixture
def patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[str]:
    """The name of a strategy that is there for this test only."""
    (tmp_path / "strategy_of_a_user.py").write_text(PATIENT)
    monkeypatch.syspath_prepend(str(tmp_path))
    settings.HEDGEHOG_STRATEGIES = ["strategy_of_a_user"]
    registry.known.cache_clear()
    yield "patient"
    registry.known.cache_clear()
    sys.modules.pop("strategy_of_a_user", None)

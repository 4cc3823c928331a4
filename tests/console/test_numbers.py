"""Numbers on pages: the server and the page's script write the same."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from console import numbers
from tests.support.environment import ROOT
from tests.support.pages.chromium import Browser

# Function, arguments, what shows.
TABLE = [
    ("money", ["2564.184", "USDT"], "2,564.18"),
    ("money", ["0", "USDT"], "0.00"),
    ("money", ["-5.125", "USDC"], "−5.12"),
    ("money", ["0.0004213", "BTC"], "0.0004213"),
    ("money", ["0.00042", "BTC"], "0.0004200"),
    ("money", ["12.3456", "BNB"], "12.35"),
    ("money", ["1234567.891", "ETH"], "1,234,567.89"),
    ("money", ["0.1", "BTC"], "0.1000"),
    ("signed", ["2.24", "USDT"], "+2.24"),
    ("signed", ["-0.83", "USDT"], "−0.83"),
    ("signed", ["0", "USDT"], "0.00"),
    ("signed", ["0.004", "USDT"], "+<0.01"),
    ("signed", ["-0.004", "USDT"], "−<0.01"),
    ("signed", ["0.006", "USDT"], "+0.01"),
    ("signed", ["-0.0000421", "BTC"], "−0.00004210"),
    ("signed", ["0.00000001", "BTC"], "+0.00000001"),
    ("percent", ["-0.0083"], "−0.83 %"),
    ("percent", ["0.0257"], "+2.57 %"),
    ("percent", ["0"], "0.00 %"),
    ("percent", ["-0.00001"], "0.00 %"),
    ("fixed", ["89412.3", 2], "89,412.30"),
    ("fixed", ["-0.001", 2], "0.00"),
    ("duration", [52], "52 s"),
    ("duration", [5760], "1 h 36 min"),
    ("duration", [3600], "1 h"),
    ("duration", [273_600], "3 d 4 h"),
    ("duration", [59.6], "1 min"),
]


@pytest.mark.parametrize(("name", "arguments", "shown"), TABLE, ids=str)
def test_the_server_writes(name: str, arguments: list[object], shown: str) -> None:
    values = [Decimal(each) if isinstance(each, str) and each[-1].isdigit() else each for each in arguments]
    assert getattr(numbers, name)(*values) == shown


def test_the_page_writes_the_same(chromium: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    script = (ROOT / "console/static/trading/numbers.js").read_text()
    page.write_text(f"<!doctype html><meta charset=utf-8><script>{script}</script>")
    chromium.open(page.as_uri(), settle_s=0)
    for name, arguments, shown in TABLE:
        assert chromium.evaluate(f"hedgehogNumbers.{name}(...{json.dumps(arguments)})") == shown, (name, arguments)


def test_prices_stand_on_their_tick() -> None:
    assert numbers.price(Decimal("2949.3"), Decimal("0.01")) == "2,949.30"
    assert numbers.price(Decimal("0.00001234"), Decimal("0.00000001")) == "0.00001234"
    assert numbers.price(Decimal("42"), Decimal("1")) == "42"


def test_quantities_keep_the_zeros_of_their_step_and_never_lose_a_digit() -> None:
    assert numbers.quantity(Decimal("0.05"), Decimal("0.0001")) == "0.0500"
    assert numbers.quantity(Decimal("0.04995"), Decimal("0.0001")) == "0.04995"
    assert numbers.exact(Decimal("1234.50000000")) == "1,234.5"

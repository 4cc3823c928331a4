"""What the banner of `make run` says."""

import pytest
from pytest_django import Settings

from hedgehog_project.launch import banner


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("simulated", "a simulated market, play money"),
        ("manual", "a market moved by hand, play money"),
        ("live", "Binance's real trades, play money"),
        ("replay:ETHUSDT-2019.zip", "ETHUSDT-2019.zip replayed, play money"),
    ],
)
def test_it_tells_where_the_mocks_trades_come_from(settings: Settings, setting: str, words: str) -> None:
    settings.MARKET = setting
    assert banner.market() == words

"""System check of `make run`: what is to be traded at first is listed by the market that MARKET names."""

import os
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from binance_mock.market.csv_trades import BadFile, symbol_of
from binance_mock.market.replay import read_spec
from binance_mock.state import listings
from hedgehog_project.checks import SYMBOL

SHOWN = 6


@register("first_start")
def check_symbols(**_: Any) -> list[CheckMessage]:
    """Those that somebody has named. Which of the default ones a market has is the market's to say."""
    if not {"HEDGEHOG_SYMBOLS", "HEDGEHOG_SYMBOLS_FILE"} & os.environ.keys():
        return []
    listed = _listed()
    return [
        Error(
            f"HEDGEHOG_SYMBOLS: MARKET={settings.MARKET} does not list {name}",
            hint=f"{_instead(name, listed)} MARKET=live has all symbols of Binance.",
            id="binance_mock.E001",
        )
        for name in settings.HEDGEHOG_SYMBOLS
        if listed and name not in listed and SYMBOL.fullmatch(name)  # else another check says it
    ]


def _listed() -> Collection[str]:
    """The names of its symbols; none where only Binance knows them, or where another check says what is wrong."""
    kind, _, spec = settings.MARKET.partition(":")
    try:
        if kind == "replay":
            return {*listings.LISTINGS, symbol_of(read_spec(spec)[0])}
        if kind in ("simulated", "manual") and settings.MOCK_EXCHANGE_INFO:
            return listings.listings_of(listings.read_exchange_info(Path(settings.MOCK_EXCHANGE_INFO)))
    except (BadFile, listings.BadExchangeInfo):
        return ()
    return listings.LISTINGS if kind in ("simulated", "manual") else ()


def _instead(name: str, listed: Collection[str]) -> str:
    near = get_close_matches(name, listed, 1)
    if near:
        return f"Did you mean {near[0]}?"
    rest = len(listed) - SHOWN
    return f"It lists {', '.join([*listed][:SHOWN])}{f' and {rest} more' if rest > 0 else ''}."

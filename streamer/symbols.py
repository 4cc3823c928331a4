"""Which symbols an exchange has, and whether they trade."""

from collections.abc import Iterable

import msgspec

from hedgehog_project.venues import Endpoints, Market
from streamer import rest

_NO_SUCH_SYMBOL = -1121
_ILLEGAL_CHARACTERS = -1100


class _Symbol(msgspec.Struct):
    symbol: str
    status: str


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Symbol]


def listed(endpoints: Endpoints) -> set[str]:
    """Every symbol that the exchange knows, trading or not. Raises rest.Unreachable, rest.Refused."""
    answer = rest.get(endpoints.rest_url, "exchangeInfo", {}, _ExchangeInfo)
    return {entry.symbol for entry in answer.symbols}


def objection(market: Market, endpoints: Endpoints, symbols: Iterable[str]) -> str | None:
    """Why these symbols cannot be streamed, in one line; None where they can.

    Raises rest.Unreachable, rest.Refused where the exchange gives no answer to this.
    """
    for symbol in symbols:
        try:
            answer = rest.get(endpoints.rest_url, "exchangeInfo", {"symbol": symbol}, _ExchangeInfo)
        except rest.Refused as error:
            if error.code not in (_NO_SUCH_SYMBOL, _ILLEGAL_CHARACTERS):
                raise
            return f"{symbol} is not listed on the {market} exchange: check the spelling, for example ETHUSDT"
        status = next((entry.status for entry in answer.symbols if entry.symbol == symbol), None)
        if status is None:
            return f"{symbol} is not listed on the {market} exchange: check the spelling, for example ETHUSDT"
        if status != "TRADING":
            return f"{symbol} cannot be traded on the {market} exchange now (status {status})"
    return None

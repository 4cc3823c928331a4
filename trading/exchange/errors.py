"""What can go wrong with an exchange, named by what the caller has to do.

ExchangeError
├── Refused           It said no, and nothing was done. Do not send the same again: change it, or tell a person.
│   └── KeyRejected   So it is for every signed request: a person has to fix the key or its rights.
├── NotFound          It does not know the order. Ask again before you believe it: a fresh one may still appear.
├── Throttled         Nothing was done. Ask again after `wait_s` seconds; `scope` says who else has to wait.
├── NotSent           Nothing left this machine. Try again when you like.
├── HalfDone          One part of a request of two was not done. It never leaves client.py, which reads its data.
└── OutcomeUnknown    It was done or not. Send nothing in its place: ask by client order id until it is clear.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Why(StrEnum):
    """What a refusal is about, as far as its message tells."""

    BALANCE = "BALANCE"  # The account has not enough of what the order needs.
    MARKET_CLOSED = "MARKET_CLOSED"  # The symbol does not trade now.
    WOULD_MATCH = "WOULD_MATCH"  # A maker-only or stop order would have traded at once.
    NOT_PERMITTED = "NOT_PERMITTED"  # The account may not trade the symbol.
    FILTER = "FILTER"  # The price, the quantity or the number of orders does not pass the symbol's filters.
    OTHER = "OTHER"


class Scope(StrEnum):
    """Who has to wait."""

    REQUEST = "REQUEST"  # This one request: our own count of the rate limits denies it.
    ORDERS_10S = "ORDERS_10S"  # Whatever places orders for the account: those of these ten seconds are used up.
    ORDERS_1D = "ORDERS_1D"  # Likewise, those of this day.
    ADDRESS = "ADDRESS"  # Every process that calls from this address.


class ExchangeError(Exception):
    """Something that the exchange, or the way to it, did. Its text is for people."""


class Refused(ExchangeError):
    """The exchange said no, and nothing came of the request. Sending the same again is no use."""

    def __init__(self, reason: str, code: int = 0, why: Why = Why.OTHER) -> None:
        super().__init__(reason)
        self.code = code
        self.why = why


class KeyRejected(Refused):
    """The key, its rights or the signature are wrong: a person has to fix that."""


class NotFound(ExchangeError):
    """The exchange does not know the order. A fresh order may still appear: see traders/calls.py."""


class Throttled(ExchangeError):
    """Too many requests or orders; nothing came of this one. Ask again after `wait_s` seconds."""

    def __init__(self, reason: str, wait_s: float, scope: Scope = Scope.REQUEST) -> None:
        super().__init__(reason)
        self.wait_s = wait_s
        self.scope = scope


class NotSent(ExchangeError):
    """Nothing came of the request: the exchange can't be reached, or it was too late to send. Safe to try again."""


class HalfDone(ExchangeError):
    """A part of a request of two was not done; `data` is what the exchange says of each. It stays in client.py."""

    def __init__(self, reason: str, data: Mapping[str, Any]) -> None:
        super().__init__(reason)
        self.data = data


class OutcomeUnknown(ExchangeError):
    """The request may have been carried out or not. Ask by client order id before anything is sent again."""

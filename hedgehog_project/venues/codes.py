"""Binance's error codes (errors.md): what each means, and what a person can do about it. And how long to wait.

Everybody who asks an exchange reads this table: traders by way of `trading.exchange.codes`, the streamer directly.
"""

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import NamedTuple

from hedgehog_project.outside import whole_number
from hedgehog_project.venues.rate_limits import LONGEST_BAN_S


class Meaning(StrEnum):
    """What an answer with a code says of the request."""

    REFUSED = "REFUSED"  # Nothing was done, and sending the same again is no use. So is every code not listed here.
    CLOCK = "CLOCK"  # Refused, for the timestamp is not the exchange's time.
    KEY = "KEY"  # Refused: the key, its rights or the signature.
    NOT_LISTED = "NOT_LISTED"  # Refused: there is no such symbol.
    BY_MESSAGE = "BY_MESSAGE"  # Refused by the matching engine: only its message tells more.
    NO_SUCH_ORDER = "NO_SUCH_ORDER"
    TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"  # Or connections, or messages, from this address.
    TOO_MANY_ORDERS = "TOO_MANY_ORDERS"  # Of this account.
    UNKNOWN = "UNKNOWN"  # It was carried out or not.
    PARTLY_DONE = "PARTLY_DONE"  # One part of a cancelReplace was done; the answer's data say which.
    NOTHING_DONE = "NOTHING_DONE"  # Neither part of a cancelReplace was done.


class Code(NamedTuple):
    meaning: Meaning
    advice: str = ""  # for people: what to fix; empty where nothing is to be fixed


CLOCK_IS_OFF = -1021
NO_SUCH_SYMBOL = -1121
# "Illegal characters": what is asked for a symbol that no symbol could be.
ILLEGAL_CHARACTERS = -1100
CANCEL_REJECTED = -2011

CODES: Mapping[int, Code] = {
    -1000: Code(Meaning.UNKNOWN),
    -1001: Code(Meaning.UNKNOWN),
    -1002: Code(Meaning.KEY, "The key lacks this permission: check it under API Management at Binance"),
    -1003: Code(Meaning.TOO_MANY_REQUESTS),
    -1006: Code(Meaning.UNKNOWN),
    -1007: Code(Meaning.UNKNOWN),
    # Server busy. Binance's futures documents say of some 503 that nothing was done, those of spot say it of none.
    -1008: Code(Meaning.UNKNOWN),
    -1010: Code(Meaning.BY_MESSAGE),
    -1013: Code(Meaning.BY_MESSAGE),
    -1015: Code(Meaning.TOO_MANY_ORDERS),
    CLOCK_IS_OFF: Code(Meaning.CLOCK, "The clock of this machine is wrong: synchronise it by NTP"),
    -1022: Code(Meaning.KEY, "Invalid signature: the secret or private key does not match the API key"),
    -1034: Code(Meaning.TOO_MANY_REQUESTS),
    NO_SUCH_SYMBOL: Code(Meaning.NOT_LISTED, "Unknown symbol: check the spelling"),
    -1181: Code(Meaning.TOO_MANY_REQUESTS),
    -2008: Code(Meaning.KEY, "Unknown API key: check that it belongs to this exchange"),
    -2010: Code(Meaning.BY_MESSAGE),
    CANCEL_REJECTED: Code(Meaning.BY_MESSAGE),
    -2013: Code(Meaning.NO_SUCH_ORDER),
    -2014: Code(Meaning.KEY, "Malformed API key: was it copied completely?"),
    -2015: Code(Meaning.KEY, "Invalid API key, IP or permissions: check them under API Management at Binance"),
    -2021: Code(Meaning.PARTLY_DONE),
    -2022: Code(Meaning.NOTHING_DONE),
    # The order ended long ago without a fill, and the exchange has put it away.
    -2026: Code(Meaning.NO_SUCH_ORDER),
}
# With which a question about one symbol says that it is not listed: also that its name has letters that none has.
NOT_LISTED = frozenset({NO_SUCH_SYMBOL, ILLEGAL_CHARACTERS})
_REFUSED = Code(Meaning.REFUSED)

# HTTP statuses that ask everybody at this address to wait, with the seconds where the answer does not tell them: the
# firewall; a ban, which lasts two minutes at least (limits.md); too many requests, where it is longer than live
# frames wait for a gap (streamer/gaps.py), for these should go on without it.
WAITS_S: Mapping[int, float] = {403: 120.0, 418: 120.0, 429: 20.0}
_BANNED_UNTIL = re.compile(r"banned until (\d{13})")


def known(code: object) -> Code:
    """What the table says of a code; of one that it does not list, that the request was refused."""
    return CODES.get(code, _REFUSED) if isinstance(code, int) else _REFUSED


def needs_a_person(code: object) -> bool:
    """Whether every request is refused until somebody has fixed something here."""
    return known(code).meaning in (Meaning.KEY, Meaning.CLOCK)


def is_about_the_day(message: str) -> bool:
    """Whether too many orders were placed in a day, and not in ten seconds."""
    return bool(re.search(r"per (\d+ )?day", message, re.IGNORECASE))


def told_to_wait_s(status: int, code: int, message: str, headers: Mapping[str, str]) -> float | None:
    """For how many seconds nobody is to call from this address; None where the answer does not ask for that.

    `code` is Binance's, 0 where the answer has none; `headers` are looked up in lower case.
    """
    meaning = known(code).meaning
    # A 429 as well, but one about the account's orders, and without Retry-After (limits.md, "Unfilled order count").
    if meaning == Meaning.TOO_MANY_ORDERS:
        return None
    # A 403 with a code is an answer of the exchange's own, and not its firewall's.
    if meaning != Meaning.TOO_MANY_REQUESTS and (status not in WAITS_S or (status == 403 and code)):
        return None
    told = whole_number(headers.get("retry-after", ""))
    wait_s = WAITS_S.get(status, WAITS_S[429]) if told is None else float(max(1, told))
    if banned := _BANNED_UNTIL.search(message):
        wait_s = max(wait_s, int(banned[1]) / 1000 - _time_there(headers))
    return min(wait_s, LONGEST_BAN_S)


def _time_there(headers: Mapping[str, str]) -> float:
    """The exchange's time, of which it tells the end of a ban; ours where the answer does not say."""
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return time.time()

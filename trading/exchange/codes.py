"""The one place that knows Binance's error codes (errors.md) and what each means for us."""

import re
import ssl
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from binance.exceptions import BinanceAPIException, BinanceRequestException
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
)

from hedgehog_project.venues.rate_limits import LONGEST_BAN_S
from trading.exchange.errors import (
    ExchangeError,
    HalfDone,
    KeyRejected,
    NotFound,
    NotSent,
    OutcomeUnknown,
    Refused,
    Scope,
    Throttled,
    Why,
)

CLOCK_IS_OFF = -1021
TOO_MANY_ORDERS = -1015
NO_SUCH_SYMBOL = -1121
# What is asked for a symbol that no symbol could be.
ILLEGAL_CHARACTERS = -1100
# With which a question about one symbol says that it is not listed: also that its name has letters that none has.
NOT_LISTED = frozenset({NO_SUCH_SYMBOL, ILLEGAL_CHARACTERS})

# Requests, connections, messages: too many from this address.
_TOO_MANY = {-1003, -1034, -1181}
# "Execution status unknown", and internal errors. -1008 (server busy) as well: Binance's futures documents say of
# some 503 that nothing was done, those of spot say it of none.
_UNKNOWN_OUTCOME = {-1000, -1001, -1006, -1007, -1008, -2021}
# Of a cancelReplace: one part was done, or none. Its data say which.
_PARTS = {-2021, -2022}
_KEY = {-1002, -1022, -2014, -2015}
# -2026: the order ended long ago without a fill, and the exchange has put it away.
_NO_SUCH_ORDER = {-2013, -2026}
# These carry the matching engine's messages (errors.md, "Messages for -1010, -2010, and -2011").
_BY_MESSAGE = {-1010, -1013, -2010, -2011}
_CANCEL_REJECTED = -2011

_ADVICE = {
    -1002: "The key may not do this: look at its rights on Binance's API page",
    CLOCK_IS_OFF: "This machine's clock is not the exchange's: have it set by NTP",
    -1022: "The signature is wrong: the secret does not belong to the key",
    NO_SUCH_SYMBOL: "The exchange has no such symbol: is it spelled as on Binance?",
    -2014: "This is no API key: was it copied whole?",
    -2015: "The exchange does not know the key, or it may not trade, or not from this address: "
    "look at its rights and its list of addresses on Binance's API page",
}

# What a message begins with, what it is about, and what to do.
_MESSAGES: tuple[tuple[str, Why, str], ...] = (
    ("Account has insufficient balance", Why.BALANCE, "Add funds, lower the budget, or let other orders end"),
    ("Market is closed", Why.MARKET_CLOSED, "The symbol does not trade now"),
    ("This symbol is not permitted", Why.NOT_PERMITTED, "The account may not trade the symbol: ask Binance why"),
    ("This symbol is restricted", Why.NOT_PERMITTED, "The account may not trade the symbol: ask Binance why"),
    ("Order would immediately match", Why.WOULD_MATCH, "The market has moved to the order's price"),
    ("Order would trigger immediately", Why.WOULD_MATCH, "The market has moved to the order's price"),
    ("Filter failure: PRICE_FILTER", Why.FILTER, "The price does not fit the symbol's price steps or bounds"),
    ("Filter failure: PERCENT_PRICE", Why.FILTER, "The price is too far from the symbol's average price"),
    ("Filter failure: LOT_SIZE", Why.FILTER, "The quantity does not fit the symbol's steps or bounds"),
    (
        "Filter failure: MIN_NOTIONAL",
        Why.FILTER,
        "The order is worth too little: raise the budget or lower the chunks",
    ),
    ("Filter failure: NOTIONAL", Why.FILTER, "The order is worth too little or too much: change budget or chunks"),
    ("Filter failure: MAX_POSITION", Why.FILTER, "The account may not hold more of this asset"),
    ("Filter failure: MAX_NUM", Why.FILTER, "Too many orders are open in this symbol: lower its chunks"),
    ("Filter failure: EXCHANGE_MAX_NUM", Why.FILTER, "Too many orders are open on the account: lower the chunks"),
    ("Filter failure", Why.FILTER, "The order does not fit one of the symbol's filters"),
    ("Price * QTY is zero or less", Why.FILTER, "The order is worth nothing"),
)
_ACCOUNT_IS_BARRED = ("This action is disabled on this account", "This account may not place or cancel orders")
# An open order with this client order id exists: an earlier sending of ours was accepted.
_DUPLICATE = "Duplicate order sent"
_UNKNOWN_ORDER = "Unknown order sent"
# Of a cancel that was refused for another reason than that the order does not rest any more.
_CANCEL_REFUSED = ("Cancel order is invalid", "Order was not canceled due to cancel restrictions", "Market is closed")

# A ban without a time lasts two minutes at least, three days at most (limits.md).
_BAN_S, _PAUSE_S = 120.0, 10.0
_ORDERS_WINDOW_S, _DAY_S, _MOST_ORDERS_WAIT_S = 10, 86_400, 600.0
_BANNED_UNTIL = re.compile(r"banned until (\d{13})")


def from_api(error: BinanceAPIException) -> ExchangeError:
    """What an answer with an error means."""
    # Something in between may answer with JSON of its own; Binance's codes are all below 0.
    code, status = error.code if isinstance(error.code, int) and error.code < 0 else 0, int(error.status_code)
    message = str(error.message)
    text = f"{message} ({code})" if code else f"HTTP {status}: {message[:200]}"
    if throttled := _throttled(error, code, status, message, text):
        return throttled
    if status == 451:
        return Refused(f"The exchange does not serve the place that this machine is in: {text}")
    if status < 500 and code in _PARTS and (data := _data_of(error)) is not None:
        return HalfDone(text, data)
    # 5xx: "the execution status is UNKNOWN" (general-api-information.md). 409: one half of a cancelReplace was done.
    # What has no code is not Binance's answer but that of something in between: a proxy's page, a redirect.
    if status >= 500 or status == 409 or code == 0:
        return OutcomeUnknown(text)
    return from_code(code, message)


def from_code(code: int, message: str) -> ExchangeError:
    """What a code of Binance's with its message means, whatever carried it."""
    text = f"{message} ({code})"
    if code in _UNKNOWN_OUTCOME:
        return OutcomeUnknown(text)
    if code == TOO_MANY_ORDERS:
        return _too_many_orders(message, text)
    if code in _BY_MESSAGE:
        return _by_message(code, message, text)
    advised = f"{_ADVICE[code]}: {text}" if code in _ADVICE else text
    if code in _KEY:
        return KeyRejected(advised, code)
    return NotFound(text) if code in _NO_SUCH_ORDER else Refused(advised, code)


def _data_of(error: BinanceAPIException) -> Mapping[str, Any] | None:
    """The `data` of an answer; None where there is nothing that could be read."""
    try:
        data = error.response.json()["data"]
    except (AttributeError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def is_about_the_day(message: str) -> bool:
    """Whether too many orders (-1015) were placed in a day, and not in ten seconds."""
    return bool(re.search(r"per (\d+ )?day", message, re.IGNORECASE))


def from_transport(error: requests.RequestException | BinanceRequestException | HTTPError) -> ExchangeError:
    """What a failure on the way means: only a connection that was never made proves that nothing was sent."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    match reason:
        case NameResolutionError():
            return NotSent("The exchange can't be reached: its name is not known (DNS)")
        case ProxyError():
            return NotSent("The exchange can't be reached: the proxy does not answer")
        case NewConnectionError() if isinstance(reason.__cause__, ssl.SSLCertVerificationError):
            problem = reason.__cause__.verify_message
            return NotSent(f"The exchange can't be reached: its certificate is not to be trusted ({problem})")
        case NewConnectionError() if isinstance(reason.__cause__, ssl.SSLError | EOFError):
            return NotSent("The exchange can't be reached: no encrypted connection (TLS)")
        case NewConnectionError():
            return NotSent("The exchange can't be reached: no connection")
        case ConnectTimeoutError():  # Also what the cases above are made of.
            return NotSent("The exchange can't be reached: no connection in time")
    return OutcomeUnknown(f"No proper answer from the exchange: {type(error).__name__}")


def _throttled(error: BinanceAPIException, code: int, status: int, message: str, text: str) -> Throttled | None:
    if code == TOO_MANY_ORDERS:
        return _too_many_orders(message, text)
    if status in (418, 429) or code in _TOO_MANY:
        wait_s = _retry_after_s(error, _BAN_S if status == 418 else _PAUSE_S)
        if banned := _BANNED_UNTIL.search(message):
            wait_s = max(wait_s, int(banned[1]) / 1000 - _time_there(error))
        return Throttled(f"The exchange asks us to wait: {text}", min(wait_s, LONGEST_BAN_S), Scope.ADDRESS)
    if status == 403 and code == 0:
        return Throttled(f"The exchange's firewall refused the request: {text}", _BAN_S, Scope.ADDRESS)
    return None


def _too_many_orders(message: str, text: str) -> Throttled:
    # A 429 too, but one about the account's orders, and without Retry-After (limits.md, "Unfilled order count").
    window_s = _DAY_S if is_about_the_day(message) else _ORDERS_WINDOW_S
    wait_s = min(window_s - time.time() % window_s, _MOST_ORDERS_WAIT_S)
    return Throttled(f"Too many orders: {text}", wait_s, Scope.ORDERS)


def _by_message(code: int, message: str, text: str) -> ExchangeError:
    if message.startswith(_DUPLICATE):
        return OutcomeUnknown(text)
    if message.startswith(_ACCOUNT_IS_BARRED):
        return KeyRejected(f"The account may not trade, ask Binance's support: {text}", code)
    if message.startswith(_UNKNOWN_ORDER):
        return NotFound(text)
    if code == _CANCEL_REJECTED and not message.startswith(_CANCEL_REFUSED):
        return NotFound(text)
    for begins, why, advice in _MESSAGES:
        if message.startswith(begins):
            return Refused(f"{advice}: {text}", code, why)
    return Refused(text, code)


def _time_there(error: BinanceAPIException) -> float:
    """The exchange's time, of which it tells the end of a ban; ours where the answer does not say."""
    headers = getattr(error.response, "headers", None) or {}
    try:
        return parsedate_to_datetime(headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return time.time()


def _retry_after_s(error: BinanceAPIException, default: float) -> float:
    headers = getattr(error.response, "headers", None) or {}
    try:
        return max(1.0, float(headers.get("Retry-After", default)))
    except ValueError:
        return default

"""What Binance's answers mean for us: codes by the table of `hedgehog_project.venues.codes`, the matching engine's
messages, and failures of the transport.
"""

import ssl
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
)

from hedgehog_project.outside import quotable
from hedgehog_project.venues.codes import CANCEL_REJECTED, Meaning, is_about_the_day, known, told_to_wait_s
from hedgehog_project.venues.rate_limits import MAX_WAIT_S, ORDERS_1D, ORDERS_10S
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

if TYPE_CHECKING:
    from binance.exceptions import BinanceAPIException, BinanceRequestException

# What a message begins with, what it is about, and what to do.
_MESSAGES: tuple[tuple[str, Why, str], ...] = (
    (
        "Account has insufficient balance",
        Why.BALANCE,
        # What to do about it depends on the side, which the exchange does not repeat: see rejections.py.
        "The free balance is less than the order needs",
    ),
    ("Market is closed", Why.MARKET_CLOSED, "The market is closed"),
    (
        "This symbol is not permitted",
        Why.NOT_PERMITTED,
        "The account cannot trade this symbol: contact Binance support",
    ),
    ("This symbol is restricted", Why.NOT_PERMITTED, "The account cannot trade this symbol: contact Binance support"),
    ("Order would immediately match", Why.WOULD_MATCH, "The order would match immediately"),
    ("Order would trigger immediately", Why.WOULD_MATCH, "The order would match immediately"),
    ("Filter failure: PRICE_FILTER", Why.FILTER, "The price violates the tick size or the price limits"),
    ("Filter failure: PERCENT_PRICE", Why.FILTER, "The price is too far from the average price of the symbol"),
    ("Filter failure: LOT_SIZE", Why.FILTER, "The quantity violates the step size or the lot limits"),
    (
        "Filter failure: MIN_NOTIONAL",
        Why.FILTER,
        "Below the min notional: raise the budget or use fewer slots",
    ),
    (
        "Filter failure: NOTIONAL",
        Why.FILTER,
        "Outside the min or max notional: change the budget or the number of slots",
    ),
    ("Filter failure: MAX_POSITION", Why.FILTER, "The maximum position of this asset is reached"),
    ("Filter failure: MAX_NUM", Why.FILTER, "Too many open orders for this symbol: use fewer slots"),
    ("Filter failure: EXCHANGE_MAX_NUM", Why.FILTER, "Too many open orders on the account: use fewer slots"),
    ("Filter failure", Why.FILTER, "The order violates one of the symbol's filters"),
    ("Price * QTY is zero or less", Why.FILTER, "The order value is zero"),
)
_ACCOUNT_IS_BARRED = ("This action is disabled on this account", "This account may not place or cancel orders")
# An open order with this client order id exists: an earlier sending of ours was accepted.
_DUPLICATE = "Duplicate order sent"
_UNKNOWN_ORDER = "Unknown order sent"
# Of a cancel that was refused for another reason than that the order does not rest any more.
_CANCEL_REFUSED = ("Cancel order is invalid", "Order was not canceled due to cancel restrictions", "Market is closed")


def from_api(error: "BinanceAPIException") -> ExchangeError:
    """What an answer with an error means."""
    # Something in between may answer with JSON of its own; Binance's codes are all below 0.
    code, status = error.code if isinstance(error.code, int) and error.code < 0 else 0, int(error.status_code)
    message = str(error.message)
    text = f"{message} ({code})" if code else _without_code(status, message)
    wait_s = told_to_wait_s(status, code, message, getattr(error.response, "headers", None) or {})
    if wait_s is not None:
        is_firewall = status == 403 and code == 0
        words = "Blocked by the exchange's firewall (HTTP 403)" if is_firewall else f"Rate limit: {text}"
        return Throttled(words, wait_s, Scope.ADDRESS)
    meaning = known(code).meaning
    if meaning == Meaning.TOO_MANY_ORDERS:  # Whatever its status.
        return _too_many_orders(message, text)
    if status == 451:
        return Refused(f"The exchange is not available from this location: {text}")
    has_parts = meaning in (Meaning.PARTLY_DONE, Meaning.NOTHING_DONE)
    if status < 500 and has_parts and (data := _data_of(error)) is not None:
        return HalfDone(text, data)
    # 5xx: "the execution status is UNKNOWN" (general-api-information.md). 409: one half of a cancelReplace was done.
    # What has no code is not Binance's answer but that of something in between: a proxy's page, a redirect.
    if status >= 500 or status == 409 or code == 0:
        return OutcomeUnknown(text)
    return from_code(code, message)


def from_code(code: int, message: str) -> ExchangeError:
    """What a code of Binance's with its message means, whatever carried it."""
    text = f"{message} ({code})"
    meaning, advice = known(code)
    advised = f"{advice}: {text}" if advice else text
    match meaning:
        case Meaning.UNKNOWN | Meaning.PARTLY_DONE:
            return OutcomeUnknown(text)
        case Meaning.TOO_MANY_ORDERS:
            return _too_many_orders(message, text)
        case Meaning.BY_MESSAGE:
            return _by_message(code, message, text)
        case Meaning.KEY:
            return KeyRejected(advised, code)
        case Meaning.NO_SUCH_ORDER:
            return NotFound(text)
    return Refused(advised, code)


def _data_of(error: "BinanceAPIException") -> Mapping[str, Any] | None:
    """The `data` of an answer; None where there is nothing that could be read."""
    try:
        data = error.response.json()["data"]
    except (AttributeError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def from_transport(error: "requests.RequestException | BinanceRequestException | HTTPError") -> ExchangeError:
    """What a failure on the way means: only a connection that was never made proves that nothing was sent."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    match reason:
        case NameResolutionError():
            return NotSent("Exchange unreachable: host name not found (DNS)")
        case ProxyError():
            return NotSent("Exchange unreachable: the proxy does not answer")
        case NewConnectionError() if isinstance(reason.__cause__, ssl.SSLCertVerificationError):
            problem = reason.__cause__.verify_message
            return NotSent(f"Exchange unreachable: untrusted certificate ({problem})")
        case NewConnectionError() if isinstance(reason.__cause__, ssl.SSLError | EOFError):
            return NotSent("Exchange unreachable: TLS handshake failed")
        case NewConnectionError():
            return NotSent("Exchange unreachable: connection failed")
        case ConnectTimeoutError():  # Also what the cases above are made of.
            return NotSent("Exchange unreachable: connection timed out")
    return OutcomeUnknown(f"No valid response from the exchange: {type(error).__name__}")


def _without_code(status: int, message: str) -> str:
    said = quotable(message)
    return f"HTTP {status}: {said}" if said else f"HTTP {status}"


def _too_many_orders(message: str, text: str) -> Throttled:
    is_day = is_about_the_day(message)
    left_s = (ORDERS_1D if is_day else ORDERS_10S).left_s(round(time.time() * 1000))
    scope = Scope.ORDERS_1D if is_day else Scope.ORDERS_10S
    return Throttled(f"Too many orders: {text}", min(left_s, MAX_WAIT_S), scope)


def _by_message(code: int, message: str, text: str) -> ExchangeError:
    if message.startswith(_DUPLICATE):
        return OutcomeUnknown(text)
    if message.startswith(_ACCOUNT_IS_BARRED):
        return KeyRejected(f"Trading is disabled for the account; contact Binance support: {text}", code)
    if message.startswith(_UNKNOWN_ORDER):
        return NotFound(text)
    if code == CANCEL_REJECTED and not message.startswith(_CANCEL_REFUSED):
        return NotFound(text)
    for begins, why, advice in _MESSAGES:
        if message.startswith(begins):
            return Refused(f"{advice}: {text}", code, why)
    return Refused(text, code)

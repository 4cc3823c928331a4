"""The one place that knows Binance's error codes (errors.md) and what each means for us."""

import requests
from binance.exceptions import BinanceAPIException, BinanceRequestException
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from trading.exchange.errors import (
    ExchangeError,
    KeyRejected,
    NotFound,
    NotSent,
    OutcomeUnknown,
    Refused,
    Throttled,
)

CLOCK_IS_OFF = -1021
_UNKNOWN_OUTCOME = {-1000, -1001, -1006, -1007, -1008}
_KEY = {-1002, -1022, -2014, -2015}
_NO_SUCH_ORDER = {-2011, -2013}
_TOO_MANY_REQUESTS, _TOO_MANY_ORDERS, _ORDER_REJECTED = -1003, -1015, -2010
# An open order with this client order id exists: an earlier sending of ours was accepted.
_DUPLICATE = "Duplicate order sent."
# The 10 s window of the ORDERS limit; a ban without a time lasts two minutes at least (limits.md).
_ORDERS_WINDOW_S, _BAN_S, _PAUSE_S = 10.0, 120.0, 10.0


def from_api(error: BinanceAPIException) -> ExchangeError:
    """What an answer with an error means."""
    # Something in between may answer with JSON of its own.
    code, status = error.code if isinstance(error.code, int) else 0, int(error.status_code)
    text = f"{error.message} ({code})" if code else f"HTTP {status}: {str(error.message)[:200]}"
    if status in (418, 429) or code == _TOO_MANY_REQUESTS:
        default = _BAN_S if status == 418 else _PAUSE_S
        return Throttled(f"The exchange asks us to wait: {text}", _retry_after_s(error, default))
    if status == 403:
        return Throttled(f"The exchange's firewall refused the request: {text}", _BAN_S)
    if code == _TOO_MANY_ORDERS:
        return Throttled(f"Too many orders: {text}", _ORDERS_WINDOW_S)
    if code in _KEY:
        return KeyRejected(f"The exchange does not accept the key: {text}", code)
    if code in _NO_SUCH_ORDER:
        return NotFound(text)
    # 5xx: "the execution status is UNKNOWN" (general-api-information.md). A body that is not Binance's has no code.
    if code in _UNKNOWN_OUTCOME or status >= 500 or code == 0:
        return OutcomeUnknown(text)
    if code == _ORDER_REJECTED and _DUPLICATE in str(error.message):
        return OutcomeUnknown(text)
    return Refused(text, code)


def from_transport(error: requests.RequestException | BinanceRequestException) -> ExchangeError:
    """What a failure on the way means: only a connection that was never made proves that nothing was sent."""
    if isinstance(error, requests.ConnectTimeout) or _never_connected(error):
        return NotSent("The exchange can't be reached: no connection")
    return OutcomeUnknown(f"No proper answer from the exchange: {type(error).__name__}")


def _never_connected(error: BaseException) -> bool:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, NewConnectionError | NameResolutionError | ConnectTimeoutError)


def _retry_after_s(error: BinanceAPIException, default: float) -> float:
    headers = getattr(error.response, "headers", None) or {}
    try:
        return max(1.0, float(headers.get("Retry-After", default)))
    except ValueError:
        return default

"""The few public GETs that a streamer and charts need, within the budget of the address, their answers in words."""

import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from email.message import Message
from typing import TypeVar

import msgspec

from hedgehog_project.outside import UNREADABLE, storable
from hedgehog_project.venues.codes import told_to_wait_s
from hedgehog_project.venues.rate_limits import OverRateLimit, RateLimits, rate_limits_at

T = TypeVar("T")

TIMEOUT_S = 5.0
# Request weights (market-data-endpoints.md, general-endpoints.md).
WEIGHTS = {
    "time": 1,
    "exchangeInfo": 20,
    "historicalTrades": 25,
    "aggTrades": 4,
    "klines": 2,
    "ticker/24hr": 2,  # of one symbol
    "depth": 5,  # of up to 100 prices a side
}


class Unreachable(Exception):
    """No usable answer: network, time-out, 5xx, something that is no JSON. Asking again later may help."""


class Throttled(Unreachable):
    """Not to be asked before `retry_after_s`: the budget is used up, or the exchange has told us to wait."""

    def __init__(self, reason: str, retry_after_s: float) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Refused(Exception):
    """The exchange answered with 4xx. `code` is Binance's own, 0 where it gave none."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(f"status {status}, code {code}: {message}")
        self.code = code


class HistoricalTrade(msgspec.Struct):
    """A row of historicalTrades (rest-api/market-data-endpoints: "Old trade lookup")."""

    id: int
    price: str
    qty: str
    time: int
    isBuyerMaker: bool  # noqa: N815


class AggregateTrade(msgspec.Struct):
    """A row of aggTrades: aggregate id, price, quantity, first and last trade id, ms, buyer is maker."""

    a: int
    p: str
    q: str
    f: int
    l: int  # noqa: E741
    T: int
    m: bool


class _Error(msgspec.Struct):
    code: int
    msg: str


def get(rest_url: str, path: str, params: Mapping[str, str | int], shape: type[T], api_key: str = "") -> T:
    """The answer of GET rest_url/api/v3/path, decoded as `shape`. Raises Unreachable, Refused.

    What is kept for exits is not used: live frames go on without this.
    """
    limits, weight = rate_limits_at(rest_url), WEIGHTS[path]
    try:
        reservation = limits.reserve(weight)
    except OverRateLimit as over:
        raise Throttled(over.reason, over.wait_s) from None
    headers: Mapping[str, str] = {}
    url = f"{rest_url}/api/v3/{path}?{urllib.parse.urlencode(params)}"
    request = urllib.request.Request(url, headers={"X-MBX-APIKEY": api_key} if api_key else {})
    try:
        with _OPENER.open(request, timeout=TIMEOUT_S) as answer:
            headers = _lower(answer.headers)
            body = answer.read()
    except urllib.error.HTTPError as error:
        headers = _lower(error.headers)
        raise _refusal(error, limits) from None
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"{rest_url} does not answer ({getattr(error, 'reason', error)})") from error
    finally:
        limits.settle(reservation, headers, weight, 0)
    try:
        return msgspec.json.decode(body, type=shape)
    except UNREADABLE as error:
        raise Unreachable(f"{rest_url} returned an unexpected response to {path} ({error})") from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is not followed: it would carry the key to somebody else."""

    def redirect_request(self, *args: object) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def _refusal(error: urllib.error.HTTPError, limits: RateLimits) -> Exception:
    if error.code >= 500 or error.code < 400:
        return Unreachable(f"the exchange answered with status {error.code}")
    try:
        answer = msgspec.json.decode(error.read(), type=_Error)
    except (*UNREADABLE, OSError, http.client.HTTPException):
        answer = _Error(0, str(error.reason))  # A proxy's page, not Binance's answer: the status says it all.
    wait_s = told_to_wait_s(error.code, answer.code, answer.msg, _lower(error.headers))
    if wait_s is None:
        return Refused(error.code, answer.code, storable(answer.msg))
    why = f"status {error.code}, code {answer.code}: {storable(answer.msg)}"
    limits.stop_for(wait_s, why)
    return Throttled(f"rate limited by the exchange ({why})", wait_s)


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}

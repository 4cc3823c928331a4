"""The few public GETs that a streamer needs, with the exchange's answers put into words."""

import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import TypeVar

import msgspec

T = TypeVar("T")

TIMEOUT_S = 5.0


class UnreachableError(Exception):
    """No usable answer: network, time-out, 5xx, something that is no JSON. Asking again later may help."""


class RefusedError(Exception):
    """The exchange answered with 4xx. `code` is Binance's own, 0 where it gave none."""

    def __init__(self, status: int, code: int, message: str, retry_after_s: float | None) -> None:
        super().__init__(f"status {status}, code {code}: {message}")
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s

    @property
    def is_throttle(self) -> bool:
        """Asking again before `retry_after_s` makes it worse: 418 is a ban."""
        return self.status in (418, 429)


class _Error(msgspec.Struct):
    code: int
    msg: str


def get(rest_url: str, path: str, params: Mapping[str, str | int], shape: type[T], api_key: str = "") -> T:
    """The answer of GET rest_url/api/v3/path, decoded as `shape`. Raises UnreachableError, RefusedError."""
    url = f"{rest_url}/api/v3/{path}?{urllib.parse.urlencode(params)}"
    request = urllib.request.Request(url, headers={"X-MBX-APIKEY": api_key} if api_key else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:
        raise _refusal(error) from None
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(f"{rest_url} does not answer ({getattr(error, 'reason', error)})") from error
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnreachableError(f"{rest_url} answers {path} with something else ({error})") from None


def _refusal(error: urllib.error.HTTPError) -> Exception:
    if error.code >= 500:
        return UnreachableError(f"the exchange answers with status {error.code}")
    try:
        answer = msgspec.json.decode(error.read(), type=_Error)
    except (msgspec.MsgspecError, UnicodeDecodeError, OSError):
        answer = _Error(0, str(error.reason))  # A proxy's page, not Binance's answer: the status says it all.
    wait = error.headers.get("Retry-After", "")
    return RefusedError(error.code, answer.code, answer.msg, float(wait) if wait.isdecimal() else None)

"""Asks a running mock exchange for its state, or to reset its account, over HTTP."""

import urllib.error
import urllib.request
from typing import Any

import msgspec

from hedgehog_project.venues import Venue, place

TIMEOUT_S = 3.0
# It is on this machine: no proxy stands between.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class UnreachableError(Exception):
    """The mock exchange does not answer, or not as it should; the message is one line for people."""


def state() -> dict[str, Any]:
    """What GET /mock/state says. Raises UnreachableError."""
    return _ask("GET", "/mock/state")


def reset() -> dict[str, Any]:
    """Cancels all orders of the account and restores its money. Raises UnreachableError."""
    return _ask("POST", "/mock/reset")


def _ask(method: str, path: str) -> dict[str, Any]:
    mock = place(Venue.MOCK)
    request = urllib.request.Request(mock.rest_url + path, method=method, headers={"X-MBX-APIKEY": mock.api_key})
    try:
        with _DIRECT.open(request, timeout=TIMEOUT_S) as answer:
            return msgspec.json.decode(answer.read(), type=dict[str, Any])
    except urllib.error.HTTPError as error:
        said = error.read()[:200].decode(errors="replace")
        raise UnreachableError(f"The mock exchange at {mock.rest_url} answers {error.code}: {said}") from None
    except (OSError, msgspec.MsgspecError) as error:
        reason = getattr(error, "reason", error)
        raise UnreachableError(f"The mock exchange does not answer at {mock.rest_url} ({reason}).") from None

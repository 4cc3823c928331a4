"""Asks a running mock exchange for its state, to reset its account, or to misbehave, over HTTP."""

import http.client
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import msgspec
from django.conf import settings

from hedgehog_project.outside import UNREADABLE, quotable
from hedgehog_project.venues import Venue, endpoints

TIMEOUT_S = 3.0


class Unreachable(Exception):
    """The mock exchange does not answer, or not as it should; the message is one line for people."""


class Refused(Exception):
    """The mock exchange would not do it; the message is one line for people."""


def state() -> dict[str, Any]:
    """What GET /mock/state says. Raises Unreachable."""
    return _ask("GET", "/mock/state")


def reset() -> dict[str, Any]:
    """Cancels all orders of the account and restores its money. Raises Unreachable."""
    return _ask("POST", "/mock/reset")


def faults() -> list[dict[str, Any]]:
    """All faults that are on, then those that ended, each the newest first. Raises Unreachable."""
    found: list[dict[str, Any]] = _ask("GET", "/mock/faults")["faults"]
    return found


def turn_fault_on(wanted: dict[str, Any]) -> dict[str, Any]:
    """The new fault. `wanted` is its kind and settings. Raises Refused, Unreachable."""
    return _ask("POST", "/mock/faults", wanted)


def turn_faults_off(which: str) -> list[dict[str, Any]]:
    """Those that were on: the one of an id, those of a kind, or all. Raises Refused, Unreachable."""
    path = "/mock/faults" if which == "all" else f"/mock/faults/{urllib.parse.quote(which, safe='')}"
    ended: list[dict[str, Any]] = _ask("DELETE", path)["faults"]
    return ended


def _ask(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    mock = endpoints(Venue.MOCK)
    # Not that of the endpoints: who may only turn faults has no key that signs.
    api_key = str(settings.MOCK_API_KEY)
    data = None if body is None else msgspec.json.encode(body)
    headers = {"X-MBX-APIKEY": api_key}
    request = urllib.request.Request(mock.rest_url + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return msgspec.json.decode(answer.read(), type=dict[str, Any])
    except urllib.error.HTTPError as error:
        said = error.read()
        if error.code in (400, 404) and (message := _message(said)):
            raise Refused(message) from None
        text = quotable(said.decode(errors="replace"))
        text = f"{error.code}: {text}" if text else f"{error.code}"
        raise Unreachable(f"The mock exchange at {mock.rest_url} returned {text}") from None
    except (OSError, http.client.HTTPException, *UNREADABLE) as error:
        reason = getattr(error, "reason", error)
        raise Unreachable(f"The mock exchange does not answer at {mock.rest_url} ({reason}).") from None


class _Said(msgspec.Struct):
    msg: str


def _message(body: bytes) -> str | None:
    """What an answer {"code", "msg"} says; None where it is none."""
    try:
        return msgspec.json.decode(body, type=_Said).msg
    except UNREADABLE:
        return None

"""What a live key may do. One that may withdraw is refused, unless a setting says that it is meant."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from hedgehog_project.venues import Endpoints
from trading.exchange.errors import ExchangeError, KeyRejected, NotSent, Throttled

MAY_WITHDRAW = (
    "The live key can withdraw: disable withdrawals under API Management at Binance, or set "
    "HEDGEHOG_ALLOW_WITHDRAW_KEY=1 to allow it"
)
# After a refusal or a failed question, nobody asks for so long: somebody has to fix something first.
REFUSED_PAUSE_S, FAILED_PAUSE_S = 60.0, 5.0


@dataclass(frozen=True)
class KeyRights:
    """Of GET /sapi/v1/account/apiRestrictions (wallet, "Get API Key Permission")."""

    may_read: bool
    may_trade: bool
    may_withdraw: bool
    may_transfer: bool  # between the accounts of one owner
    is_ip_restricted: bool


def from_restrictions(reply: Mapping[str, Any]) -> KeyRights:
    """Raises KeyError or TypeError for an answer that leaves a right open: it is then not known."""

    def flag(name: str) -> bool:
        value = reply[name]
        if not isinstance(value, bool):
            raise TypeError(f"{name} is {value!r}")
        return value

    return KeyRights(
        may_read=flag("enableReading"),
        may_trade=flag("enableSpotAndMarginTrading"),
        may_withdraw=flag("enableWithdrawals"),
        may_transfer=flag("enableInternalTransfer") or flag("permitsUniversalTransfer"),
        is_ip_restricted=flag("ipRestrict"),
    )


_asking = threading.Lock()
_good: set[Endpoints] = set()
_bad: dict[Endpoints, tuple[float, ExchangeError]] = {}


def refuse_withdraw_key(where: Endpoints, ask: Callable[[], KeyRights | None]) -> None:
    """Asks once per process and key what a live key may do; `ask` returns None where the exchange has no answer.

    Raises KeyRejected for a key that may withdraw, or that nobody knows of; Throttled or NotSent where the question
    failed. Whoever comes within the pause that follows gets the same answer without asking.
    """
    if settings.HEDGEHOG_ALLOW_WITHDRAW_KEY:
        return
    with _asking:
        if where in _good:
            return
        until, known = _bad.get(where, (0.0, None))
        if known is not None and time.monotonic() < until:
            raise known.with_traceback(None)
        try:
            problem = _problem(where, ask())
        except (KeyRejected, Throttled, NotSent) as error:
            pause_s = error.wait_s if isinstance(error, Throttled) else FAILED_PAUSE_S
            _bad[where] = (time.monotonic() + pause_s, error)
            raise
        except ExchangeError as error:
            # Nothing of the caller's own was sent.
            failed = NotSent(f"The permissions of the live key could not be read: {error}")
            _bad[where] = (time.monotonic() + FAILED_PAUSE_S, failed)
            raise failed from error
        if problem:
            refused = KeyRejected(problem)
            _bad[where] = (time.monotonic() + REFUSED_PAUSE_S, refused)
            raise refused
        _good.add(where)


def forget() -> None:
    """The next one asks."""
    with _asking:
        _good.clear()
        _bad.clear()


def _problem(where: Endpoints, rights: KeyRights | None) -> str:
    if rights is None:
        return (
            f"{where.rest_url} does not report whether the live key can withdraw: make sure it cannot, then set "
            "HEDGEHOG_ALLOW_WITHDRAW_KEY=1"
        )
    return MAY_WITHDRAW if rights.may_withdraw else ""

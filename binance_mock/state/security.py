"""Who is asking: API key, signature and timestamp (request-security.md of Binance's API documents)."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from binance_mock.engine.errors import Refused, bad_key, bad_key_format, bad_signature, illegal, mandatory

if TYPE_CHECKING:
    from hedgehog_project.venues.pem import PublicKey

RECV_WINDOW_MS = 5_000
MAX_RECV_WINDOW_MS = 60_000
# A timestamp may be ahead of the server's by less than this.
AHEAD_MS = 1_000
_SIGNATURE = re.compile(r"(?:^|&)signature=[^&]*")


@dataclass(frozen=True)
class Account:
    """The one account of the exchange and its key."""

    api_key: str
    api_secret: str = field(repr=False)
    # Verifies instead of the secret, where the key is an RSA or Ed25519 key.
    public_key: "PublicKey | None" = None
    may_withdraw: bool = False

    def check_key(self, api_key: str | None) -> None:
        """Raises Refused: -2014 for none, -2015 for a wrong one."""
        if not api_key:
            raise bad_key_format()
        if not hmac.compare_digest(_bytes(api_key), _bytes(self.api_key)):
            raise bad_key()

    def check_signature(self, payload: str, signature: str | None) -> None:
        """Raises Refused: -1102 for none, -1022 for a wrong one."""
        if not signature:
            raise mandatory("signature")
        if self.public_key:
            if not self.public_key.is_signed(payload, signature):
                raise bad_signature()
            return
        wanted = hmac.new(_bytes(self.api_secret), _bytes(payload), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted.encode(), _bytes(signature.lower())):
            raise bad_signature()


def _bytes(text: str) -> bytes:
    """As it came over the wire: aiohttp keeps bytes that are no UTF-8 as halves of characters."""
    return text.encode(errors="surrogateescape")


def signed_payload(query: str, body: str) -> str:
    """What a REST request signs: query and body as they were sent, percent-encoded, without the signature."""
    return _SIGNATURE.sub("", query).lstrip("&") + _SIGNATURE.sub("", body).lstrip("&")


def signed_params(params: Mapping[str, Any]) -> str:
    """What a WebSocket API request signs: its parameters sorted by name, in plain UTF-8, without the signature."""
    return "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature")


def check_time(values: Mapping[str, str], now_ms: int) -> None:
    """Raises Refused (-1021) where the request's timestamp lies outside its window."""
    timestamp = _integer(values, "timestamp")
    if timestamp is None:
        raise mandatory("timestamp")
    window = _integer(values, "recvWindow")
    window = RECV_WINDOW_MS if window is None else window
    if window > MAX_RECV_WINDOW_MS:
        message = f"'recvWindow' contains unexpected value. Cannot be greater than {MAX_RECV_WINDOW_MS}."
        raise Refused(-1102, message)
    if timestamp >= 10**14:  # Microseconds are allowed as well.
        timestamp //= 1000
    if timestamp >= now_ms + AHEAD_MS:
        raise Refused(-1021, f"Timestamp for this request was {AHEAD_MS}ms ahead of the server's time.")
    if now_ms - timestamp > window:
        raise Refused(-1021, "Timestamp for this request is outside of the recvWindow.")


def _integer(values: Mapping[str, str], name: str) -> int | None:
    value = values.get(name)
    if not value:
        return None
    # recvWindow may have three decimals.
    legal = r"^([0-9]{1,20})(\.[0-9]{1,3})?$" if name == "recvWindow" else r"^([0-9]{1,20})$"
    found = re.fullmatch(legal, value, re.ASCII)
    if found is None:
        raise illegal(name, legal)
    return int(found[1])

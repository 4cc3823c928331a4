"""API keys: what signs for an account. Written once for REST, for the WebSocket API, and for the mock that verifies.

The three kinds are those of request-security.md: HMAC-SHA256, RSASSA-PKCS1-v1_5 with SHA-256, and Ed25519.
"""

import hashlib
import hmac
from collections.abc import Mapping
from enum import StrEnum
from typing import NoReturn, Protocol


class KeyKind(StrEnum):
    HMAC = "HMAC"
    RSA = "RSA"
    ED25519 = "Ed25519"


class BadKey(ValueError):
    """A key can't be used. The text goes on a sentence that names the setting, and never shows the content."""


class Signer(Protocol):
    """A secret or a private key."""

    kind: KeyKind

    def sign(self, message: bytes) -> str: ...


class Key:
    """An API key with its secret or private key, which show nowhere: in no repr, and in no task, for it can't be
    pickled."""

    def __init__(self, api_key: str, signer: Signer) -> None:
        self.api_key = str(api_key)  # A plain one: encoders refuse a Secret.
        self._signer = signer

    def __repr__(self) -> str:
        return f"<{self.kind} key>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key stays in its process")

    @property
    def kind(self) -> KeyKind:
        return self._signer.kind

    def sign(self, payload: str) -> str:
        """The signature: hexadecimal of HMAC, base64 of the others, which a URL has to percent-encode."""
        return self._signer.sign(payload.encode())

    def signed(self, params: Mapping[str, str | int], now_ms: int) -> dict[str, str | int]:
        """Parameters of a WebSocket API request with key, time and signature: it signs them sorted by name, in plain
        UTF-8 (web-socket-api/request-security.md)."""
        params = {**params, "apiKey": self.api_key, "timestamp": now_ms}
        return {**params, "signature": self.sign("&".join(f"{name}={params[name]}" for name in sorted(params)))}


class _Secret:
    kind = KeyKind.HMAC

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def sign(self, message: bytes) -> str:
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()


def hmac_key(api_key: str, secret: str) -> Key:
    return Key(api_key, _Secret(secret))


def private_key(api_key: str, pem: str, password: str = "") -> Key:
    """A key that signs with an RSA or Ed25519 private key, whichever the PEM holds. Raises BadKey."""
    # Here: its library takes a fifth of the time in which a process starts, and most have a secret or no key.
    from hedgehog_project.venues.pem import PrivateKey

    return Key(api_key, PrivateKey(pem, password))

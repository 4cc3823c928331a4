"""API keys: what signs for an account. Written once for REST, for the WebSocket API, and for the mock that verifies.

The three kinds are those of request-security.md: HMAC-SHA256, RSASSA-PKCS1-v1_5 with SHA-256, and Ed25519.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from enum import StrEnum
from typing import NoReturn

from Crypto import PassphraseRequiredError
from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC, RSA
from Crypto.Signature import eddsa, pkcs1_15

_RsaOrEd25519 = RSA.RsaKey | ECC.EccKey


class KeyKind(StrEnum):
    HMAC = "HMAC"
    RSA = "RSA"
    ED25519 = "Ed25519"


class BadKey(ValueError):
    """A key can't be used. The text goes on a sentence that names the setting, and never shows the content."""


class Key:
    """An API key with its secret or private key, which show nowhere: in no repr, and in no task, for it can't be
    pickled."""

    def __init__(self, api_key: str, secret: str = "", private: _RsaOrEd25519 | None = None) -> None:
        self.api_key = str(api_key)  # A plain one: encoders refuse a Secret.
        self._secret = secret.encode()
        self._private = private

    def __repr__(self) -> str:
        return f"<{self.kind} key>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key stays in its process")

    @property
    def kind(self) -> KeyKind:
        return KeyKind.HMAC if self._private is None else _kind(self._private)

    def sign(self, payload: str) -> str:
        """The signature: hexadecimal of HMAC, base64 of the others, which a URL has to percent-encode."""
        message = payload.encode()
        if self._private is None:
            return hmac.new(self._secret, message, hashlib.sha256).hexdigest()
        if isinstance(self._private, RSA.RsaKey):
            signature = pkcs1_15.new(self._private).sign(SHA256.new(message))
        else:
            signature = eddsa.new(self._private, "rfc8032").sign(message)
        return base64.b64encode(signature).decode()

    def signed(self, params: Mapping[str, str | int], now_ms: int) -> dict[str, str | int]:
        """Parameters of a WebSocket API request with key, time and signature: it signs them sorted by name, in plain
        UTF-8 (web-socket-api/request-security.md)."""
        params = {**params, "apiKey": self.api_key, "timestamp": now_ms}
        return {**params, "signature": self.sign("&".join(f"{name}={params[name]}" for name in sorted(params)))}


class PublicKey:
    """What an exchange keeps of an RSA or Ed25519 key: it verifies."""

    def __init__(self, pem: str) -> None:
        """Raises BadKey."""
        self._public = _opened(pem, None)
        if self._public.has_private():
            raise BadKey("is a private key: the exchange gets the public one (openssl pkey -pubout)")
        self.kind = _kind(self._public)

    def is_signed(self, payload: str, signature: str) -> bool:
        message = payload.encode()
        try:
            raw = base64.b64decode(signature, validate=True)
            if isinstance(self._public, RSA.RsaKey):
                pkcs1_15.new(self._public).verify(SHA256.new(message), raw)
            else:
                eddsa.new(self._public, "rfc8032").verify(message, raw)
        except ValueError:
            return False
        return True


def hmac_key(api_key: str, secret: str) -> Key:
    return Key(api_key, secret=secret)


def private_key(api_key: str, pem: str, password: str = "") -> Key:
    """A key that signs with an RSA or Ed25519 private key, whichever the PEM holds. Raises BadKey."""
    private = _opened(pem, password or None)
    if not private.has_private():
        raise BadKey("is a public key: the private one signs, the public one is for the exchange")
    return Key(api_key, private=private)


def _opened(pem: str, password: str | None) -> _RsaOrEd25519:
    # One line, as an environment file may have it.
    pem = pem.replace("\\n", "\n").strip()
    if not pem.startswith("-----BEGIN "):
        raise BadKey("is no PEM: it must begin with -----BEGIN")
    for kind in (RSA, ECC):
        try:
            key: RSA.RsaKey | ECC.EccKey = kind.import_key(pem, passphrase=password)
        except PassphraseRequiredError:
            raise BadKey("is encrypted: its password belongs into …_PRIVATE_KEY_PASSWORD") from None
        except (ValueError, IndexError, TypeError):
            # RSA's reader refuses an Ed25519 key so. Its words are not repeated: they may quote the content.
            continue
        if isinstance(key, ECC.EccKey) and key.curve != "Ed25519":
            raise BadKey(f"is a key of the curve {key.curve}: Binance takes RSA and Ed25519")
        return key
    if password and "ENCRYPTED" in pem:
        raise BadKey("can't be opened: its password is wrong, or it is damaged")
    raise BadKey("holds neither an RSA nor an Ed25519 key, or is damaged")


def _kind(key: _RsaOrEd25519) -> KeyKind:
    return KeyKind.RSA if isinstance(key, RSA.RsaKey) else KeyKind.ED25519

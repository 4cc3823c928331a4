"""RSA and Ed25519 keys as PEM texts: a private one signs, a public one verifies (request-security.md)."""

import base64

from Crypto import PassphraseRequiredError
from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC, RSA
from Crypto.Signature import eddsa, pkcs1_15

from hedgehog_project.venues.keys import BadKey, KeyKind

_RsaOrEd25519 = RSA.RsaKey | ECC.EccKey


class PrivateKey:
    """Signs as the kind of key does that the PEM holds."""

    def __init__(self, pem: str, password: str = "") -> None:
        """Raises BadKey."""
        self._private = _opened(pem, password or None)
        if not self._private.has_private():
            raise BadKey("is a public key: use the private one, the public one is for the exchange")
        self.kind = _kind(self._private)

    def sign(self, message: bytes) -> str:
        if isinstance(self._private, RSA.RsaKey):
            signature = pkcs1_15.new(self._private).sign(SHA256.new(message))
        else:
            signature = eddsa.new(self._private, "rfc8032").sign(message)
        return base64.b64encode(signature).decode()


class PublicKey:
    """What an exchange keeps of an RSA or Ed25519 key: it verifies."""

    def __init__(self, pem: str) -> None:
        """Raises BadKey."""
        self._public = _opened(pem, None)
        if self._public.has_private():
            raise BadKey("is a private key: use the public one (openssl pkey -pubout)")
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


def _opened(pem: str, password: str | None) -> _RsaOrEd25519:
    # One line, as an environment file may have it.
    pem = pem.replace("\\n", "\n").strip()
    if not pem.startswith("-----BEGIN "):
        raise BadKey("is not a PEM: it must begin with -----BEGIN")
    for kind in (RSA, ECC):
        try:
            key: RSA.RsaKey | ECC.EccKey = kind.import_key(pem, passphrase=password)
        except PassphraseRequiredError:
            raise BadKey("is encrypted: set its password in …_PRIVATE_KEY_PASSWORD") from None
        except (ValueError, IndexError, TypeError):
            # RSA's reader refuses an Ed25519 key so. Its words are not repeated: they may quote the content.
            continue
        if isinstance(key, ECC.EccKey) and key.curve != "Ed25519":
            raise BadKey(f"uses the curve {key.curve}: Binance accepts RSA and Ed25519")
        return key
    if password and "ENCRYPTED" in pem:
        raise BadKey("cannot be decrypted: wrong password or damaged file")
    raise BadKey("contains no RSA or Ed25519 key, or is damaged")


def _kind(key: _RsaOrEd25519) -> KeyKind:
    return KeyKind.RSA if isinstance(key, RSA.RsaKey) else KeyKind.ED25519

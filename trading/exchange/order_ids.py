"""How an order of ours is known on the exchange: hh-k7m2x9-1234-b-0f1e2d3c4b5a.

That is the installation that placed it, its trader there, its side, and 48 random bits. Orders that are older than
identities are named hh-1234-b-0f1e2d3c4b5a6978.
"""

import re
import secrets
from dataclasses import dataclass

from trading.core.orders import Side

# Without those that look alike: 0 and o, 1 and i and l, u and v.
ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"
IDENTITY_LENGTH = 6
_SHAPE = re.compile(rf"hh-(?:([{ALPHABET}]{{{IDENTITY_LENGTH}}})-)?([0-9]{{1,10}})-[bs]-[0-9A-Za-z_]+")


@dataclass(frozen=True)
class Name:
    """What a client order id tells. `identity` is empty where it is older than identities."""

    identity: str
    trader: int


def read(client_order_id: str) -> Name | None:
    """None: no Hedgehog has placed it, and nobody here may touch it."""
    match = _SHAPE.fullmatch(client_order_id)
    return Name(match[1] or "", int(match[2])) if match else None


def trader_of(client_order_id: str) -> int | None:
    """The trader that the id names; another database has another one of that number."""
    name = read(client_order_id)
    return name.trader if name else None


def new_identity() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(IDENTITY_LENGTH))


def new_client_order_id(identity: str, trader_id: int, side: Side) -> str:
    """Unique for ever, also when the database began anew; at most 36 of Binance's characters [A-Za-z0-9_-]."""
    return f"hh-{identity}-{trader_id}-{side[0].lower()}-{secrets.token_hex(6)}"

"""How an order of ours is known on the exchange: hh-1234-b-0f1e2d3c4b5a6978, its trader, its side, 64 random bits."""

import secrets

from trading.core.orders import Side

# Orders without it are somebody else's and never touched.
PREFIX = "hh-"


def new_client_order_id(trader_id: int, side: Side) -> str:
    """Unique for ever, also when the database began anew; at most 36 of Binance's characters [A-Za-z0-9_-]."""
    return f"{PREFIX}{trader_id}-{side[0].lower()}-{secrets.token_hex(8)}"


def is_ours(client_order_id: str) -> bool:
    return client_order_id.startswith(PREFIX)


def trader_of(client_order_id: str) -> int | None:
    """The trader that the id names; None where it names none. A database that began anew has another one of it."""
    parts = client_order_id.split("-")
    return int(parts[1]) if is_ours(client_order_id) and len(parts) > 1 and parts[1].isdecimal() else None

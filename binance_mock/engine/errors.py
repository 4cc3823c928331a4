"""Every refusal of the exchange, with Binance's code and text (errors.md and filters.md of its API documents)."""

from typing import Any


class Refused(Exception):
    """An answer of the form {"code": …, "msg": …}. `status` is the HTTP status that goes with it."""

    def __init__(self, code: int, message: str, status: int = 400, retry_after_s: int = 0, data: Any = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.retry_after_s = retry_after_s
        self.data = data

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"code": self.code, "msg": self.message}
        if self.data is not None:
            body["data"] = self.data
        return body


def filter_failure(name: str) -> Refused:
    return Refused(-1013, f"Filter failure: {name}")


def rejected(message: str) -> Refused:
    """The matching engine took the order and turned it down."""
    return Refused(-2010, message)


def mandatory(name: str) -> Refused:
    return Refused(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def not_required(name: str) -> Refused:
    return Refused(-1106, f"Parameter '{name}' sent when not required.")


def bad_combination() -> Refused:
    return Refused(-1128, "Combination of optional parameters invalid.")


def not_valid(name: str) -> Refused:
    return Refused(-1130, f"Data sent for parameter '{name}' is not valid.")


def illegal(name: str, legal: str) -> Refused:
    return Refused(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def too_precise(name: str) -> Refused:
    return Refused(-1111, f"Parameter '{name}' has too much precision.")


def bad_symbol() -> Refused:
    return Refused(-1121, "Invalid symbol.")


def insufficient_balance() -> Refused:
    return rejected("Account has insufficient balance for requested action.")


def unknown_order() -> Refused:
    return Refused(-2011, "Unknown order sent.")


def no_such_order() -> Refused:
    return Refused(-2013, "Order does not exist.")


def archived_order() -> Refused:
    return Refused(
        -2026, "Order was canceled or expired with no executed qty over 90 days ago and has been archived."
    )


def bad_signature() -> Refused:
    return Refused(-1022, "Signature for this request is not valid.")


def bad_key_format() -> Refused:
    return Refused(-2014, "API-key format invalid.", status=401)


def bad_key() -> Refused:
    return Refused(-2015, "Invalid API-key, IP, or permissions for action.", status=401)


def too_much_weight(limit: str, retry_after_s: int, now_ms: int) -> Refused:
    message = (
        f"Too much request weight used; current limit is {limit}. "
        "Please use WebSocket Streams for live updates to avoid polling the API."
    )
    data = {"serverTime": now_ms, "retryAfter": now_ms + retry_after_s * 1000}
    return Refused(-1003, message, 429, retry_after_s, data)


def banned(until_ms: int, now_ms: int) -> Refused:
    message = (
        f"Way too much request weight used; IP banned until {until_ms}. "
        "Please use WebSocket Streams for live updates to avoid bans."
    )
    data = {"serverTime": now_ms, "retryAfter": until_ms}
    return Refused(-1003, message, 418, -(-(until_ms - now_ms) // 1000), data)


def too_many_orders(limit: int, interval: str) -> Refused:
    """Without a Retry-After, unlike other 429s: rest-api.md, "Unfilled Order Count"."""
    return Refused(-1015, f"Too many new orders; current limit is {limit} orders per {interval}.", 429)


def too_many_connections(limit: int, interval: str, retry_after_s: int) -> Refused:
    message = f"Too many connection attempts from IP; current limit is {limit} per '{interval}'."
    return Refused(-1034, message, 429, retry_after_s)

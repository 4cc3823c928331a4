"""What is answered instead of the truth when a fault is injected into a request."""

from collections.abc import Mapping
from dataclasses import dataclass

from binance_mock.engine.errors import Refused, bad_key, insufficient_balance, rejected

_BAD_GATEWAY = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    b"<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"
)
_UNAVAILABLE = _BAD_GATEWAY.replace(b"502 Bad Gateway", b"503 Service Temporarily Unavailable")
# What the firewall in front of the exchange says (rest-api.md, "HTTP 403").
_FORBIDDEN = (
    b'<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01 Transitional//EN">\n<HTML><HEAD><TITLE>ERROR: The request could '
    b"not be satisfied</TITLE></HEAD><BODY><H1>403 ERROR</H1>Request blocked.</BODY></HTML>\n"
)


@dataclass(frozen=True)
class Page:
    """What is answered by something that stands before the exchange and does not speak its protocol."""

    status: int
    body: bytes
    content_type: str = "text/html"


# Texts are those of errors.md.
ERRORS: Mapping[str, Refused] = {
    "unknown_1000": Refused(-1000, "An unknown error occurred while processing the request.", 500),
    "unexpected_1006": Refused(
        -1006, "An unexpected response was received from the message bus. Execution status unknown.", 500
    ),
    "timeout_1007": Refused(
        -1007,
        "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
        504,
    ),
    "too_many_requests_1003": Refused(-1003, "Too many requests queued.", 429),
    "overloaded_1008": Refused(
        -1008, "Server is currently overloaded with other requests. Please try again in a few minutes.", 503
    ),
    "clock_1021": Refused(-1021, "Timestamp for this request is outside of the recvWindow."),
    "balance_2010": insufficient_balance(),
    "duplicate_2010": rejected("Duplicate order sent."),
    "closed_2010": rejected("Market is closed."),
    "would_match_2010": rejected("Order would immediately match and take."),
    "key_2015": bad_key(),
}
_PAGES: Mapping[str, Page] = {
    "http_500": Page(500, b"", "text/plain"),
    "http_502": Page(502, _BAD_GATEWAY),
    "http_503": Page(503, _UNAVAILABLE),
    "firewall_403": Page(403, _FORBIDDEN),
}


def false_answer(kind: str) -> Refused | Page | None:
    """What a fault of that kind answers; None where it does something else."""
    name = kind.removesuffix("_before").removesuffix("_after")
    return _PAGES.get(name) or ERRORS.get(name)

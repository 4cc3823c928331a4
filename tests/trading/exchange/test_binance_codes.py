"""Every error code of Binance's documents, over the wire: what our client makes of it, placing and asking."""

import json
from pathlib import Path
from typing import Any

import pytest

from hedgehog_project.redis import connect
from tests.support.exchanges.clients import client_of, forget_exchanges, limit_order
from tests.support.exchanges.scripted_http import ScriptedServer, answer
from trading.exchange.errors import (
    ExchangeError,
    KeyRejected,
    NotFound,
    NotSent,
    OutcomeUnknown,
    Refused,
    Throttled,
    Why,
)

Failure = type[ExchangeError]

REFUSED = (
    *(-1013, -1014, -1016, -1020, -1021, -1033, -1035),
    *(-1100, -1101, -1102, -1103, -1104, -1105, -1106, -1108, -1111, -1112, -1114, -1115, -1116, -1117, -1118, -1119),
    *(-1120, -1121, -1122, -1125, -1127, -1128, -1130, -1134, -1135, -1139, -1145),
    *(-1151, -1152, -1153, -1155, -1158, -1160, -1161, -1165, -1166, -1168, -1169),
    *(-1170, -1171, -1172, -1173, -1174, -1175, -1176, -1177, -1178, -1179),
    *(-1180, -1182, -1183, -1184, -1185, -1186, -1187, -1188, -1189, -1190, -1191, -1194, -1196, -1197, -1198, -1199),
    *(-1210, -1211, -1220, -1221, -1222, -1223, -1224, -1225),
    *(-2010, -2016, -2035, -2036, -2039, -2042, -2043),
)
EXPECTED: dict[int, Failure] = {
    **dict.fromkeys((-1000, -1001, -1006, -1007, -1008), OutcomeUnknown),
    **dict.fromkeys((-1003, -1015, -1034, -1181), Throttled),
    **dict.fromkeys((-1002, -1022, -2014, -2015), KeyRejected),
    **dict.fromkeys((-2011, -2013, -2026), NotFound),
    **dict.fromkeys(REFUSED, Refused),
}
STATUSES = {-1002: 401, -1003: 429, -1007: 408, -1015: 429, -2014: 401, -2015: 401}
ASKED: dict[Failure, int] = {OutcomeUnknown: 3}  # times


@pytest.fixture(scope="module")
def sync(recorded: Path) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = json.loads((recorded / "samples" / "binance_error_catalog.json").read_text())
    return found


def failure(code: int, message: str, *, is_placing: bool, status: int = 400) -> tuple[ExchangeError, int]:
    """What the client makes of such an answer, and how often it asked."""
    forget_exchanges()  # A port may come again, and one of the answers may have stopped all calls there.
    connect().flushall()
    clock = answer(200, {"serverTime": 1_800_000_000_000})
    fault = answer(status, {"code": code, "msg": message})
    with ScriptedServer(*([fault, clock, fault] if code == -1021 else [fault] * 5)) as server:
        client = client_of(server.url)
        with pytest.raises(ExchangeError) as raised:
            client.place(limit_order()) if is_placing else client.order("ETHUSDT", "hh-1-b-1")
        return raised.value, len([request for request in server.requests if request.path == "/api/v3/order"])


def messages(text: str) -> list[str]:
    """Of a code, as the documents list them."""
    lines = [line.strip() for line in text.splitlines()]
    return [line.lstrip("* ").replace("%s", "5") for line in lines if line.startswith("*")]


@pytest.mark.parametrize("is_placing", [True, False], ids=["placing", "asking"])
def test_every_code_of_the_documents_says_what_to_do(sync: dict[str, list[Any]], is_placing: bool) -> None:
    assert {each["code"] for each in sync["codes"]} == set(EXPECTED)
    for each in sync["codes"]:
        code = each["code"]
        for message in messages(each["text"]):
            error, times = failure(code, message, is_placing=is_placing, status=STATUSES.get(code, 400))
            # An order whose timestamp is refused is decided on anew, by the clock that was learnt.
            expected = NotSent if (code, is_placing) == (-1021, True) else EXPECTED[code]
            assert type(error) is expected, (code, message, error)
            assert str(code) in str(error)
            expected_times = 1 if is_placing else 2 if code == -1021 else ASKED.get(EXPECTED[code], 1)
            assert times == expected_times, (code, message)
            if isinstance(error, Refused):
                assert error.code == code


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_server_in_trouble_leaves_every_outcome_open_whatever_its_code(status: int) -> None:
    for code in EXPECTED.keys() - {-1003, -1015, -1034, -1181}:
        assert type(failure(code, "as scripted", is_placing=True, status=status)[0]) is OutcomeUnknown, code


# What the matching engine's messages are about; those that are not here are of no kind of their own.
ABOUT = {
    "Duplicate order sent.": OutcomeUnknown,
    "Unknown order sent.": NotFound,
    "This action is disabled on this account.": KeyRejected,
    "This account may not place or cancel orders.": KeyRejected,
    "Account has insufficient balance for requested action.": Why.BALANCE,
    "Market is closed.": Why.MARKET_CLOSED,
    "Order would immediately match and take.": Why.WOULD_MATCH,
    "Order would trigger immediately.": Why.WOULD_MATCH,
    "Price * QTY is zero or less.": Why.FILTER,
    "This symbol is not permitted for this account.": Why.NOT_PERMITTED,
    "This symbol is restricted for this account.": Why.NOT_PERMITTED,
}


@pytest.mark.parametrize("code", [-2010, -1010, -1013])
def test_refused_order_is_read_by_its_message(sync: dict[str, list[Any]], code: int) -> None:
    assert ABOUT.keys() <= {message for message, _ in sync["reject_messages"]}
    for message, _ in sync["reject_messages"]:
        error, _ = failure(code, message, is_placing=True)
        about = Why.FILTER if message.startswith("Filter failure") else ABOUT.get(message, Why.OTHER)
        if isinstance(about, Why):
            assert (type(error), getattr(error, "why", None)) == (Refused, about), message
        else:
            assert type(error) is about, message
        assert message in str(error)


def test_reason_for_people_says_what_to_do(sync: dict[str, list[Any]]) -> None:
    for message, _ in sync["filter_failures"]:
        error, _ = failure(-1013, message, is_placing=True)
        assert len(str(error)) > len(f"{message} (-1013)") + 20, error
    error, _ = failure(-2010, "Account has insufficient balance for requested action.", is_placing=True)
    assert str(error).startswith("The free balance is less than the order needs")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Unknown order sent.", NotFound),
        ("Order was not canceled due to cancel restrictions.", Refused),
        ("This account may not place or cancel orders.", KeyRejected),
        ("Cancel order is invalid. Check origClOrdId and orderId.", Refused),
        ("a message that nobody knows yet", NotFound),
    ],
)
def test_refused_cancel_says_whether_the_order_may_rest_still(message: str, expected: Failure) -> None:
    with ScriptedServer(answer(400, {"code": -2011, "msg": message})) as server:
        with pytest.raises(ExchangeError) as raised:
            client_of(server.url).cancel("ETHUSDT", "hh-1-b-1")
        assert [request.method for request in server.requests] == ["DELETE"]
    assert type(raised.value) is expected


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        pytest.param(409, {"code": -2021, "msg": "Order cancel-replace partially failed."}, OutcomeUnknown, id="409"),
        pytest.param(400, {"code": -2022, "msg": "Order cancel-replace failed."}, Refused, id="-2022"),
        pytest.param(403, "<html>Forbidden</html>", Throttled, id="403 of the firewall"),
        pytest.param(403, {"code": -1002, "msg": "You are not authorized."}, KeyRejected, id="403 of the exchange"),
        pytest.param(451, {"code": 0, "msg": "from a restricted location"}, Refused, id="451 of the exchange"),
        pytest.param(451, "<html>Not here</html>", Refused, id="451 of something in between"),
        pytest.param(401, "<html>Who are you?</html>", OutcomeUnknown, id="401 of something in between"),
    ],
)
def test_status_counts_where_there_is_no_code(status: int, body: object, expected: Failure) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    with ScriptedServer(answer(status, text=text)) as server, pytest.raises(ExchangeError) as raised:
        client_of(server.url).place(limit_order())
    assert type(raised.value) is expected


PAGE = """
<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01 Transitional//EN">
<HTML><HEAD><TITLE>ERROR</TITLE></HEAD></HTML>"""


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        pytest.param(403, PAGE, "Blocked by the exchange's firewall (HTTP 403)", id="the firewall's page"),
        pytest.param(403, "Forbidden", "Blocked by the exchange's firewall (HTTP 403)", id="the firewall's word"),
        pytest.param(429, PAGE, "Rate limit: HTTP 429", id="too many requests"),
        pytest.param(502, PAGE, "HTTP 502", id="a proxy's page"),
        pytest.param(502, "error code:\n1020", "HTTP 502: error code: 1020", id="a proxy's words"),
        pytest.param(451, PAGE, "The exchange is not available from this location: HTTP 451", id="a location"),
    ],
)
def test_page_of_html_is_not_quoted(status: int, body: str, expected: str) -> None:
    forget_exchanges()
    connect().flushall()
    with ScriptedServer(answer(status, text=body)) as server, pytest.raises(ExchangeError) as raised:
        client_of(server.url).place(limit_order())
    assert str(raised.value) == expected

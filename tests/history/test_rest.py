"""Holes, filled from an exchange's REST, slowly."""

import time
from typing import Any

import pytest

from hedgehog_project.redis import connect
from hedgehog_project.venues.rate_limits import rate_limits_at
from history import rest
from history.holes import Hole
from history.rest import Filler, Row
from tests.support.exchanges.scripted_http import Answer, ScriptedServer, answer, hang_up

MS = 1_704_067_200_000
FULL_DAY_US = (MS * 1000, (MS + 86_400_000) * 1000)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it would have waited, instead of waiting."""
    connect().flushall()
    waited: list[float] = []
    monkeypatch.setattr(Filler, "_wait", lambda self, seconds: waited.append(seconds))
    return waited


def trades(*ids: int, price: str = "2.50000000") -> Answer:
    rows = [{"id": each, "price": price, "qty": "0.001", "time": MS + each, "isBuyerMaker": True} for each in ids]
    return answer(200, [{**row, "quoteQty": "1", "isBestMatch": True} for row in rows])


def aggregates(*of: tuple[int, int, int]) -> Answer:
    """Each by its own id and its first and last trade's."""
    common: dict[str, Any] = {"p": "2.5", "q": "1", "m": False, "M": True}
    return answer(200, [{"a": a, "f": f, "l": last, "T": MS + a, **common} for a, f, last in of])


def row(number: int) -> Row:
    return Row(number, 250_000_000, 100_000, (MS + number) * 1000, True)


NO_KEY = answer(401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."})


def test_a_hole_is_asked_for_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "PAGE", 2)
    with ScriptedServer(trades(5, 6), trades(7, 8), trades(9, 10)) as server:
        found = Filler(server.url, "").trades("ETHUSDT", Hole(5, 9), *FULL_DAY_US)
    assert found.rows == [row(each) for each in range(5, 10)]
    assert found.problem == ""
    asked = [(each.params["fromId"], each.params["limit"]) for each in server.requests]
    assert asked == [("5", "2"), ("7", "2"), ("9", "1")]


def test_what_the_exchange_lacks_too_is_said() -> None:
    with ScriptedServer(trades(7, 9, 10)) as server:
        found = Filler(server.url, "").trades("ETHUSDT", Hole(5, 9), *FULL_DAY_US)
    assert [each.id for each in found.rows] == [7, 9]
    assert found.problem == "the exchange does not have 3 of them either"


def test_a_tenth_of_the_weight_is_spent(waits: list[float]) -> None:
    with ScriptedServer(*[trades(each) for each in range(1, 6)]) as server:
        began = time.monotonic()
        filler = Filler(server.url, "")
        for each in range(1, 6):
            filler.trades("ETHUSDT", Hole(each, each), *FULL_DAY_US)
        lasted = time.monotonic() - began
        assert rate_limits_at(server.url).state().weight.used >= 25  # counted where everybody counts
    # 25 of weight at 600 a minute. Nobody has really waited: each time all that came before is to be waited for.
    assert waits[-1] == pytest.approx(4 * 25 / 600 * 60 - lasted, abs=0.5)


def test_who_is_told_to_wait_waits(waits: list[float]) -> None:
    told = answer(429, {"code": -1003, "msg": "Too many requests"}, Retry_After=7)
    with ScriptedServer(told) as server:
        found = Filler(server.url, "").trades("ETHUSDT", Hole(5, 5), *FULL_DAY_US)
    assert any(6 < each <= 7 for each in waits)
    assert found.rows == [] and "429" in found.problem
    assert len(server.requests) == 1  # no process calls this address before that time


def test_a_line_that_breaks_is_tried_again() -> None:
    with ScriptedServer(hang_up, answer(502), trades(5)) as server:
        found = Filler(server.url, "").trades("ETHUSDT", Hole(5, 5), *FULL_DAY_US)
    assert (found.rows, found.problem) == ([row(5)], "")


def test_without_a_key_trades_that_stand_alone_are_found() -> None:
    with ScriptedServer(NO_KEY, aggregates((1, 5, 5), (2, 6, 8), (3, 9, 9), (4, 10, 10))) as server:
        found = Filler(server.url, "").trades("ETHUSDT", Hole(5, 9), *FULL_DAY_US)
    assert [each.id for each in found.rows] == [5, 9]
    assert "without an API key" in found.problem
    assert server.requests[1].params["startTime"] == str(MS)


def test_aggregate_trades_are_asked_for_by_their_own_ids() -> None:
    with ScriptedServer(aggregates((5, 10, 12), (6, 13, 13), (7, 14, 20))) as server:
        found = Filler(server.url, "").aggregates("ETHUSDT", Hole(5, 6))
    assert [each.id for each in found.rows] == [5, 6]
    assert found.problem == ""


def test_a_symbol_that_is_listed_no_longer_is_said() -> None:
    with ScriptedServer(answer(400, {"code": -1121, "msg": "Invalid symbol."})) as server:
        found = Filler(server.url, "").trades("LUNAUSDT", Hole(5, 6), *FULL_DAY_US)
    assert found.rows == [] and "Invalid symbol" in found.problem


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "1e-12", "Infinity", "x", "99999999999999999999"])
def test_an_amount_that_is_none_is_not_taken(price: str) -> None:
    with ScriptedServer(trades(5, price=price)) as server:
        found = Filler(server.url, "").trades("ETHUSDT", Hole(5, 5), *FULL_DAY_US)
    assert found.rows == [] and "an amount that is none" in found.problem


def test_a_month_is_not_asked_for_by_pages() -> None:
    with ScriptedServer() as server:
        found = Filler(server.url, "").trades("ETHUSDT", Hole(1, rest.MAX_HOLE + 1), *FULL_DAY_US)
    assert "too many" in found.problem and not server.requests

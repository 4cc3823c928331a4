"""Binance's codes and waits: the one table that traders and the streamer read."""

import time
from email.utils import formatdate

import pytest

from hedgehog_project.venues import codes
from hedgehog_project.venues.codes import told_to_wait_s
from hedgehog_project.venues.rate_limits import LONGEST_BAN_S
from streamer import gaps


@pytest.mark.parametrize(
    ("status", "code", "headers", "expected"),
    [
        pytest.param(429, -1003, {"retry-after": "7"}, 7, id="as told"),
        pytest.param(429, -1003, {"retry-after": "0"}, 1, id="a second at least"),
        pytest.param(429, -1003, {"retry-after": "soon"}, 20, id="no number"),
        pytest.param(418, 0, {"retry-after": "999999999"}, LONGEST_BAN_S, id="never longer than Binance bans"),
        pytest.param(418, -1003, {}, 120, id="a ban of unknown length"),
        pytest.param(403, 0, {}, 120, id="the firewall"),
        pytest.param(403, -1002, {}, None, id="a refusal by the exchange itself"),
        pytest.param(400, -1003, {}, 20, id="by the code alone"),
        pytest.param(429, -1015, {}, None, id="orders of the account, not requests of the address"),
        pytest.param(400, -1013, {}, None, id="another refusal"),
        pytest.param(503, 0, {}, None, id="the exchange is in trouble"),
    ],
)
def test_an_answer_says_how_long_nobody_is_to_call(
    status: int, code: int, headers: dict[str, str], expected: float | None
) -> None:
    assert told_to_wait_s(status, code, "as scripted", headers) == expected


def test_the_end_of_a_ban_is_told_by_the_exchange_s_clock() -> None:
    there = time.time() + 6 * 3600
    message = f"IP banned until {round((there + 300) * 1000)}."
    assert told_to_wait_s(418, -1003, message, {"date": formatdate(there, usegmt=True)}) == pytest.approx(300, abs=2)


def test_too_many_requests_last_longer_than_live_frames_wait_for_a_gap() -> None:
    assert codes.WAITS_S[429] > gaps.PATIENCE_S


@pytest.mark.parametrize(
    ("code", "expected"), [(-2015, True), (-1021, True), (-1008, False), (None, False), ("x", False)]
)
def test_what_a_person_must_mend_is_told_from_what_passes(code: object, expected: bool) -> None:
    assert codes.needs_a_person(code) is expected

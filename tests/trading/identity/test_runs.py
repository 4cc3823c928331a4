"""When this installation ran: signs, breaks, and what that tells of an order that the database lacks."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from trading.identity import runs
from trading.identity.runs import Runs, When
from trading.models import Installation, Run

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

Beat = Callable[..., None]

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def beat(monkeypatch: pytest.MonkeyPatch) -> Beat:
    """Writes a sign so many seconds after NOW, by a clock that was set by so much."""

    def sign(seconds: float, set_by_s: float = 0) -> None:
        monkeypatch.setattr(runs, "uptime_s", lambda: 5_000.0 + seconds)
        runs.beat(after(seconds + set_by_s))

    return sign


def spans() -> list[tuple[float, float]]:
    rows = Run.objects.order_by("id").values_list("began_at", "last_at")
    return [((began - NOW).total_seconds(), (last - NOW).total_seconds()) for began, last in rows]


def test_run_goes_on_while_there_are_signs_of_it(beat: Beat) -> None:
    for seconds in range(0, 121, 2):
        beat(seconds)
    assert spans() == [(0, 120)]


def test_sign_is_written_only_every_few_seconds(beat: Beat) -> None:
    for seconds in (0, 1, 2, 3, 4):
        beat(seconds)
    assert spans() == [(0, 0)]


def test_leader_that_stalls_for_half_a_minute_ends_no_run(beat: Beat) -> None:
    for seconds in (0, 30, 60):
        beat(seconds)
    assert spans() == [(0, 60)]


@pytest.mark.parametrize("later_s", [61, 86_400, -3_600], ids=["a break", "a day", "the clock was set back"])
def test_break_ends_a_run(later_s: int, beat: Beat) -> None:
    beat(0)
    beat(later_s)
    assert spans() == [(0, 0), (later_s, later_s)]


def test_start_of_everything_begins_another_run_however_soon(beat: Beat) -> None:
    beat(0)
    runs.end()
    beat(5)
    assert spans() == [(0, 0), (5, 5)]


def test_rows_are_bounded(monkeypatch: pytest.MonkeyPatch, beat: Beat) -> None:
    monkeypatch.setattr(runs, "MAX_KEPT", 2)
    for hour in range(4):
        beat(hour * 3600)
    assert spans() == [(7200, 7200), (10_800, 10_800)]


@pytest.mark.parametrize(
    ("placed_s", "when"),
    [
        (-1000, When.NOT_RUNNING),
        (-50, When.UNSURE),  # about when the first run began
        (0, When.RUNNING),
        (85, When.RUNNING),
        (95, When.UNSURE),  # in the last seconds of a run that a power cut may have lost
        (101, When.NOT_RUNNING),  # between the two: what a restored backup does not know
        (295, When.NOT_RUNNING),
        (305, When.UNSURE),
        (315, When.RUNNING),
        (400, When.RUNNING),  # ahead of the last sign, and the run goes on
        (None, When.UNSURE),
    ],
)
def test_order_is_placed_while_this_installation_ran_or_not(placed_s: int | None, when: When) -> None:
    Run.objects.create(began_at=after(-55), last_at=after(100), is_over=True)
    Run.objects.create(began_at=after(300), last_at=after(330))
    known = Runs.at(after(350))
    assert known.when(None if placed_s is None else after(placed_s)) == when
    assert runs.began_at(after(350)) == after(300)


@pytest.mark.parametrize(
    ("placed_s", "when"),
    [(-30, When.NOT_RUNNING), (0, When.NOT_RUNNING), (5, When.UNSURE), (11, When.RUNNING), (None, When.UNSURE)],
)
def test_what_was_placed_until_a_person_decided_is_no_copys_any_more(placed_s: int | None, when: When) -> None:
    Installation.objects.create(pk=1, kept_at=NOW)
    Run.objects.create(began_at=after(-3600), last_at=after(60))
    assert Runs.at(after(60)).when(None if placed_s is None else after(placed_s)) == when


def test_run_that_has_ended_proves_nothing_of_what_came_after() -> None:
    Run.objects.create(began_at=after(0), last_at=after(100))
    known = Runs.at(after(200))
    assert runs.began_at(after(200)) is None
    assert (known.when(after(50)), known.when(after(150))) == (When.RUNNING, When.NOT_RUNNING)


def test_nothing_is_proven_where_nothing_ever_ran() -> None:
    assert Runs.at(NOW).when(NOW) == When.NOT_RUNNING


@pytest.mark.parametrize("set_by_s", [6 * 3600, -6 * 3600], ids=["forward", "back"])
def test_clock_that_was_set_makes_what_was_placed_before_unsure(set_by_s: int, beat: Beat) -> None:
    """The exchange's time of it, by the new clock, is one at which no run is known."""
    for seconds in range(0, 41, 5):
        beat(seconds)
    known = Runs.at(after(41 + set_by_s))  # somebody looks before the next sign
    assert [known.when(after(seconds + set_by_s)) for seconds in (5, 39)] == [When.UNSURE, When.UNSURE]
    for seconds in range(45, 91, 5):
        beat(seconds, set_by_s)
    known = Runs.at(after(90 + set_by_s))
    placed = {seconds: known.when(after(seconds + set_by_s)) for seconds in (-60, 5, 39, 44, 60)}
    assert placed == {
        -60: When.NOT_RUNNING,
        5: When.UNSURE,
        39: When.UNSURE,
        44: When.UNSURE,
        60: When.RUNNING,
    }


def test_break_is_no_clock_that_was_set(beat: Beat) -> None:
    beat(0)
    beat(7200)
    assert Runs.at(after(7210)).when(after(3600)) == When.NOT_RUNNING


def test_another_hosts_uptime_tells_nothing_of_the_clock(beat: Beat, monkeypatch: pytest.MonkeyPatch) -> None:
    beat(0)
    monkeypatch.setattr(runs, "uptime_s", lambda: 77.0)
    runs.beat(after(7200))
    assert Runs.at(after(7210)).when(after(3600)) == When.NOT_RUNNING

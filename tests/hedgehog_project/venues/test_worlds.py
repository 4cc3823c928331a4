"""What a world of the mock exchange is called, which one runs, and which rest."""

import copy
import gzip
import pickle
from pathlib import Path

import pytest
from pytest_django import Settings

from hedgehog_project.venues import (
    WORLD_HEADER,
    Market,
    Venue,
    default_market,
    endpoints,
    has_keys,
    market_of,
    markets,
    mock_world,
    rests,
    running,
    why_it_rests,
)
from hedgehog_project.venues.worlds import MAX_LENGTH, world_of

REPLAY = Venue("mock/replay:ETHUSDT-trades-2024-1a2b3c")


def test_worlds_are_venues_of_their_own() -> None:
    paper = Venue("mock/paper")
    assert paper not in list(Venue)
    assert {paper: 1}[Venue("mock/paper")] == 1
    assert (paper.value, f"{paper}", paper.is_mock, paper.exchange) == ("mock/paper", "mock/paper", True, Venue.MOCK)
    assert Venue("mock/simulated") is Venue.MOCK
    assert list(Venue) == [Venue.LIVE, Venue.TESTNET, Venue.DEMO, Venue.MOCK]
    assert not Venue.LIVE.is_mock
    for each in (paper, REPLAY, Venue.LIVE):
        assert pickle.loads(pickle.dumps(each)) == copy.deepcopy(each) == each


@pytest.mark.parametrize("name", ["mock/", "mock/other", "mock/replay:", "mock/replay:a b", "mock/replay:../a", "x"])
def test_no_other_name_is_a_venue(name: str) -> None:
    with pytest.raises(ValueError, match="is not a valid Venue"):
        Venue(name)


def test_people_read_words() -> None:
    assert [each.label for each in (Venue.LIVE, Venue.MOCK, Venue("mock/paper"), REPLAY)] == [
        "Live",
        "Mock, simulated",
        "Paper",
        "Replay of ETHUSDT-trades-2024-1a2b3c",
    ]
    assert (Venue.MOCK.shown, Venue("mock/paper").shown) == ("mock/simulated", "mock/paper")


def test_the_setting_says_which_world_runs(settings: Settings) -> None:
    for market, world, of in (
        ("simulated", "mock", Market.MOCK),
        ("manual", "mock", Market.MOCK),
        ("live", "mock/paper", Market.LIVE),
    ):
        settings.MARKET = market
        assert (mock_world(), default_market()) == (world, of)
        assert running() == [Venue.LIVE, Venue.TESTNET, Venue.DEMO, Venue(world)]
    assert market_of(Venue.MOCK) == Market.MOCK, "whatever runs now"
    assert Market.MOCK not in markets()


def test_others_rest_and_say_until_when(settings: Settings) -> None:
    settings.MARKET = "live"
    assert not any(rests(venue) for venue in running())
    assert rests("mock")
    assert why_it_rests(Venue.MOCK) == (
        "mock/simulated rests until MARKET=simulated is back: the mock runs mock/paper."
    )
    assert "until MARKET=replay:ETHUSDT-trades-2024… is back" in why_it_rests(REPLAY)
    assert why_it_rests(Venue("mock/paper")) == ""


def test_each_says_at_the_mocks_address_for_which_world_it_asks() -> None:
    paper = endpoints(Venue("mock/paper"))
    assert paper.headers == {WORLD_HEADER: "mock/paper"}
    assert endpoints(Venue.MOCK).headers == {WORLD_HEADER: "mock/simulated"}
    assert paper.rest_url == endpoints(Venue.MOCK).rest_url
    assert endpoints(Venue.LIVE).headers == {}
    assert has_keys(Venue("mock/paper")) == has_keys(Venue.MOCK)


class TestReplays:
    def file(self, folder: Path, content: bytes) -> str:
        folder.mkdir(exist_ok=True)
        path = folder / "ETHUSDT trades, mine.csv"
        path.write_bytes(content)
        return f"replay:{path}"

    def test_files_of_one_name_are_told_apart(self, tmp_path: Path) -> None:
        one, other = self.file(tmp_path / "a", b"1,2,3"), self.file(tmp_path / "b", b"1,2,4")
        assert world_of(one) != world_of(other)
        assert world_of(one).startswith("mock/replay:ETHUSDT-trades-mine-")

    def test_of_large_files_both_ends_count(self, tmp_path: Path) -> None:
        body = bytes(300_000)
        contents = [body, b"x" + body[1:], body[1:] + b"x", body + b"\0"]
        worlds = {world_of(self.file(tmp_path / f"{at}", content)) for at, content in enumerate(contents)}
        assert len(worlds) == len(contents)

    def test_speed_makes_no_other_world(self, tmp_path: Path) -> None:
        market = self.file(tmp_path, b"1,2,3")
        assert world_of(f"{market}@50") == world_of(market)

    def test_name_stays_within_its_column(self, tmp_path: Path) -> None:
        path = tmp_path / f"ETHUSDT-{'a' * 200}.csv.gz"
        path.write_bytes(gzip.compress(b"1"))
        world = world_of(f"replay:{path}")
        assert len(world) <= MAX_LENGTH
        assert Venue(world.value) == world

    def test_file_that_cannot_be_read_has_a_world_of_its_own(self, tmp_path: Path) -> None:
        assert world_of(f"replay:{tmp_path / 'ETHUSDT-gone.csv'}").endswith("-unread")

"""Streams to pages: what they say, how soon, to whom, and what they cost."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from django.contrib.auth.models import User
from pytest_django import Settings

from console.live import stream as stream_module
from hedgehog_project.redis import connect
from streamer.topics import TradeEvent, encode_trade, trade_topic
from tests.console.live.conftest import Site
from tests.support.rows import make_fill, make_order, make_trader
from trading.core.position import TraderState
from trading.models import Symbol

pytestmark = pytest.mark.django_db(transaction=True)
SLOW_S = 10.0


class Events:
    """The events of one open stream, read one by one."""

    def __init__(self, answer: requests.Response) -> None:
        assert answer.status_code == 200, answer.text
        self._lines = answer.iter_lines(chunk_size=1)
        self.last_id = ""

    def next(self) -> tuple[str, dict[str, Any]]:
        """The kind of the next event, and what it says."""
        event, data = "message", ""
        for raw in self._lines:
            line = raw.decode()
            if not line and data:
                return event, json.loads(data)
            name, _, value = line.partition(": ")
            match name:
                case "id":
                    self.last_id = value
                case "event":
                    event = value
                case "data":
                    data = value
        return "closed", {}

    def ready(self) -> None:
        """Until the reader has looked at all that the page shows: from here on it tells what changes."""
        self.until("message", changed=True)

    def until(self, event: str, **has: Any) -> dict[str, Any]:
        """The first event of that kind that has these parts."""
        give_up = time.monotonic() + SLOW_S
        while time.monotonic() < give_up:
            kind, data = self.next()
            assert kind != "closed" or event == "closed", "the stream has ended"
            if kind == event and all(data.get(key) for key in has):
                return data
        raise AssertionError(f"no {event} with {list(has)}")


@contextmanager
def opened(site: Site, topics: str = "sym.ETHUSDT", **headers: str) -> Iterator[Events]:
    answer = requests.get(
        f"{site.url}/admin/live/?topics={topics}",
        headers=headers,
        cookies={"sessionid": site.cookie},
        stream=True,
        timeout=SLOW_S,
    )
    try:
        yield Events(answer)
    finally:
        answer.close()


def publish(price: str, trade_id: int, quantity: str = "0.5") -> None:
    now_ms = round(time.time() * 1000)
    event = TradeEvent("ETHUSDT", trade_id, price, quantity, now_ms, now_ms, True)
    connect().xadd(trade_topic("mock", "ETHUSDT"), {"t": encode_trade(event)}, id=f"{trade_id}-0")


def test_a_stream_begins_with_the_whole_state_and_goes_on_with_trades(symbol: Symbol, site: Site) -> None:
    publish("3000.1", 1)
    with opened(site) as events:
        kind, state = events.next()
        assert (kind, state["values"]["sym.ETHUSDT.price"]) == ("state", ["3,000.10", None])
        events.ready()
        publish("3001.2", 2)
        begun = time.monotonic()
        bars = events.until("message", bars=True)["bars"]["ETHUSDT"]
        assert bars[-1][1:5] == [3001.2] * 4
        assert time.monotonic() - begun < 2


def test_a_fill_is_told_within_two_seconds_of_its_row(symbol: Symbol, site: Site) -> None:
    trader = make_trader(symbol, state=TraderState.BUYING)
    order = make_order(trader)
    publish("3000", 1)
    with opened(site) as events:
        events.ready()
        begun = time.monotonic()
        make_fill(order)
        news = events.until("message", changed=True)
        assert news["changed"] == ["sym.ETHUSDT"]
        assert time.monotonic() - begun < 2
        # With the same frame: 0.0667 less 0.1 % commission.
        assert news["values"]["sym.ETHUSDT.position"] == ["0.0666333", None]


def test_at_most_four_frames_a_second(symbol: Symbol, site: Site) -> None:
    publish("3000", 1)
    with opened(site) as events:
        events.ready()
        stop = threading.Event()

        def trade() -> None:
            for number in range(2, 400):
                publish(str(3000 + number % 7), number)
                if stop.wait(0.005):
                    return

        trading = threading.Thread(target=trade)
        trading.start()
        begun, frames = time.monotonic(), 0
        while time.monotonic() - begun < 1.5:
            frames += events.next()[0] == "message"
        stop.set()
        trading.join()
        assert 2 <= frames <= 8


def test_a_stream_goes_on_from_its_last_event(symbol: Symbol, site: Site) -> None:
    publish("3000", 1)
    with opened(site) as stays:
        stays.ready()
        with opened(site) as events:
            events.until("beat")
            publish("3001", 2)
            events.until("message", bars=True)
            last_id = events.last_id
        publish("3002", 3)
        stays.until("message", bars=True)
        time.sleep(0.5)
        with opened(site, **{"Last-Event-ID": last_id}) as again:
            found = [again.next(), again.next()]
            assert {kind for kind, _ in found} == {"beat", "message"}
            assert dict(found)["message"]["values"]["sym.ETHUSDT.price"] == ["3,002.00", None]


def test_nobody_reads_while_no_page_is_open(symbol: Symbol, site: Site) -> None:
    with opened(site) as events:
        events.until("beat")
        assert any(thread.name == "live" for thread in threading.enumerate())
    assert site.stream.reader.wait_until_ended(SLOW_S)
    assert not any(thread.name == "live" for thread in threading.enumerate())


def test_who_may_not_see_symbols_gets_no_stream(symbol: Symbol, site: Site) -> None:
    url = f"{site.url}/admin/live/?topics=sym.ETHUSDT"
    assert requests.get(url, timeout=5).status_code == 403
    plain = User.objects.create_user("plain", is_staff=True)
    site.client.force_login(plain)
    cookies = {"sessionid": site.client.cookies["sessionid"].value}
    assert requests.get(url, cookies=cookies, timeout=5).status_code == 403
    assert requests.get(f"{site.url}/admin/live/?topics=no", timeout=5).status_code == 400
    fields = "&".join(f"{name}=1" for name in "abcdef")
    assert requests.get(f"{url}&{fields}", timeout=5).status_code == 400
    assert requests.get(url, headers={"Host": "evil.example"}, timeout=5).status_code == 400


@pytest.mark.parametrize("how", ["logged out", "deactivated"])
def test_a_stream_ends_soon_after_its_reader_may_not_read_any_more(
    symbol: Symbol, site: Site, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(stream_module, "PERMISSION_S", 0.5)
    with opened(site) as events:
        events.until("beat")
        if how == "logged out":
            site.client.logout()
        else:
            User.objects.update(is_active=False)
        events.until("end")


def test_a_page_is_told_that_redis_is_away(symbol: Symbol, site: Site, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with opened(site) as events:
        assert "Redis does not answer" in events.until("beat", problems=True)["problems"]["redis"]


def test_the_polled_state_says_the_same_as_the_stream(symbol: Symbol, site: Site) -> None:
    publish("3000.1", 1)
    cookies = {"sessionid": site.cookie}
    url = f"{site.url}/admin/live/state/?topics=sym.ETHUSDT"
    polled = requests.get(url, cookies=cookies, timeout=SLOW_S).json()
    with opened(site) as events:
        _, state = events.next()
    assert polled == {"values": state["values"], "problems": {}}
    assert requests.get(url, timeout=5, allow_redirects=False).status_code == 302


def test_fifty_open_pages_keep_healthz_quick_and_take_no_threads(symbol: Symbol, site: Site) -> None:
    publish("3000", 1)
    with opened(site) as events:
        events.until("beat")
        threads = threading.active_count()
        streams = [
            requests.get(
                f"{site.url}/admin/live/?topics=sym.ETHUSDT",
                cookies={"sessionid": site.cookie},
                stream=True,
                timeout=SLOW_S,
            )
            for _ in range(50)
        ]
        try:
            assert {stream.status_code for stream in streams} == {200}
            for number in range(2, 30):
                publish(str(3000 + number), number)
            took = []
            for _ in range(20):
                begun = time.monotonic()
                assert requests.get(f"{site.url}/healthz", timeout=5).text == "ok\n"
                took.append(time.monotonic() - begun)
            assert sorted(took)[len(took) // 2] < 0.1
            # Those of the pool of pages, at most.
            assert threading.active_count() - threads <= stream_module.MAX_TOPICS and threading.active_count() < 40
        finally:
            for stream in streams:
                stream.close()

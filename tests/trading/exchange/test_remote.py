"""A process without keys asks an exchange by way of a worker: the same answers, the same errors, and no order."""

import json
import threading
from collections.abc import Callable
from decimal import Decimal as D
from typing import Any

import pytest
import redis
from kombu.exceptions import OperationalError
from pytest_django import Settings

from hedgehog_project import env as env_module
from hedgehog_project import venues
from hedgehog_project.exec_with_parent import GIVEN
from hedgehog_project.venues import Venue, endpoints, facts_of_keys
from tests.support.exchanges.clients import limit_order
from tests.support.exchanges.market import KEY, SECRET, MockExchange
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from trading.exchange import client, remote
from trading.exchange.client import exchange_at, rate_limits_of
from trading.exchange.errors import (
    ExchangeError,
    KeyRejected,
    NotFound,
    NotSent,
    OutcomeUnknown,
    Refused,
    Scope,
    Throttled,
    Why,
)
from trading.exchange.protocol import Exchange
from trading.exchange.remote import RemoteExchange
from trading.symbols.venue import why_not


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, redis_client: "redis.Redis") -> Callable[[Callable[..., Any]], None]:
    """Makes a worker of a thread, whose exchanges are these."""

    def works_with(at: Callable[..., Any]) -> None:
        def send(name: str, kwargs: dict[str, Any], **options: Any) -> None:
            assert name == remote.TASK
            told = json.loads(json.dumps(kwargs))  # as the broker carries it
            threading.Thread(target=remote.serve, kwargs={**told, "exchange_at": at}, daemon=True).start()

        monkeypatch.setattr(remote.current_app, "send_task", send)

    return works_with


def test_every_answer_comes_as_the_exchange_gave_it(
    worker: Callable[..., None], mock: MockExchange, exchange: ScriptedExchange
) -> None:
    here = mock.client()
    here.place(limit_order())
    worker(lambda venue: mock.client())
    there: Any = RemoteExchange(Venue.MOCK)
    assert there.listed("ETHUSDT") == here.listed("ETHUSDT")
    assert there.all_listed() == here.all_listed()
    assert there.price("ETHUSDT") == here.price("ETHUSDT") == D(3000)
    assert there.fees("ETHUSDT") == here.fees("ETHUSDT")
    assert there.balances() == here.balances()
    assert there.open_orders() == here.open_orders() != []
    mock.trade("ETHUSDT", "2980")
    assert there.order("ETHUSDT", "hh-1-b-1") == here.order("ETHUSDT", "hh-1-b-1")
    assert there.orders("ETHUSDT", from_id=1) == here.orders("ETHUSDT")
    assert there.trades("ETHUSDT", 0) == here.trades("ETHUSDT")
    assert there.fills("ETHUSDT", here.orders("ETHUSDT")[-1].exchange_order_id) != ()


ERRORS = [
    Refused("no", -1121, Why.FILTER),
    KeyRejected("no such key", -2015),
    NotFound("no such order"),
    Throttled("too many", 12.5, Scope.ADDRESS),
    NotSent("not there"),
    OutcomeUnknown("nobody knows"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_error_comes_as_the_exchange_gave_it(worker: Callable[..., None], error: ExchangeError) -> None:
    def fails(venue: Venue) -> Exchange:
        raise error

    worker(fails)
    with pytest.raises(type(error)) as raised:
        RemoteExchange(Venue.MOCK).cancel("ETHUSDT", "hh-1-b-1")
    assert (type(raised.value), str(raised.value)) == (type(error), str(error))
    assert vars(raised.value) == vars(error)


def test_no_order_can_be_placed_this_way(worker: Callable[..., None], exchange: ScriptedExchange) -> None:
    worker(exchange)
    with pytest.raises(NotSent, match="a worker sends them"):
        RemoteExchange(Venue.MOCK).place(limit_order())
    # Nor by who writes to the broker himself.
    for method in ("place", "_ask", "__init__", "no_such_method"):
        remote.serve("mock", method, [], {}, "reply", exchange)
        assert json.loads(remote.connect().lpop("reply"))["error"]["kind"] == "NotSent"  # type: ignore[arg-type]
    assert exchange.placed == []


def test_without_a_worker_a_question_was_not_sent_and_of_a_cancel_nobody_knows(
    monkeypatch: pytest.MonkeyPatch, redis_client: "redis.Redis"
) -> None:
    monkeypatch.setattr(remote.current_app, "send_task", lambda *args, **kwargs: None)
    monkeypatch.setattr(remote, "PATIENCE_S", 0.1)
    with pytest.raises(NotSent, match="No worker answered"):
        RemoteExchange(Venue.MOCK).price("ETHUSDT")
    with pytest.raises(OutcomeUnknown, match="No worker answered"):
        RemoteExchange(Venue.MOCK).cancel("ETHUSDT", "hh-1-b-1")


def test_of_a_cancel_that_was_queued_nobody_knows_where_redis_goes_down_then(monkeypatch: pytest.MonkeyPatch) -> None:
    def goes_down(reply_to: str) -> None:
        raise redis.ConnectionError("Connection reset by peer")

    monkeypatch.setattr(remote.current_app, "send_task", lambda *args, **kwargs: None)
    monkeypatch.setattr(remote, "_wait_for", goes_down)
    with pytest.raises(OutcomeUnknown, match="Redis went down"):
        RemoteExchange(Venue.MOCK).cancel("ETHUSDT", "hh-1-b-1")
    with pytest.raises(NotSent, match="Redis went down"):
        RemoteExchange(Venue.MOCK).price("ETHUSDT")


def test_without_redis_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("Error 111 connecting")

    monkeypatch.setattr(remote.current_app, "send_task", fails)
    with pytest.raises(NotSent, match="Redis is down"):
        RemoteExchange(Venue.MOCK).price("ETHUSDT")


class TestAProcessWithoutKeys:
    @pytest.fixture(autouse=True)
    def process(self, monkeypatch: pytest.MonkeyPatch, settings: Settings, mock: MockExchange) -> None:
        """Started as supervisord.conf starts web, by a `make run` that has keys of the mock and of live."""
        settings.MOCK_PORT, settings.MOCK_API_KEY, settings.MOCK_API_SECRET = mock.port, KEY, SECRET
        settings.BINANCE_API_KEY, settings.BINANCE_API_SECRET = "OtterKey", "BadgerSecret"
        settings.HEDGEHOG_ALLOW_LIVE = True
        settings.HEDGEHOG_KEY_FACTS = facts_of_keys()
        assert "Otter" not in settings.HEDGEHOG_KEY_FACTS
        self.account = endpoints(Venue.MOCK).account
        monkeypatch.setenv(GIVEN, "MOCK_API_KEY")
        settings.BINANCE_API_KEY = settings.BINANCE_API_SECRET = settings.MOCK_API_SECRET = ""
        monkeypatch.setattr(client, "_of_thread", threading.local())

    def test_knows_for_which_venues_there_are_keys(self, settings: Settings) -> None:
        assert why_not(Venue.MOCK) is why_not(Venue.LIVE) is None
        assert "set TESTNET_API_KEY and TESTNET_API_SECRET" in str(why_not(Venue.TESTNET))
        settings.HEDGEHOG_KEY_FACTS = ""
        assert why_not(Venue.MOCK) == "This process has no key for mock."
        with pytest.raises(KeyRejected, match="has no key"):
            exchange_at(Venue.MOCK)

    def test_asks_by_a_worker(self, worker: Callable[..., None], exchange: ScriptedExchange) -> None:
        worker(exchange)
        assert exchange_at(Venue.MOCK).price("ETHUSDT") == D(3000)
        assert isinstance(exchange_at(Venue.MOCK), RemoteExchange)

    def test_has_what_a_live_key_may_do_looked_at_before_anything_else(self, worker: Callable[..., None]) -> None:
        def refuses(venue: Venue) -> Exchange:
            raise KeyRejected("The live key may withdraw")

        worker(refuses)
        with pytest.raises(KeyRejected, match="may withdraw"):
            exchange_at(Venue.LIVE)

    def test_sees_the_same_budget(self, mock: MockExchange, redis_client: "redis.Redis") -> None:
        before = rate_limits_of(Venue.MOCK).state().orders_10s.used
        mock.client().place(limit_order())
        assert rate_limits_of(Venue.MOCK).state().orders_10s.used == before + 1


def test_a_key_that_is_not_given_is_empty_whatever_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BINANCE_API_KEY", "k")
    monkeypatch.setenv(GIVEN, "none")
    assert env_module.env.secret("BINANCE_API_KEY") == env_module.env.secret("MOCK_API_KEY", default="mock-key") == ""
    monkeypatch.setenv(GIVEN, "MOCK")
    assert env_module.env.secret("MOCK_API_KEY", default="mock-key") == "mock-key"
    assert venues.has_keys(Venue.MOCK)
    assert not venues.has_keys(Venue.TESTNET)

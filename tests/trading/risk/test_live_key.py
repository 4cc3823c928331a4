"""The whole way as venue live, at a mock behind LIVE_*: three kinds of keys, and what a live key may not be."""

import html
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redis
from Crypto.PublicKey import ECC, RSA
from django.views.debug import ExceptionReporter
from pytest_django import Settings

from hedgehog_project.venues import Venue, endpoints
from hedgehog_project.venues.keys import KeyKind
from streamer.topics import report_topic, trade_topic
from tests.support.exchanges.market import KEY, SECRET, MockExchange, start_mock
from tests.support.exchanges.scripted_http import Answer, ScriptedServer, answer, reset
from tests.support.machine.processes import Processes
from tests.trading.exchange.test_contract import new_order
from trading.core.orders import OrderStatus
from trading.exchange import client as client_module
from trading.exchange import rights
from trading.exchange.client import exchange_at
from trading.exchange.errors import ExchangeError, KeyRejected, NotSent, Throttled

PASSWORD = "pass word"
LOCKED: dict[str, Any] = {"passphrase": PASSWORD, "protection": "PBKDF2WithHMAC-SHA512AndAES256-CBC"}


@dataclass
class Account:
    """A mock exchange that plays Binance, and the settings by which it is the venue live."""

    mock: MockExchange
    environment: dict[str, Any]

    def use(self, settings: Settings) -> None:
        for name, value in self.environment.items():
            setattr(settings, name, value)


def private(kind: KeyKind) -> tuple[str, str]:
    """An encrypted private key and its public key, in PEM."""
    if kind == KeyKind.RSA:
        rsa = RSA.generate(2048)
        return rsa.export_key(pkcs=8, **LOCKED).decode(), rsa.public_key().export_key().decode()
    ed25519 = ECC.generate(curve="Ed25519")
    return ed25519.export_key(format="PEM", **LOCKED), ed25519.public_key().export_key(format="PEM")


@pytest.fixture(scope="module", params=list(KeyKind))
def account(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    folder = tmp_path_factory.mktemp("live")
    keys: dict[str, Any] = {"BINANCE_API_KEY": KEY, "HEDGEHOG_ALLOW_LIVE": True}
    if request.param == KeyKind.HMAC:
        keys["BINANCE_API_SECRET"], verified = SECRET, {"MOCK_API_SECRET": SECRET}
    else:
        pem, public = private(request.param)
        (folder / "public.pem").write_text(public)
        keys |= {"BINANCE_PRIVATE_KEY": pem, "BINANCE_PRIVATE_KEY_PASSWORD": PASSWORD}
        verified = {"MOCK_PUBLIC_KEY_FILE": str(folder / "public.pem"), "MOCK_API_SECRET": ""}
    processes = Processes(folder)
    try:
        mock, _ = start_mock(processes, str(folder), MOCK_BALANCES="USDT:10000", **verified)
        mock.trade("ETHUSDT", "3000")
        yield Account(mock, {**keys, **addresses(mock)})
    finally:
        processes.stop_all()


def addresses(mock: MockExchange) -> dict[str, str]:
    stream = mock.url.replace("http", "ws")
    return {"LIVE_REST_URL": mock.url, "LIVE_WS_API_URL": f"{stream}/ws-api/v3", "LIVE_STREAM_URL": stream}


@pytest.fixture(autouse=True)
def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No client is kept, and nobody has asked yet what the key may do."""
    monkeypatch.setattr(client_module, "_of_thread", threading.local())
    rights.forget()


def test_every_kind_of_key_places_asks_and_cancels(account: Account, settings: Settings) -> None:
    account.use(settings)
    exchange = exchange_at(Venue.LIVE)
    assert exchange.place(new_order()).status == OrderStatus.NEW
    assert [report.client_order_id for report in exchange.open_orders()] == ["hh-1-b-1"]
    assert exchange.cancel("ETHUSDT", "hh-1-b-1").status == OrderStatus.CANCELED
    assert exchange.balances()["USDT"] == (Decimal(10000), Decimal(0))


def test_another_private_key_is_rejected(account: Account, settings: Settings) -> None:
    account.use(settings)
    if not settings.BINANCE_PRIVATE_KEY:
        settings.BINANCE_API_SECRET = "another"
    else:
        settings.BINANCE_PRIVATE_KEY, _ = private(KeyKind.ED25519)
    with pytest.raises(KeyRejected, match="Signature for this request is not valid"):
        exchange_at(Venue.LIVE)


def test_streamer_follows_trades_and_own_orders(
    account: Account, settings: Settings, processes: Processes, redis_client: "redis.Redis", tmp_path: Path
) -> None:
    account.use(settings)
    stream = processes.manage(
        "stream",
        "ETHUSDT",
        "--market=live",
        **{"DATABASE_URL": f"sqlite:///{tmp_path / 'rows.sqlite3'}", **account.environment},
    )
    processes.wait_for(lambda: "subscribed connection=user-live" in stream.output, 20)
    exchange = exchange_at(Venue.LIVE)
    exchange.place(new_order("hh-2-b-1"))
    # "connected", and that the order was placed.
    processes.wait_for(lambda: redis_client.xlen(report_topic("live")) >= 2)
    processes.wait_for(
        lambda: account.mock.trade("ETHUSDT", "3000") and redis_client.xlen(trade_topic("live", "ETHUSDT"))
    )
    exchange.cancel("ETHUSDT", "hh-2-b-1")
    assert stream.stop() == 0
    for secret in (SECRET, PASSWORD, KEY):
        assert secret not in stream.output


class TestWithdrawal:
    """A live key that may withdraw is refused before anything is signed with it for trading."""

    RIGHTS = {
        **dict.fromkeys(("ipRestrict", "enableReading", "enableSpotAndMarginTrading"), True),
        **dict.fromkeys(("enableWithdrawals", "enableInternalTransfer", "permitsUniversalTransfer"), False),
    }

    @pytest.fixture(autouse=True)
    def live(self, settings: Settings) -> Settings:
        settings.HEDGEHOG_ALLOW_LIVE = True
        settings.BINANCE_API_KEY, settings.BINANCE_API_SECRET = KEY, SECRET
        return settings

    def asked(self, settings: Settings, *answers: Answer) -> tuple[list[str], ExchangeError | None]:
        """The paths that were asked for, and what came of it."""
        settings.LIVE_REST_URL = "http://127.0.0.1:1"
        with ScriptedServer(*answers) as server:
            settings.LIVE_REST_URL = server.url
            try:
                exchange_at(Venue.LIVE)
            except ExchangeError as error:
                return [each.path for each in server.requests], error
            return [each.path for each in server.requests], None

    def test_key_that_may_withdraw_is_refused_with_what_to_do(self, live: Settings) -> None:
        paths, error = self.asked(live, answer(200, {**self.RIGHTS, "enableWithdrawals": True}))
        assert paths == ["/sapi/v1/account/apiRestrictions"]
        assert isinstance(error, KeyRejected)
        assert str(error).startswith("The live key can withdraw")
        assert "HEDGEHOG_ALLOW_WITHDRAW_KEY=1" in str(error)

    def test_setting_that_allows_it_asks_nothing(self, live: Settings) -> None:
        live.HEDGEHOG_ALLOW_WITHDRAW_KEY = True
        assert self.asked(live) == ([], None)

    def test_key_that_may_not_withdraw_is_asked_about_once_in_all_threads(
        self, live: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with ScriptedServer(answer(200, self.RIGHTS)) as server:
            live.LIVE_REST_URL = server.url
            for _ in range(3):
                exchange_at(Venue.LIVE)
                monkeypatch.setattr(client_module, "_of_thread", threading.local())
            assert len(server.requests) == 1

    def test_another_key_is_asked_about_anew(self, live: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        with ScriptedServer(
            answer(200, self.RIGHTS), answer(200, {**self.RIGHTS, "enableWithdrawals": True})
        ) as server:
            live.LIVE_REST_URL = server.url
            exchange_at(Venue.LIVE)
            live.BINANCE_API_KEY = "another-key"
            monkeypatch.setattr(client_module, "_of_thread", threading.local())
            with pytest.raises(KeyRejected):
                exchange_at(Venue.LIVE)

    def test_exchange_that_cannot_tell_needs_the_setting(self, live: Settings) -> None:
        _, error = self.asked(live, *[answer(404, {"status": 404, "error": "Not Found"})] * 9)
        assert isinstance(error, KeyRejected)
        assert "does not report whether the live key can withdraw" in str(error)

    @pytest.mark.parametrize("reply", [{}, {**RIGHTS, "enableWithdrawals": "false"}, [], "no"])
    def test_answer_that_leaves_it_open_is_no_permission(self, live: Settings, reply: Any) -> None:
        _, error = self.asked(live, *[answer(200, reply)] * 9)
        assert isinstance(error, NotSent)

    def test_exchange_that_is_away_is_asked_again_after_a_pause(
        self, live: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, error = self.asked(live, *[reset] * 9)
        assert isinstance(error, NotSent)
        where = endpoints(Venue.LIVE)  # as when it was away
        with pytest.raises(NotSent):
            rights.refuse_withdraw_key(where, lambda: pytest.fail("asked within the pause"))
        now = time.monotonic
        monkeypatch.setattr(rights.time, "monotonic", lambda: now() + rights.FAILED_PAUSE_S)
        rights.refuse_withdraw_key(where, lambda: rights.from_restrictions(self.RIGHTS))

    def test_throttled_question_is_throttled(self, live: Settings) -> None:
        limited = answer(429, {"code": -1003, "msg": "Too many requests"}, Retry_After="7")
        _, error = self.asked(live, *[limited] * 9)
        assert isinstance(error, Throttled)
        assert error.wait_s == 7


@pytest.mark.django_db
def test_switch_refuses_a_key_that_may_withdraw_in_the_same_words(
    admin_client: Any, processes: Processes, tmp_path: Path, settings: Settings
) -> None:
    mock, _ = start_mock(processes, str(tmp_path), MOCK_KEY_MAY_WITHDRAW=1)
    Account(mock, {"BINANCE_API_KEY": KEY, "BINANCE_API_SECRET": SECRET, **addresses(mock)}).use(settings)
    settings.HEDGEHOG_ALLOW_LIVE = True
    turned = {"venue": "live", "confirmation": "live"}
    shown = admin_client.post("/admin/trading/switch/", turned)
    assert (shown.status_code, rights.MAY_WITHDRAW in html.unescape(shown.content.decode())) == (400, True)
    settings.HEDGEHOG_ALLOW_WITHDRAW_KEY = True
    assert admin_client.post("/admin/trading/switch/", turned).status_code == 302


def test_debug_page_shows_no_key(settings: Settings) -> None:
    settings.BINANCE_API_KEY, settings.BINANCE_API_SECRET = KEY, SECRET
    settings.HEDGEHOG_ALLOW_WITHDRAW_KEY = True
    settings.LIVE_REST_URL = "http://127.0.0.1:1"
    try:
        exchange_at(Venue.LIVE).balances()
    except NotSent:
        page = ExceptionReporter(None, *sys.exc_info()).get_traceback_html()
    assert "urlopen" in page  # It goes down to the request, in whose headers the key is.
    assert KEY not in page
    assert SECRET not in page

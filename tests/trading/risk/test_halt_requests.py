"""A halt that the database does not know yet: it holds, it is shown, it gets there, and a resume takes it away."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal as D
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.utils import timezone

from hedgehog_project import emergency, halt_request
from hedgehog_project.hurry import hurried
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from trading import leader
from trading.core.events import TradeSeen
from trading.core.orders import OrderStatus, Side
from trading.core.strategy import TraderState
from trading.exchange.errors import NotSent
from trading.exchange.protocol import SEND_WITHIN, NewOrder
from trading.models import Order, Switch, Trader
from trading.models.switch import TradingMode
from trading.risk import gate, kill_switch
from trading.traders import acting

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

TRADE = TradeSeen("ETHUSDT", 1, D(3000), 0)


@pytest.fixture(autouse=True)
def no_request() -> Iterator[None]:
    yield
    halt_request.withdraw(settings.HEDGEHOG_HOME)


@contextmanager
def locked(monkeypatch: pytest.MonkeyPatch, why: str = "database is locked") -> Iterator[None]:
    """The row can't be written; what is in memory, as tests have it, can't be locked by another process."""

    def fail(*args: Any, **options: Any) -> None:
        raise OperationalError(why)

    with monkeypatch.context() as patch:
        patch.setattr(kill_switch, "_turn", fail)
        yield


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ("database is locked", "the database yet: database is locked. The leader"),
        ("refused\n\tIs the server running?", "the database yet: refused Is the server running? The leader"),
    ],
)
def test_what_the_database_says_ends_once(why: str, told: str, monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    with locked(monkeypatch, why):
        lines = kill_switch.halt_now("anna", "", TradingMode.HALTED, cancel_buys=False).lines()
    assert told in lines[1]


def request(mode: TradingMode = TradingMode.HALTED, cancels: bool = False) -> None:
    halt_request.file(settings.HEDGEHOG_HOME, halt_request.request(mode, "anna", "news", cancels))


@pytest.mark.parametrize(
    ("mode", "buys", "sells"), [(TradingMode.REDUCING, False, True), (TradingMode.HALTED, False, False)]
)
def test_request_denies_what_its_mode_says(mode: TradingMode, buys: bool, sells: bool, db: None) -> None:
    request(mode)
    assert [gate.mode_denial(side) is None for side in (Side.BUY, Side.SELL)] == [buys, sells]
    denial = gate.mode_denial(Side.BUY)
    assert denial is not None
    assert "news (by anna, since " in denial.reason


def test_order_that_is_saved_when_the_request_comes_is_not_sent(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = acting._send

    def halt_first(*args: Any) -> Any:
        request()
        return sent(*args)

    monkeypatch.setattr(acting, "_send", halt_first)
    acting.wake(trader.pk, TRADE, exchange)
    assert (exchange.placed, Order.objects.get().status) == ([], OrderStatus.NOT_PLACED)
    trader.refresh_from_db()
    assert (trader.state, trader.failures) == (TraderState.WAITING, 0)


def test_command_says_the_same_time_as_the_client_keeps() -> None:
    """It must not import it: that would be trading's."""
    assert timedelta(seconds=emergency.SENT_WITHIN_S) == SEND_WITHIN


def test_request_is_shown_wherever_the_switch_is(db: None) -> None:
    Switch.objects.create(pk=1)
    request(cancels=True)
    shown = Switch.row()
    assert shown.mode_text.startswith("trading is halted: news (by anna, since ")
    assert kill_switch.wants_buys_back()
    assert Switch.objects.get().is_active


def test_request_loosens_nothing(db: None) -> None:
    kill_switch.halt("bert", "lunch")
    request(TradingMode.REDUCING, cancels=True)
    assert gate.mode_denial(Side.SELL) is not None
    assert kill_switch.keep_request()
    row = Switch.objects.get()
    assert (row.mode, row.mode_by, row.mode_why, row.cancel_buys) == (TradingMode.HALTED, "bert", "lunch", True)


def test_leader_writes_a_request_into_the_row(db: None, redis_client: Any) -> None:
    request(cancels=True)
    leader.lead()
    row = Switch.objects.get()
    assert (row.mode, row.mode_by, row.mode_why, row.cancel_buys) == (TradingMode.HALTED, "anna", "news", True)
    assert abs((timezone.now() - row.mode_at).total_seconds()) < 10
    assert halt_request.pending(settings.HEDGEHOG_HOME) is None
    assert not kill_switch.keep_request()


def test_halt_whose_row_can_not_be_written_says_so_and_holds(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    out = StringIO()
    with locked(monkeypatch), pytest.raises(CommandError, match="The halt is not in the database yet"):
        call_command("halt", "--by", "anna", stdout=out)
    here, there, sent = out.getvalue().splitlines()
    assert here.endswith(
        f"for every process of HEDGEHOG_HOME {settings.HEDGEHOG_HOME} on this machine: none sends a new order."
    )
    assert there.startswith("The halt is not in the database yet: database is locked. ")
    assert sent == "No order of this home can be sent any more."
    assert gate.mode_denial(Side.SELL) is not None
    kill_switch.keep_request()
    assert Switch.objects.get().mode_by == "anna"


def test_halt_that_reaches_neither_says_that_nothing_is_halted(
    db: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(settings, "HEDGEHOG_HOME", tmp_path / "nowhere")
    out = StringIO()
    with locked(monkeypatch), pytest.raises(CommandError, match="Nothing was halted"):
        call_command("halt", stdout=out)
    assert out.getvalue().startswith("Trading is NOT halted. The request in ")
    assert "No such file or directory" in out.getvalue()
    # The row alone is enough.
    call_command("halt", stdout=out)
    assert Switch.objects.get().mode == TradingMode.HALTED


def test_resume_takes_a_request_away_with_the_row(db: None) -> None:
    kill_switch.halt("bert")
    request()
    kill_switch.resume("carl")
    assert gate.mode_denial(Side.BUY) is None
    assert not kill_switch.keep_request()


def test_resume_that_fails_leaves_everything_as_it_was(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    kill_switch.halt("bert")
    request()

    def fail_late(*args: Any, **kwargs: Any) -> Any:
        halt_request.withdraw(settings.HEDGEHOG_HOME)
        raise OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(kill_switch.halt_request, "withdraw", lambda *args: None)
        patch.setattr(kill_switch, "_turn", fail_late)
        with pytest.raises(OperationalError):
            kill_switch.resume("carl")
    wanted = halt_request.pending(settings.HEDGEHOG_HOME)
    assert wanted is not None
    assert (wanted.by, Switch.objects.get().mode_by) == ("anna", "bert")


def test_request_that_never_reached_the_row_is_taken_away_without_it(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    Switch.objects.create(pk=1)
    request()
    out = StringIO()
    with locked(monkeypatch):
        call_command("resume", stdout=out)
    assert out.getvalue() == "Trading resumed. The halt had not reached the database.\n"
    assert gate.mode_denial(Side.BUY) is None
    kill_switch.halt("bert")
    with locked(monkeypatch), pytest.raises(CommandError, match=r"stays halted: database is locked\. Try again"):
        call_command("resume", stdout=out)


def test_page_says_the_same_as_the_command(admin_client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with locked(monkeypatch):
        page = admin_client.post("/admin/trading/switch/mode/", {"mode": "halted", "why": "news"}, follow=True)
    text = page.content.decode()
    assert f"for every process of HEDGEHOG_HOME {settings.HEDGEHOG_HOME} on this machine" in text
    assert "The halt is not in the database yet: database is locked." in text
    assert "Trading is halted: news (by admin, since " in text
    with locked(monkeypatch):
        page = admin_client.post("/admin/trading/switch/mode/", {"mode": "active"}, follow=True)
    assert "The halt had not reached the database." in page.content.decode()


def test_halt_returns_only_when_no_call_can_begin_any_more(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trader has looked for the last time, and is about to call, when trading is halted."""
    has_looked, may_call = threading.Event(), threading.Event()
    looked, begun = gate.last_look, []

    def look(order: NewOrder) -> Any:
        denial = looked(order)
        has_looked.set()
        may_call.wait(10)
        return denial

    def place(order: NewOrder) -> Any:
        # As the client does when it signs.
        if time.time() * 1000 > order.not_after_ms:
            raise NotSent("The order was not sent: this process was delayed too long")
        begun.append(time.monotonic())
        raise NotSent("no connection")

    def trade() -> None:
        try:
            acting.wake(trader.pk, TRADE, exchange)
        finally:
            connection.close()

    monkeypatch.setattr(gate, "last_look", look)
    monkeypatch.setattr(exchange, "place", place)
    thread = threading.Thread(target=trade)
    thread.start()
    try:
        assert has_looked.wait(10)
        halted = kill_switch.halt_now("anna", "", TradingMode.HALTED, cancel_buys=False)
        found = kill_switch.found_on_their_way(halted)
        assert "BUY 0.0667 ETHUSDT at 2997 (mock)" in found.lines()[0]
        began = time.monotonic()
        assert [row.pk for row in found.wait()] == [Order.objects.get().pk]
        assert time.monotonic() - began >= SEND_WITHIN.total_seconds() - 0.1
        may_call.set()
    finally:
        may_call.set()
        thread.join()
    # It was told that the order is unclear, and by then it could not be sent any more.
    assert begun == []
    assert Order.objects.get().status == OrderStatus.NOT_PLACED


@pytest.mark.skipif("sqlite" not in settings.DATABASES["default"]["ENGINE"], reason="SQLite's own setting")
def test_who_is_in_a_hurry_changes_nothing_for_those_after(db: None) -> None:
    def waits_ms() -> int:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout")
            (found,) = cursor.fetchone()
            return int(found)

    before = waits_ms()
    with hurried():
        assert waits_ms() == 1500
    assert waits_ms() == before

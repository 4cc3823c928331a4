"""The kill switch: nothing passes the gate any more, open buys are cancelled, and a resume wakes everybody."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from io import StringIO
from typing import Any

import pytest
from celery import current_app
from django.conf import settings
from django.core.management import CommandError, call_command, load_command_class
from django.db import connection
from django.utils import timezone

from console.management import settling
from hedgehog_project import halt_request
from tests.support.exchanges.scripted_exchange import ScriptedExchange, answer_lost, raises
from tests.support.rows import make_trader
from tests.trading.conftest import make_symbol
from trading import leader
from trading.core.denials import Check
from trading.core.events import Recheck, TradeSeen
from trading.core.journal import Kind, Source
from trading.core.orders import OrderReport, OrderStatus, Side
from trading.core.strategy import ANY_PRICE, TraderState
from trading.exchange.errors import NotSent, OutcomeUnknown
from trading.exchange.protocol import SEND_WITHIN, NewOrder
from trading.identity.names import new_client_order_id
from trading.models import JournalEntry, Order, Switch, Symbol, Trader
from trading.models.switch import TradingMode
from trading.models.symbols import TradingStatus
from trading.risk import gate, kill_switch
from trading.symbols import turning
from trading.traders import acting, looks

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

TRADE = TradeSeen("ETHUSDT", 1, D(3000), 0)
RECHECK = Recheck("test")


@pytest.fixture(autouse=True)
def wake_ups(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    queued: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(current_app, "send_task", lambda task, kwargs, **options: queued.append((task, kwargs)))
    return queued


@pytest.fixture
def at(exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedExchange]:
    """The command's exchange."""
    monkeypatch.setattr(settling, "exchange_at", exchange)
    monkeypatch.setattr(settling, "PAUSE_S", 0.01)
    yield exchange


def run(*command: str) -> str:
    out = StringIO()
    call_command(*command, stdout=out)
    return out.getvalue()


def fresh(trader: Trader) -> Trader:
    return Trader.objects.select_related("symbol").get(pk=trader.pk)


def order(side: Side = Side.BUY) -> Order:
    return Order.objects.get(side=side)


@pytest.mark.parametrize(
    ("mode", "buys", "sells"),
    [(TradingMode.ACTIVE, True, True), (TradingMode.REDUCING, False, True), (TradingMode.HALTED, False, False)],
)
def test_each_mode_lets_its_sides_pass(mode: TradingMode, buys: bool, sells: bool) -> None:
    Switch.objects.update_or_create(pk=1, defaults={"mode": mode})
    assert [gate.mode_denial(side) is None for side in (Side.BUY, Side.SELL)] == [buys, sells]


def test_halted_trader_orders_nothing_says_so_and_costs_nothing(trader: Trader, exchange: ScriptedExchange) -> None:
    kill_switch.halt("anna", "news")
    for _ in range(3):
        acting.wake(trader.pk, TRADE, exchange)
        acting.wake(trader.pk, RECHECK, exchange)
    denied = fresh(trader)
    assert (exchange.placed, Order.objects.count()) == ([], 0)
    assert denied.waits_for.startswith("trading is halted: news (by anna, since ")
    # No price wakes it, and the clock only in a minute.
    assert denied.wake_below is None
    assert denied.retry_at is not None
    assert denied.retry_at > timezone.now() + timedelta(seconds=55)
    assert list(JournalEntry.objects.values_list("kind", "denied_by")) == [(Kind.DENIED, Check.MODE)]
    assert denied.failures == 0


def test_resumed_trader_goes_on_by_itself_within_a_beat(
    trader: Trader, exchange: ScriptedExchange, wake_ups: list[tuple[str, dict[str, Any]]]
) -> None:
    kill_switch.halt("anna")
    acting.wake(trader.pk, TRADE, exchange)
    leader.recheck_due(timezone.now())
    assert wake_ups == []
    assert kill_switch.resume("anna") == 1
    leader.recheck_due(timezone.now())
    assert [task for task, _ in wake_ups] == ["trading.tasks.nudge"]
    acting.wake(trader.pk, RECHECK, exchange)
    assert fresh(trader).wake_below == ANY_PRICE
    acting.wake(trader.pk, TRADE, exchange)
    assert len(exchange.placed) == 1
    assert fresh(trader).waits_for != ""


def test_halt_between_the_saved_intent_and_the_call_is_heeded(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The intent is committed; then trading is halted; then the call would come."""
    sent = acting._send

    def halt_first(*args: Any) -> Any:
        kill_switch.halt("anna", "just in time")
        return sent(*args)

    with monkeypatch.context() as patch:
        patch.setattr(acting, "_send", halt_first)
        acting.wake(trader.pk, TRADE, exchange)
    assert exchange.placed == []
    assert order().status == OrderStatus.NOT_PLACED
    assert "just in time" in order().reason
    denied = fresh(trader)
    assert (denied.state, denied.failures, denied.error) == (TraderState.WAITING, 0, "")
    assert denied.waits_for.startswith("trading is halted: just in time")
    kill_switch.resume("anna")
    acting.wake(trader.pk, RECHECK, exchange)
    acting.wake(trader.pk, TRADE, exchange)
    assert len(exchange.placed) == 1


@pytest.mark.parametrize("status", [TradingStatus.OFF, TradingStatus.SHUTDOWN])
def test_symbol_that_is_turned_off_between_the_saved_intent_and_the_call_sends_nothing(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch, status: TradingStatus
) -> None:
    sent = acting._send

    def turn_first(*args: Any) -> Any:
        turning.turn([trader.symbol], status)
        return sent(*args)

    with monkeypatch.context() as patch:
        patch.setattr(acting, "_send", turn_first)
        acting.wake(trader.pk, TRADE, exchange)
    assert (exchange.placed, order().status) == ([], OrderStatus.NOT_PLACED)
    denied = fresh(trader)
    assert (denied.state, denied.failures, denied.error) == (TraderState.WAITING, 0, "")
    # It looks again within a second, and then waits as all do whose symbol is off.
    assert denied.retry_at is not None and denied.retry_at < timezone.now() + timedelta(seconds=1)


def test_sale_that_a_shutdown_overtakes_is_sent(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    sent = acting._send

    def turn_first(*args: Any) -> Any:
        turning.turn([trader.symbol], TradingStatus.SHUTDOWN)
        return sent(*args)

    monkeypatch.setattr(acting, "_send", turn_first)
    acting.hear(exchange.fill_all(order().client_order_id), Source.REPORT, exchange)
    assert order(Side.SELL).status == OrderStatus.NEW


def test_resume_that_just_misses_a_trader_is_noticed_by_the_trader(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trader has read "halted", trading is resumed, and only then its row says that it waits."""
    kill_switch.halt("anna")
    acting.wake(trader.pk, TRADE, exchange)
    kill_switch.resume("anna")
    was = [gate.Denial("trading is halted", gate.REST, "trading is halted", Check.MODE)]
    asked = gate.mode_denial
    monkeypatch.setattr(gate, "mode_denial", lambda side, mode=None: was.pop() if was else asked(side, mode))
    acting.wake(trader.pk, RECHECK, exchange)
    acting.wake(trader.pk, TRADE, exchange)
    # Not in a minute: it waits for the next trade at once.
    assert (fresh(trader).wake_below, fresh(trader).retry_at) == (ANY_PRICE, None)
    acting.wake(trader.pk, TRADE, exchange)
    assert len(exchange.placed) == 1


@pytest.mark.parametrize(("mode", "sold"), [(TradingMode.REDUCING, True), (TradingMode.HALTED, False)])
def test_what_fills_meanwhile_is_sold_only_while_reducing(
    trader: Trader, exchange: ScriptedExchange, mode: TradingMode, sold: bool
) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    kill_switch.halt("anna", mode=mode)
    acting.hear(exchange.fill_all(order().client_order_id), Source.REPORT, exchange)
    assert Order.objects.filter(side=Side.SELL, status=OrderStatus.NEW).exists() == sold
    assert fresh(trader).state == (TraderState.SELLING if sold else TraderState.HOLDING)
    kill_switch.resume("anna")
    acting.wake(trader.pk, RECHECK, exchange)
    assert order(Side.SELL).quantity == D("0.0666")


def test_order_that_was_unclear_when_trading_was_halted_is_still_asked_about(
    trader: Trader, exchange: ScriptedExchange
) -> None:
    exchange.after.append(answer_lost)
    acting.wake(trader.pk, TRADE, exchange)
    kill_switch.halt("anna")
    for event in (TRADE, RECHECK, Recheck("its owner asked", is_urgent=True)):
        acting.wake(trader.pk, event, exchange)
    assert (order().status, len(exchange.placed)) == (OrderStatus.SUBMITTING, 1)
    acting.ask(order().pk, exchange)
    assert order().status == OrderStatus.NEW


# --- taking an order back -----------------------------------------------------------------------------
def test_buy_that_is_cancelled_ends_cancelled_and_its_trader_waits(
    trader: Trader, exchange: ScriptedExchange
) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    kill_switch.halt("anna", cancel_buys=True)
    acting.cancel(order().pk, exchange)
    assert (order().status, fresh(trader).state) == (OrderStatus.CANCELED, TraderState.WAITING)
    assert not acting.cancel(order().pk, exchange)


def test_part_of_a_buy_that_was_cancelled_is_known_with_its_fills(trader: Trader, exchange: ScriptedExchange) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    exchange.fill(order().client_order_id, D("0.02"))  # Nobody has heard of it.
    acting.cancel(order().pk, exchange)
    assert (order().status, order().executed, order().fills.count()) == (OrderStatus.CANCELED, D("0.02"), 1)
    assert order(Side.SELL).quantity == D("0.0199")


def test_cancel_that_loses_to_a_fill_books_the_fill(trader: Trader, exchange: ScriptedExchange) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    exchange.fill_all(order().client_order_id)
    acting.cancel(order().pk, exchange)
    assert (order().status, order().executed) == (OrderStatus.FILLED, D("0.0667"))
    assert order(Side.SELL).status == OrderStatus.NEW


@pytest.mark.parametrize("was_carried_out", [True, False])
def test_cancel_whose_answer_is_lost_is_asked_about(
    trader: Trader, exchange: ScriptedExchange, was_carried_out: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting.wake(trader.pk, TRADE, exchange)

    def unclear(symbol: str, client_order_id: str) -> OrderReport:
        if was_carried_out:
            exchange.end(client_order_id, OrderStatus.CANCELED)
        raise OutcomeUnknown("read timed out")

    monkeypatch.setattr(exchange, "cancel", unclear)
    acting.cancel(order().pk, exchange)
    assert order().status == (OrderStatus.CANCELED if was_carried_out else OrderStatus.NEW)


def test_order_that_nobody_acknowledged_is_asked_about_and_then_cancelled(
    trader: Trader, exchange: ScriptedExchange
) -> None:
    exchange.after.append(answer_lost)
    acting.wake(trader.pk, TRADE, exchange)
    acting.cancel(order().pk, exchange)
    assert order().status == OrderStatus.NEW
    acting.cancel(order().pk, exchange)
    assert order().status == OrderStatus.CANCELED


def test_leader_rings_for_resting_buys_while_they_are_wanted_back(
    trader: Trader, exchange: ScriptedExchange, wake_ups: list[tuple[str, dict[str, Any]]]
) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    leader.cancel_unwanted(timezone.now())
    kill_switch.halt("anna")
    leader.cancel_unwanted(timezone.now())
    assert wake_ups == []
    kill_switch.halt("anna", cancel_buys=True)
    leader.cancel_unwanted(timezone.now())
    whose = {"trader": trader.pk, "symbol": "ETHUSDT", "order": order().pk}
    assert wake_ups == [("trading.tasks.cancel", whose)]
    kill_switch.resume("anna")
    leader.cancel_unwanted(timezone.now())
    assert len(wake_ups) == 1


# --- the commands ---------------------------------------------------------------------------------------
def test_halt_says_what_it_does_and_resume_what_it_ends(trader: Trader, at: ScriptedExchange) -> None:
    shown = run("halt", "--by", "anna", "--reason", "news")
    assert shown.startswith("Trading is halted since ")
    row = Switch.objects.get()
    assert (row.mode, row.mode_by, row.mode_why, row.cancel_buys) == (TradingMode.HALTED, "anna", "news", False)
    assert "trading is halted: news (by anna" in run("resume", "--by", "bert")
    assert (Switch.objects.get().mode, Switch.objects.get().mode_by) == (TradingMode.ACTIVE, "bert")
    assert run("resume") == "Trading is already active.\n"


def test_second_halt_adds_to_the_first(trader: Trader, at: ScriptedExchange) -> None:
    run("halt", "--reason", "dinner", "--by", "anna")
    before = Switch.objects.get()
    assert f"Before: {before.mode_text}." in run("halt", "--cancel", "--by", "ben")
    row = Switch.objects.get()
    assert (row.mode_text, row.cancel_buys) == (before.mode_text, True)
    run("halt", "--reason", "the night", "--by", "ben")
    row = Switch.objects.get()
    assert (row.mode_why, row.mode_by, row.mode_at, row.cancel_buys) == ("the night", "ben", before.mode_at, True)
    run("resume")
    assert "Before" not in run("halt")
    row = Switch.objects.get()
    assert (row.mode_why, row.cancel_buys) == ("", False)


def test_halt_that_loosens_another_says_so(trader: Trader, at: ScriptedExchange) -> None:
    run("halt", "--reason", "dinner", "--by", "anna")
    before = Switch.objects.get().mode_text
    assert f"Before: {before}." in run("halt", "--reduce", "--by", "ben")
    row = Switch.objects.get()
    assert (row.mode, row.mode_why) == (TradingMode.REDUCING, "dinner")


def test_halt_and_resume_log_nothing_beside_what_they_say(
    trader: Trader, at: ScriptedExchange, caplog: pytest.LogCaptureFixture
) -> None:
    run("halt")
    run("resume")
    assert not caplog.messages
    kill_switch.halt("anna", "news")
    assert caplog.messages == ["trading is halted: by=anna reason=news cancels_buys=False"]


def test_request_and_row_name_the_same_second() -> None:
    wanted = halt_request.request("halted", "anna", "news", False)
    wanted = replace(wanted, at=wanted.at - 3)
    halt_request.file(settings.HEDGEHOG_HOME, wanted)
    at_first = Switch.row().mode_text
    kill_switch.halt_now("anna", "news", TradingMode.HALTED, False, filed=(wanted, wanted.at))
    assert Switch.row().mode_text == at_first


def test_halt_with_cancel_cancels_open_buys_and_leaves_sells(trader: Trader, at: ScriptedExchange) -> None:
    others = [make_trader(make_symbol(name)) for name in ("BTCUSDT", "XRPUSDT")]
    for each in (trader, *others):
        acting.wake(each.pk, TradeSeen(each.symbol.name, 1, D(3000), 0), at)
    sold = Order.objects.get(trader=others[0])
    acting.hear(at.fill_all(sold.client_order_id), Source.REPORT, at)
    filled = Order.objects.get(trader=others[1])
    at.fill_all(filled.client_order_id)  # Nobody has heard of it: the cancel will lose.
    shown = run("halt", "--cancel", "--by", "anna")
    assert "Open buys to cancel: 2\n" in shown
    assert "  BUY 0.0667 ETHUSDT at 2997 (mock): canceled\n" in shown
    assert "  BUY 0.0667 XRPUSDT at 2997 (mock): filled\n" in shown
    assert "Cancelled: 1. Filled before, fully or partially: 1. No open buy left.\n" in shown
    assert [each.side for each in at.open_orders()] == [Side.SELL]


def test_dry_run_changes_nothing(trader: Trader, at: ScriptedExchange) -> None:
    acting.wake(trader.pk, TRADE, at)
    shown = run("halt", "--cancel", "--reduce", "--dry-run")
    assert "Trading would be reducing.\nOpen buys that would be cancelled: 1\n" in shown
    assert (Switch.row().mode, order().status) == (TradingMode.ACTIVE, OrderStatus.NEW)


def test_halt_waits_until_nothing_is_on_its_way(trader: Trader, at: ScriptedExchange) -> None:
    at.after.append(answer_lost)
    acting.wake(trader.pk, TRADE, at)
    shown = run("halt", "--cancel")
    assert "Orders in flight, not confirmed yet: 1\n" in shown
    assert order().status == OrderStatus.CANCELED


@pytest.mark.parametrize("command", ["halt", "resume"])
def test_commands_of_an_emergency_check_no_settings(command: str) -> None:
    assert load_command_class("console", command).requires_system_checks == []


def test_halt_lists_what_is_unclear_once_nothing_can_be_sent_any_more(trader: Trader, at: ScriptedExchange) -> None:
    at.before.append(raises(OutcomeUnknown("connection reset")))
    acting.wake(trader.pk, TRADE, at)
    out, began = StringIO(), time.monotonic()
    with pytest.raises(CommandError, match="Not every order in flight is confirmed"):
        call_command("halt", stdout=out)
    assert SEND_WITHIN.total_seconds() <= time.monotonic() - began < 4
    first, saved, sent, unclear = out.getvalue().splitlines()
    assert first.startswith("Trading is halted since ")
    assert saved.startswith("In flight, sent by ")
    assert saved.endswith(": 1: BUY 0.0667 ETHUSDT at 2997 (mock)")
    assert sent == "No order can be sent any more."
    assert unclear.endswith(": 1: BUY 0.0667 ETHUSDT at 2997 (mock)")
    assert Switch.row().mode == TradingMode.HALTED


def test_halt_lists_what_could_not_be_cancelled(
    trader: Trader, at: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting.wake(trader.pk, TRADE, at)

    def away(symbol: str, client_order_id: str) -> OrderReport:
        raise NotSent("no connection")

    monkeypatch.setattr(at, "cancel", away)
    with pytest.raises(CommandError, match=r"stays halted, but 1 order is not settled yet\.") as error:
        run("halt", "--cancel", "--timeout", "0.05")
    assert str(error.value).endswith("\n  BUY 0.0667 ETHUSDT at 2997 (mock): open")


def test_all_are_cancelled_at_the_exchange_before_the_first_is_booked(
    trader: Trader, at: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A strategy that hangs, or a database that is locked, keeps the others from resting no longer."""
    other = make_trader(make_symbol("BTCUSDT"))
    for each in (trader, other):
        acting.wake(each.pk, TradeSeen(each.symbol.name, 1, D(3000), 0), at)
    rested: list[int] = []
    booked = acting.hear_of_cancel

    def book(*args: Any) -> bool:
        rested.append(len(at.open_orders()))
        return booked(*args)

    monkeypatch.setattr(acting, "hear_of_cancel", book)
    run("halt", "--cancel")
    assert rested == [0, 0]


def test_halt_goes_on_trying_while_the_exchange_is_away(
    trader: Trader, at: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting.wake(trader.pk, TRADE, at)
    cancel, failures = at.cancel, [NotSent("no connection"), NotSent("no connection")]

    def sometimes(symbol: str, client_order_id: str) -> OrderReport:
        if failures:
            raise failures.pop()
        return cancel(symbol, client_order_id)

    monkeypatch.setattr(at, "cancel", sometimes)
    assert run("halt", "--cancel").count("no connection; retrying") == 1
    assert order().status == OrderStatus.CANCELED


@pytest.mark.skipif(
    "postgresql" not in settings.DATABASES["default"]["ENGINE"],
    reason="SQLite lets one write at a time, and its database in memory makes the others fail",
)
def test_no_call_begins_once_trading_is_halted_and_nothing_is_on_its_way(
    symbol: Symbol, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traders buy and give up side by side, as fast as they can, while trading is halted."""
    own = [make_trader(symbol, slot) for slot in range(1, 5)]
    stop, begun = threading.Event(), []

    def place(order: NewOrder) -> OrderReport:
        begun.append(time.monotonic())
        raise NotSent("no connection")

    def slowly(trader: Trader, side: Side) -> str:
        time.sleep(0.1)  # Past the gate, and not committed yet.
        return new_client_order_id(trader, side)

    monkeypatch.setattr(exchange, "place", place)
    monkeypatch.setattr(looks, "new_client_order_id", slowly)

    def trade(trader: Trader) -> None:
        try:
            while not stop.is_set():
                Trader.objects.filter(pk=trader.pk).update(retry_at=None)
                acting.wake(trader.pk, TRADE, exchange)
        finally:
            connection.close()

    threads = [threading.Thread(target=trade, args=(trader,)) for trader in own]
    for thread in threads:
        thread.start()
    try:
        give_up = time.monotonic() + 20
        while len(begun) < 20 and time.monotonic() < give_up:
            time.sleep(0.01)
        kill_switch.halt("anna")
        while kill_switch.on_their_way().exists():
            time.sleep(0.005)
        halted_at = time.monotonic()
        time.sleep(0.5)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert len(begun) >= 20
    assert max(begun) <= halted_at
    assert not Order.objects.filter(status=OrderStatus.SUBMITTING).exists()

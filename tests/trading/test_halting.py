"""The kill switch: nothing passes the gate any more, resting buys are taken back, and a resume wakes everybody."""

import threading
import time
from collections.abc import Iterator
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

from tests.support.scripted_exchange import ScriptedExchange, answer_lost, raises
from tests.trading.conftest import make_symbol
from tests.trading.rows import make_trader
from trading import gate, halting, leader, looks, symbols, traders
from trading.core.events import Nudged, TradeSeen
from trading.core.orders import OrderReport, OrderStatus, Side
from trading.core.strategy import ANY_PRICE, TraderState
from trading.exchange.errors import NotSent, OutcomeUnknown
from trading.exchange.protocol import SEND_WITHIN, NewOrder
from trading.identity.names import new_client_order_id
from trading.management import settling
from trading.models import JournalEntry, Order, Switch, Symbol, Trader
from trading.models.switch import TradingMode
from trading.models.symbols import TradingStatus

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

TRADE = TradeSeen("ETHUSDT", 1, D(3000), 0)
NUDGE = Nudged("test")


@pytest.fixture(autouse=True)
def bells(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    rung: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(current_app, "send_task", lambda task, kwargs, **options: rung.append((task, kwargs)))
    return rung


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
    assert [gate.mode_hold(side) is None for side in (Side.BUY, Side.SELL)] == [buys, sells]


def test_halted_trader_orders_nothing_says_so_and_costs_nothing(trader: Trader, exchange: ScriptedExchange) -> None:
    halting.halt("anna", "news")
    for _ in range(3):
        traders.wake(trader.pk, TRADE, exchange)
        traders.wake(trader.pk, NUDGE, exchange)
    held = fresh(trader)
    assert (exchange.placed, Order.objects.count()) == ([], 0)
    assert held.waits_for.startswith("trading is halted: news (by anna, since ")
    # No price wakes it, and the clock only in a minute.
    assert held.wake_below is None
    assert held.retry_at is not None
    assert held.retry_at > timezone.now() + timedelta(seconds=55)
    assert list(JournalEntry.objects.values_list("decision", flat=True)) == ["is held back"]
    assert held.failures == 0


def test_resumed_trader_goes_on_by_itself_within_a_beat(
    trader: Trader, exchange: ScriptedExchange, bells: list[tuple[str, dict[str, Any]]]
) -> None:
    halting.halt("anna")
    traders.wake(trader.pk, TRADE, exchange)
    leader.nudge_whoever_is_due(timezone.now())
    assert bells == []
    assert halting.resume("anna") == 1
    leader.nudge_whoever_is_due(timezone.now())
    assert [task for task, _ in bells] == ["trading.tasks.nudge"]
    traders.wake(trader.pk, NUDGE, exchange)
    assert fresh(trader).wake_below == ANY_PRICE
    traders.wake(trader.pk, TRADE, exchange)
    assert len(exchange.placed) == 1
    assert fresh(trader).waits_for != ""


def test_halt_between_the_saved_intent_and_the_call_is_heeded(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The intent is committed; then trading is halted; then the call would come."""
    sent = traders._send

    def halt_first(*args: Any) -> Any:
        halting.halt("anna", "just in time")
        return sent(*args)

    with monkeypatch.context() as patch:
        patch.setattr(traders, "_send", halt_first)
        traders.wake(trader.pk, TRADE, exchange)
    assert exchange.placed == []
    assert order().status == OrderStatus.NOT_PLACED
    assert "just in time" in order().reason
    held = fresh(trader)
    assert (held.state, held.failures, held.error) == (TraderState.WAITING, 0, "")
    assert held.waits_for.startswith("trading is halted: just in time")
    halting.resume("anna")
    traders.wake(trader.pk, NUDGE, exchange)
    traders.wake(trader.pk, TRADE, exchange)
    assert len(exchange.placed) == 1


@pytest.mark.parametrize("status", [TradingStatus.OFF, TradingStatus.SHUTDOWN])
def test_symbol_that_is_turned_off_between_the_saved_intent_and_the_call_sends_nothing(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch, status: TradingStatus
) -> None:
    sent = traders._send

    def turn_first(*args: Any) -> Any:
        symbols.turn([trader.symbol], status)
        return sent(*args)

    with monkeypatch.context() as patch:
        patch.setattr(traders, "_send", turn_first)
        traders.wake(trader.pk, TRADE, exchange)
    assert (exchange.placed, order().status) == ([], OrderStatus.NOT_PLACED)
    held = fresh(trader)
    assert (held.state, held.failures, held.error) == (TraderState.WAITING, 0, "")
    # It looks again within a second, and then waits as all do whose symbol is off.
    assert held.retry_at is not None and held.retry_at < timezone.now() + timedelta(seconds=1)


def test_sale_that_a_shutdown_overtakes_is_sent(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    traders.wake(trader.pk, TRADE, exchange)
    sent = traders._send

    def turn_first(*args: Any) -> Any:
        symbols.turn([trader.symbol], TradingStatus.SHUTDOWN)
        return sent(*args)

    monkeypatch.setattr(traders, "_send", turn_first)
    traders.hear(exchange.fill_all(order().client_order_id), "report", exchange)
    assert order(Side.SELL).status == OrderStatus.NEW


def test_resume_that_just_misses_a_trader_is_noticed_by_the_trader(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trader has read "halted", trading is resumed, and only then its row says that it waits."""
    halting.halt("anna")
    traders.wake(trader.pk, TRADE, exchange)
    halting.resume("anna")
    was = [gate.Hold("trading is halted", gate.REST, "trading is halted", is_mode=True)]
    asked = gate.mode_hold
    monkeypatch.setattr(gate, "mode_hold", lambda side: was.pop() if was else asked(side))
    traders.wake(trader.pk, NUDGE, exchange)
    traders.wake(trader.pk, TRADE, exchange)
    # Not in a minute: it waits for the next trade at once.
    assert (fresh(trader).wake_below, fresh(trader).retry_at) == (ANY_PRICE, None)
    traders.wake(trader.pk, TRADE, exchange)
    assert len(exchange.placed) == 1


@pytest.mark.parametrize(("mode", "sold"), [(TradingMode.REDUCING, True), (TradingMode.HALTED, False)])
def test_what_fills_meanwhile_is_sold_only_while_reducing(
    trader: Trader, exchange: ScriptedExchange, mode: TradingMode, sold: bool
) -> None:
    traders.wake(trader.pk, TRADE, exchange)
    halting.halt("anna", mode=mode)
    traders.hear(exchange.fill_all(order().client_order_id), "report", exchange)
    assert Order.objects.filter(side=Side.SELL, status=OrderStatus.NEW).exists() == sold
    assert fresh(trader).state == (TraderState.SELLING if sold else TraderState.HOLDING)
    halting.resume("anna")
    traders.wake(trader.pk, NUDGE, exchange)
    assert order(Side.SELL).quantity == D("0.0666")


def test_order_that_was_unclear_when_trading_was_halted_is_still_asked_about(
    trader: Trader, exchange: ScriptedExchange
) -> None:
    exchange.after.append(answer_lost)
    traders.wake(trader.pk, TRADE, exchange)
    halting.halt("anna")
    for event in (TRADE, NUDGE, Nudged("its owner asked", is_urgent=True)):
        traders.wake(trader.pk, event, exchange)
    assert (order().status, len(exchange.placed)) == (OrderStatus.SUBMITTING, 1)
    traders.ask(order().pk, exchange)
    assert order().status == OrderStatus.NEW


# --- taking an order back -----------------------------------------------------------------------------
def test_buy_that_is_taken_back_ends_cancelled_and_its_trader_waits(
    trader: Trader, exchange: ScriptedExchange
) -> None:
    traders.wake(trader.pk, TRADE, exchange)
    halting.halt("anna", cancels_buys=True)
    traders.cancel(order().pk, exchange)
    assert (order().status, fresh(trader).state) == (OrderStatus.CANCELED, TraderState.WAITING)
    assert not traders.cancel(order().pk, exchange)


def test_part_of_a_buy_that_was_taken_back_is_known_with_its_fills(
    trader: Trader, exchange: ScriptedExchange
) -> None:
    traders.wake(trader.pk, TRADE, exchange)
    exchange.fill(order().client_order_id, D("0.02"))  # Nobody has heard of it.
    traders.cancel(order().pk, exchange)
    assert (order().status, order().executed, order().fills.count()) == (OrderStatus.CANCELED, D("0.02"), 1)
    assert order(Side.SELL).quantity == D("0.0199")


def test_cancel_that_loses_to_a_fill_books_the_fill(trader: Trader, exchange: ScriptedExchange) -> None:
    traders.wake(trader.pk, TRADE, exchange)
    exchange.fill_all(order().client_order_id)
    traders.cancel(order().pk, exchange)
    assert (order().status, order().executed) == (OrderStatus.FILLED, D("0.0667"))
    assert order(Side.SELL).status == OrderStatus.NEW


@pytest.mark.parametrize("was_carried_out", [True, False])
def test_cancel_whose_answer_is_lost_is_asked_about(
    trader: Trader, exchange: ScriptedExchange, was_carried_out: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    traders.wake(trader.pk, TRADE, exchange)

    def unclear(symbol: str, client_order_id: str) -> OrderReport:
        if was_carried_out:
            exchange.end(client_order_id, OrderStatus.CANCELED)
        raise OutcomeUnknown("read timed out")

    monkeypatch.setattr(exchange, "cancel", unclear)
    traders.cancel(order().pk, exchange)
    assert order().status == (OrderStatus.CANCELED if was_carried_out else OrderStatus.NEW)


def test_order_that_nobody_acknowledged_is_asked_about_and_then_taken_back(
    trader: Trader, exchange: ScriptedExchange
) -> None:
    exchange.after.append(answer_lost)
    traders.wake(trader.pk, TRADE, exchange)
    traders.cancel(order().pk, exchange)
    assert order().status == OrderStatus.NEW
    traders.cancel(order().pk, exchange)
    assert order().status == OrderStatus.CANCELED


def test_leader_rings_for_resting_buys_while_they_are_wanted_back(
    trader: Trader, exchange: ScriptedExchange, bells: list[tuple[str, dict[str, Any]]]
) -> None:
    traders.wake(trader.pk, TRADE, exchange)
    leader.take_back_unwanted(timezone.now())
    halting.halt("anna")
    leader.take_back_unwanted(timezone.now())
    assert bells == []
    halting.halt("anna", cancels_buys=True)
    leader.take_back_unwanted(timezone.now())
    whose = {"trader": trader.pk, "symbol": "ETHUSDT", "order": order().pk}
    assert bells == [("trading.tasks.cancel", whose)]
    halting.resume("anna")
    leader.take_back_unwanted(timezone.now())
    assert len(bells) == 1


# --- the commands ---------------------------------------------------------------------------------------
def test_halt_says_what_it_does_and_resume_what_it_ends(trader: Trader, at: ScriptedExchange) -> None:
    shown = run("halt", "--by", "anna", "--why", "news")
    assert shown.startswith("Trading is halted since ")
    row = Switch.objects.get()
    assert (row.mode, row.mode_by, row.mode_why, row.cancels_buys) == (TradingMode.HALTED, "anna", "news", False)
    assert "trading is halted: news (by anna" in run("resume", "--by", "bert")
    assert (Switch.objects.get().mode, Switch.objects.get().mode_by) == (TradingMode.ACTIVE, "bert")
    assert run("resume") == "Trading is active already.\n"


def test_halt_with_cancel_takes_resting_buys_back_and_leaves_sales(trader: Trader, at: ScriptedExchange) -> None:
    others = [make_trader(make_symbol(name)) for name in ("BTCUSDT", "XRPUSDT")]
    for each in (trader, *others):
        traders.wake(each.pk, TradeSeen(each.symbol.name, 1, D(3000), 0), at)
    sold = Order.objects.get(trader=others[0])
    traders.hear(at.fill_all(sold.client_order_id), "report", at)
    filled = Order.objects.get(trader=others[1])
    at.fill_all(filled.client_order_id)  # Nobody has heard of it: the cancel will lose.
    shown = run("halt", "--cancel", "--by", "anna")
    assert "Resting buys to cancel: 2\n" in shown
    assert "  BUY 0.0667 ETHUSDT at 2997 (mock): canceled\n" in shown
    assert "  BUY 0.0667 XRPUSDT at 2997 (mock): filled\n" in shown
    assert "Cancelled: 1. Filled before, all or in part: 1. No buy rests any more.\n" in shown
    assert [each.side for each in at.open_orders()] == [Side.SELL]


def test_dry_run_changes_nothing(trader: Trader, at: ScriptedExchange) -> None:
    traders.wake(trader.pk, TRADE, at)
    shown = run("halt", "--cancel", "--reduce", "--dry-run")
    assert "Trading would be reducing.\nResting buys that would be cancelled: 1\n" in shown
    assert (Switch.row().mode, order().status) == (TradingMode.ACTIVE, OrderStatus.NEW)


def test_halt_waits_until_nothing_is_on_its_way(trader: Trader, at: ScriptedExchange) -> None:
    at.after.append(answer_lost)
    traders.wake(trader.pk, TRADE, at)
    shown = run("halt", "--cancel")
    assert "Orders on their way whose outcome is not clear yet: 1\n" in shown
    assert order().status == OrderStatus.CANCELED


@pytest.mark.parametrize("command", ["halt", "resume"])
def test_commands_of_an_emergency_check_no_settings(command: str) -> None:
    assert load_command_class("trading", command).requires_system_checks == []


def test_halt_lists_what_is_unclear_once_nothing_can_be_sent_any_more(trader: Trader, at: ScriptedExchange) -> None:
    at.before.append(raises(OutcomeUnknown("connection reset")))
    traders.wake(trader.pk, TRADE, at)
    out, began = StringIO(), time.monotonic()
    with pytest.raises(CommandError, match="Not every order that was on its way is clear"):
        call_command("halt", stdout=out)
    assert SEND_WITHIN.total_seconds() <= time.monotonic() - began < 4
    first, saved, sent, unclear = out.getvalue().splitlines()
    assert first.startswith("Trading is halted since ")
    assert saved.startswith("Saved before, and sent until ")
    assert saved.endswith(": 1: BUY 0.0667 ETHUSDT at 2997 (mock)")
    assert sent == "No order goes out any more."
    assert unclear.endswith(": 1: BUY 0.0667 ETHUSDT at 2997 (mock)")
    assert Switch.row().mode == TradingMode.HALTED


def test_halt_lists_what_could_not_be_cancelled(
    trader: Trader, at: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    traders.wake(trader.pk, TRADE, at)

    def away(symbol: str, client_order_id: str) -> OrderReport:
        raise NotSent("no connection")

    monkeypatch.setattr(at, "cancel", away)
    with pytest.raises(CommandError, match=r"stays halted, but not all orders are settled: 1\.") as error:
        run("halt", "--cancel", "--timeout", "0.05")
    assert str(error.value).endswith("\n  BUY 0.0667 ETHUSDT at 2997 (mock): rests")


def test_all_are_cancelled_at_the_exchange_before_the_first_is_booked(
    trader: Trader, at: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A strategy that hangs, or a database that is locked, keeps the others from resting no longer."""
    other = make_trader(make_symbol("BTCUSDT"))
    for each in (trader, other):
        traders.wake(each.pk, TradeSeen(each.symbol.name, 1, D(3000), 0), at)
    rested: list[int] = []
    booked = traders.hear_of_cancel

    def book(*args: Any) -> bool:
        rested.append(len(at.open_orders()))
        return booked(*args)

    monkeypatch.setattr(traders, "hear_of_cancel", book)
    run("halt", "--cancel")
    assert rested == [0, 0]


def test_halt_goes_on_trying_while_the_exchange_is_away(
    trader: Trader, at: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    traders.wake(trader.pk, TRADE, at)
    cancel, failures = at.cancel, [NotSent("no connection"), NotSent("no connection")]

    def sometimes(symbol: str, client_order_id: str) -> OrderReport:
        if failures:
            raise failures.pop()
        return cancel(symbol, client_order_id)

    monkeypatch.setattr(at, "cancel", sometimes)
    assert run("halt", "--cancel").count("no connection; trying again") == 1
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

    def slowly(trader_id: int, side: Side) -> str:
        time.sleep(0.1)  # Past the gate, and not committed yet.
        return new_client_order_id(trader_id, side)

    monkeypatch.setattr(exchange, "place", place)
    monkeypatch.setattr(looks, "new_client_order_id", slowly)

    def trade(trader: Trader) -> None:
        try:
            while not stop.is_set():
                Trader.objects.filter(pk=trader.pk).update(retry_at=None)
                traders.wake(trader.pk, TRADE, exchange)
        finally:
            connection.close()

    threads = [threading.Thread(target=trade, args=(trader,)) for trader in own]
    for thread in threads:
        thread.start()
    try:
        give_up = time.monotonic() + 20
        while len(begun) < 20 and time.monotonic() < give_up:
            time.sleep(0.01)
        halting.halt("anna")
        while halting.on_their_way().exists():
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

"""What migrations make of rows that an older version has left."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal as D
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from django.db.migrations import AddConstraint, AddField, AlterField, RemoveConstraint, RemoveField, RenameField
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from hedgehog_project.venues import Venue
from trading import migrations
from trading.books import totals
from trading.core.denials import Check, Rule
from trading.core.journal import Kind, Source
from trading.models import DeniedOrder, Trader, TradingSettings
from trading.strategies import naive, trailing

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

SEVEN = (
    *("buy_down_interval", "profit_interval", "rebuy_interval", "retarget_interval", "stop_loss_interval"),
    *("trailing_stop_interval", "exit_slippage"),
)


def at(name: str) -> Any:
    """The models as they were after this migration, in a database that stands there."""
    executor = MigrationExecutor(connection)
    executor.migrate([("trading", name)])
    return MigrationExecutor(connection).loader.project_state([("trading", name)]).apps


@pytest.fixture(autouse=True)
def back_again() -> Iterator[None]:
    yield
    call_command("migrate", verbosity=0)


def test_the_one_rate_of_a_listing_stands_for_all_four_until_the_venue_is_asked_anew() -> None:
    apps = at("0010_denied_orders")
    symbol = apps.get_model("trading", "Symbol").objects.create(name="ETHUSDT", base_asset="ETH", quote_asset="USDT")
    now = timezone.now()
    apps.get_model("trading", "Listing").objects.create(
        symbol=symbol, venue="mock", status="TRADING", tick_size=D("0.01"), step_size=D("0.0001"),
        maker_fee=D("0.00075"), fee_asked_at=now, refreshed_at=now,
    )  # fmt: skip
    listing = at("0011_commission_rates").get_model("trading", "Listing").objects.get()
    rates = [listing.buy_maker_fee, listing.buy_taker_fee, listing.sell_maker_fee, listing.sell_taker_fee]
    assert rates == [D("0.00075")] * 4
    assert listing.fee_asked_at is None


def test_commissions_that_counted_as_nothing_for_want_of_a_pair_are_unknown_from_now_on() -> None:
    apps = at("0010_denied_orders")
    model = {name: apps.get_model("trading", name).objects for name in ("Symbol", "Trader", "Order", "Fill")}
    symbol = model["Symbol"].create(name="SHIBDOGE", base_asset="SHIB", quote_asset="DOGE")
    now = timezone.now()

    def cycle(slot: int, asset: str, worth: str | None, **values: object) -> int:
        trader = model["Trader"].create(symbol=symbol, venue="mock", slot=slot, budget=D(1), **values)
        order = model["Order"].create(
            trader=trader, symbol=symbol, venue="mock", side="BUY", price=D(1), quantity=D(1),
            client_order_id=f"hh-{slot}", status="FILLED", executed=D(1),
        )  # fmt: skip
        model["Fill"].create(
            order=order, trade_id=slot, price=D(1), quantity=D(1), quote=D(1), commission=D("0.001"),
            commission_asset=asset, commission_quote=None if worth is None else D(worth), traded_at=now,
        )  # fmt: skip
        return int(trader.pk)

    ended = {"state": "FINISHED", "finished_at": now, "profit": D("0.49")}
    nothing = cycle(1, "BNB", "0", **ended)
    cycle(2, "BNB", "0.3", **ended)
    cycle(3, "SHIB", None, **ended)
    cycle(4, "BNB", "0", state="HOLDING")
    cycle(5, "BNB", None, state="HOLDING")

    apps = at("0011_commission_rates")
    traders = apps.get_model("trading", "Trader").objects.filter(has_unvalued_fees=True)
    assert list(traders.values_list("pk", flat=True)) == [nothing]  # A cycle under way says so when it ends.
    fills = apps.get_model("trading", "Fill").objects.order_by("trade_id")
    assert list(fills.values_list("trade_id", "commission_quote", "is_unvaluable")) == [
        (1, None, True), (2, D("0.3"), False), (3, None, False), (4, None, True), (5, None, False),
    ]  # fmt: skip


# event, decision, reason; then kind, source, the order's status, what denied it, and the event's words from now on
OLD_WORDS = [
    ("leader", "begins", "slot 1 is free", "BEGAN", "LEADER", "", "", ""),
    ("anna", "begins", "adopts orders of trader 7 that the database lacked", "BEGAN", "PERSON", "", "", "anna"),
    ("leader", "retires", "ETHUSDT is off", "RETIRED", "LEADER", "", "", ""),
    ("leader", "is heard", "slot 2 of 3 is opened", "SLOT_OPENED", "LEADER", "", "", ""),
    ("trade 7 at 3001", "orders BUY 1 ETHUSDT at 3", "", "ORDERED", "TRADE", "SUBMITTING", "", "trade 7 at 3001"),
    ("asked for the price: 3", "asks for a trader beside it", "", "SLOT_REQUESTED", "TRADE", "", "",
     "asked for the price: 3"),
    ("answer: BUY NEW", "books buy: new", "", "BOOKED", "ANSWER", "NEW", "", "buy new"),
    ("report: BUY PARTIALLY_FILLED, 0.1 of 1", "books BUY partially_filled", "", "BOOKED", "REPORT",
     "PARTIALLY_FILLED", "", "buy partially filled, 0.1 of 1"),
    ("query: SELL NOT_PLACED", "books sell: not placed", "The exchange never got it.", "BOOKED", "QUERY",
     "NOT_PLACED", "", "sell not placed"),
    ("cancel: SELL CANCELED", "books sell: canceled", "", "BOOKED", "CANCEL", "CANCELED", "", "sell canceled"),
    ("reconciliation: BUY FILLED, 1 of 1", "books buy: filled", "", "BOOKED", "RECONCILIATION", "FILLED", "",
     "buy filled, 1 of 1"),
    ("reconciliation", "books buy: filled, 1 of 1", "", "BOOKED", "RECONCILIATION", "FILLED", "", ""),
    ("reconciliation", "adopts BUY 1 ETHUSDT at 3", "the database lacked it: partially filled, 0.1 of 1", "ADOPTED",
     "RECONCILIATION", "PARTIALLY_FILLED", "", ""),
    ("reconciliation: orders of it were found on the exchange", "waits", "", "WAITED", "RECONCILIATION", "", "",
     "orders of it were found on the exchange"),
    ("manage.py orphans: orders of it were found on the exchange", "waits", "", "WAITED", "PERSON", "", "",
     "manage.py orphans: orders of it were found on the exchange"),
    ("trade 8 at 3", "cancels BUY 1 ETHUSDT at 3", "left behind", "CANCELLED", "TRADE", "", "", "trade 8 at 3"),
    ("trade 8 at 3", "takes back BUY 1 ETHUSDT at 3", "", "CANCELLED", "TRADE", "", "", "trade 8 at 3"),
    ("slot 3", "makes way with BUY 1 ETHUSDT at 3", "", "MADE_WAY", "TRADER", "", "", "slot 3"),
    ("own buys have made way", "orders SELL 1 ETHUSDT at 3", "", "ORDERED", "TASK", "SUBMITTING", "",
     "own buys have made way"),
    ("trading was resumed", "waits", "", "WAITED", "TASK", "", "", "trading was resumed"),
    ("leader: it is time to try again", "pauses", "", "PAUSED", "LEADER", "", "", "it is time to try again"),
    ("leader: anna asked it to look again", "waits", "", "WAITED", "PERSON", "", "", "anna asked it to look again"),
    ("anna asked it to look again", "waits", "", "WAITED", "PERSON", "", "", "anna asked it to look again"),
    ("its task", "failed", "OutcomeUnknown: away", "FAILED", "TASK", "", "", ""),
    ("answer", "was refused", "too small", "REJECTED", "ANSWER", "REJECTED", "", ""),
    ("answer", "was not placed", "no line", "NOT_PLACED", "ANSWER", "NOT_PLACED", "", ""),
    ("answer", "asks about its order", "away", "UNCLEAR", "ANSWER", "SUBMITTING", "", ""),
    ("report", "can't be booked", "", "NOT_BOOKED", "REPORT", "", "", ""),
    ("balance: 0.7 BNB free", "misses a part", "", "MISSING", "QUERY", "", "", "0.7 BNB free"),
    ("answer", "values commissions of 1 BNB", "BNBUSDT at 600", "VALUED", "ANSWER", "", "", ""),
    ("answer", "values commissions of 1 BNB", "there is no BNBUSDT to value them by: they count as nothing",
     "UNVALUABLE", "ANSWER", "", "", ""),
    ("answer", "can't value commissions of 1 BNB", "no pair of BNB and USDT is listed", "UNVALUABLE", "ANSWER", "",
     "", ""),
    ("answer", "goes on without the value of its commissions", "away", "UNVALUED", "ANSWER", "", "", ""),
    ("its commissions are valued", "counts again", "profit 1", "RECOUNTED", "TASK", "", "",
     "its commissions are valued"),
    ("report: SELL FILLED, 1 of 1", "ends: finished", "sold 1", "ENDED", "REPORT", "", "", "sell filled, 1 of 1"),
    ("anna in the admin", "is abandoned", "1 ETH is left", "ABANDONED", "PERSON", "", "", "anna in the admin"),
    ("manage.py identity", "lets go of BUY 1 ETHUSDT at 3", "", "LET_GO", "PERSON", "LET_GO", "",
     "manage.py identity"),
    ("trade 9 at 3", "does what nobody knows", "", "NOTED", "TRADE", "", "", "trade 9 at 3"),
    *(
        ("trade 9 at 3", "is held back", reason, "DENIED", "TRADE", "", by, "trade 9 at 3")
        for by, reason in {
            "mode": "trading is halted: it would meet the news (by anna, since 30 Nov 01:02:03 UTC)",
            "symbol": "trading is off for ETHUSDT",
            "copy": "a copy of this installation is alive",
            "rate limit": "the exchange's limits leave no room for a buy",
            "full book": "mock lets no more orders of ETHUSDT rest",
            "self-trade": "it would meet the buy of the trader in slot 2",
            "bound": "ETHUSDT may bind 300 USDT",
            "open orders": "no more than 1 order of ETHUSDT may be open",
            "day's loss": "ETHUSDT has lost the most of a day, 5 USDT",
            "losses in a row": "the last 2 cycles of ETHUSDT ended at a loss: nothing is bought until then",
            "old trade": "ETHUSDT has had no trade for 5 s",
            "gap": "trades of ETHUSDT are missing and being fetched",
            "exposure": "300 USDT may be bound at mock",
            "reserve": "1 BNB are to stay free at mock",
            "orders a minute": "no more than 5 orders may go to mock a minute",
        }.items()
    ),
]  # fmt: skip
FACTS = ("kind", "source", "status", "denied_by", "event")


def old_trader(apps: Any) -> Any:
    symbol = apps.get_model("trading", "Symbol").objects.create(name="ETHUSDT", base_asset="ETH", quote_asset="USDT")
    return apps.get_model("trading", "Trader").objects.create(symbol=symbol, venue="mock", slot=1, budget=D(1))


def test_words_of_the_journal_become_facts() -> None:
    apps = at("0017_equity_of_leftovers")
    trader = old_trader(apps)
    for event, decision, reason, *_ in OLD_WORDS:
        trader.journal.create(event=event, decision=decision, reason=reason)
    entries = at("0019_journal_facts_of_old_words").get_model("trading", "JournalEntry").objects.order_by("pk")
    for entry, (_, decision, reason, *facts) in zip(entries, OLD_WORDS, strict=True):
        assert [getattr(entry, name) for name in FACTS] == facts, decision
        assert (entry.decision, entry.reason) == (decision, reason)
    assert set(entries.filter(source="TRADE").values_list("trade_id", flat=True)) == {None, 7, 8, 9}


def test_facts_of_the_journal_are_read_again_after_the_columns_were_taken_away() -> None:
    apps = at("0017_equity_of_leftovers")
    trader = old_trader(apps)
    for event, decision, reason, *_ in OLD_WORDS:
        trader.journal.create(event=event, decision=decision, reason=reason)
    entries = at("0019_journal_facts_of_old_words").get_model("trading", "JournalEntry").objects.order_by("pk")
    before = list(entries.values_list("kind", "status", "denied_by", "event"))
    at("0017_equity_of_leftovers")
    entries = at("0019_journal_facts_of_old_words").get_model("trading", "JournalEntry").objects.order_by("pk")
    assert list(entries.values_list("kind", "status", "denied_by", "event")) == before


# Of what nobody did by then there are no old words.
KINDS_SINCE, CHECKS_SINCE = {Kind.BY_HAND}, {Check.PAUSE}


def test_each_kind_of_today_has_its_old_words() -> None:
    told = {kind for _, _, _, kind, *_ in OLD_WORDS}
    assert told | KINDS_SINCE == set(Kind)
    assert {source for _, _, _, _, source, *_ in OLD_WORDS} == set(Source)
    names = import_module("trading.migrations.0026_names_of_rules").NAMES
    assert {names.get(by, by) for *_, by, _ in OLD_WORDS} | CHECKS_SINCE == {"", *Check, *Rule}


def test_fills_find_the_line_that_booked_them() -> None:
    apps = at("0017_equity_of_leftovers")
    trader = old_trader(apps)
    number = 0

    def order(*lines: tuple[str, str, str]) -> None:
        nonlocal number
        number += 1
        row = trader.orders.create(
            symbol=trader.symbol, venue="mock", side="BUY", price=D(1), quantity=D(1), client_order_id=f"hh-{number}",
            status="FILLED", executed=D(1),
        )  # fmt: skip
        for trade_id, quantity in enumerate(("0.1", "0.2", "0.7"), number * 10):
            row.fills.create(
                trade_id=trade_id, price=D(1), quantity=D(quantity), quote=D(quantity), traded_at=timezone.now()
            )
        for event, decision, reason in lines:
            trader.journal.create(event=event, decision=decision, reason=reason, order=row)

    order(
        ("trade 1 at 1", "orders BUY 1 ETHUSDT at 1", ""),
        ("answer: BUY NEW", "books buy: new", ""),
        ("report: BUY PARTIALLY_FILLED, 0.3 of 1", "books buy: partially filled", ""),
        ("report: BUY FILLED, 1 of 1", "books buy: filled", ""),
        ("report: BUY FILLED, 1 of 1", "ends: finished", ""),
    )
    order(
        ("reconciliation", "adopts BUY 1 ETHUSDT at 1", "the database lacked it: partially filled, 0.1 of 1"),
        ("reconciliation", "books buy: filled, 1 of 1", ""),
    )
    order(("report: BUY PARTIALLY_FILLED, 0.1 of 1", "books BUY partially_filled", ""))
    fills = at("0019_journal_facts_of_old_words").get_model("trading", "Fill").objects.order_by("trade_id")
    assert list(fills.values_list("trade_id", "entry__status", "entry__kind")) == [
        (10, "PARTIALLY_FILLED", "BOOKED"), (11, "PARTIALLY_FILLED", "BOOKED"), (12, "FILLED", "BOOKED"),
        (20, "PARTIALLY_FILLED", "ADOPTED"), (21, "FILLED", "BOOKED"), (22, "FILLED", "BOOKED"),
        (30, "PARTIALLY_FILLED", "BOOKED"), (31, None, None), (32, None, None),
    ]  # fmt: skip


def test_the_columns_of_a_strategy_s_settings_become_texts_and_columns_again() -> None:
    before, after = "0019_journal_facts_of_old_words", "0020_strategy_settings_in_one_place"
    apps = at(before)
    symbols, rows = (apps.get_model("trading", name).objects for name in ("Symbol", "TradingSettings"))

    def row(name: str, **values: object) -> None:
        rows.create(symbol=symbols.create(name=name, base_asset=name[:3], quote_asset="USDT"), **values)

    row("ETHUSDT")
    row(
        "BTCUSDT", buy_down_interval=D("0.00000001"), profit_interval=D("0.1"), rebuy_interval=None,
        retarget_interval=D("0.02"), stop_loss_interval=D("0.5"), exit_slippage=D("0.003"),
    )  # fmt: skip
    # What stood among the texts weighed more than the column of its name.
    row("BNBUSDT", strategy="trailing", strategy_settings={"trail_interval": "0.01", "profit_interval": "0.007"})
    columns = {each["symbol__name"]: each for each in rows.values("symbol__name", *SEVEN)}

    texts = dict(
        at(after).get_model("trading", "TradingSettings").objects.values_list("symbol__name", "strategy_settings")
    )
    plain = {"buy_down_interval": "0.0005", "profit_interval": "0.0005", "rebuy_interval": "0.005"}
    plain |= dict.fromkeys(SEVEN[3:], "")
    assert texts["ETHUSDT"] == plain
    assert texts["BTCUSDT"] == {
        "buy_down_interval": "0.00000001", "profit_interval": "0.1", "rebuy_interval": "",
        "retarget_interval": "0.02", "stop_loss_interval": "0.5", "trailing_stop_interval": "",
        "exit_slippage": "0.003",
    }  # fmt: skip
    assert texts["BNBUSDT"] == plain | {"trail_interval": "0.01", "profit_interval": "0.007"}
    call_command("migrate", verbosity=0)  # The models of today have the last one's columns.
    kept = {each.symbol.name: each.by()[1] for each in TradingSettings.objects.select_related("symbol")}
    assert kept["ETHUSDT"] == naive.Settings()
    assert kept["BNBUSDT"] == trailing.Settings(trail_interval=D("0.01"), profit_interval=D("0.007"))

    TradingSettings.objects.filter(symbol__name="ETHUSDT").update(
        strategy_settings={"profit_interval": "", "rebuy_interval": "", "buy_down_interval": "much"}
    )
    rows = at(before).get_model("trading", "TradingSettings").objects
    again = {each["symbol__name"]: each for each in rows.values("symbol__name", *SEVEN)}
    assert again["BTCUSDT"] == columns["BTCUSDT"]
    assert again["BNBUSDT"] == columns["BNBUSDT"] | {"profit_interval": D("0.007")}
    assert rows.get(symbol__name="BNBUSDT").strategy_settings == {"trail_interval": "0.01"}
    # What a column can't hold has its default.
    assert again["ETHUSDT"] == columns["ETHUSDT"] | {"rebuy_interval": None}


def test_renamed_fields_keep_what_they_hold_forward_and_backward() -> None:
    before, after = "0020_strategy_settings_in_one_place", "0021_field_words"
    now = timezone.now()
    apps = at(before)
    symbol = apps.get_model("trading", "Symbol").objects.create(name="ETHUSDT", base_asset="ETH", quote_asset="USDT")
    apps.get_model("trading", "TradingSettings").objects.create(symbol=symbol, chunks=7, takes_back=True)
    apps.get_model("trading", "Profile").objects.create(name="old", values={"chunks": 5, "most_bound": "9"})
    apps.get_model("trading", "HeldBack").objects.create(
        symbol=symbol, venue="mock", rule="gap", day=now.date(), last_at=now, holds_until=now
    )
    apps.get_model("trading", "SymbolProtections").objects.create(symbol=symbol, most_bound=D(5), most_trade_age_s=3)
    apps.get_model("trading", "AccountProtections").objects.create(venue="mock", most_drawdown=D("0.1"))
    trader = apps.get_model("trading", "Trader").objects.create(
        symbol=symbol, venue="mock", slot=1, budget=D(1), turn=9, rebuy_told_at=now, rebuy_heard_at=now
    )
    apps.get_model("trading", "Order").objects.create(
        trader=trader, symbol=symbol, venue="mock", side="BUY", price=D(1), quantity=D(1), client_order_id="a",
        status="SUBMITTING", denied_at=now,
    )  # fmt: skip

    get = at(after).get_model
    settings, trader = get("trading", "TradingSettings").objects.get(), get("trading", "Trader").objects.get()
    assert (settings.max_slots, settings.cancels_orders) == (7, True)
    assert (trader.version, trader.slot_requested_at, trader.slot_opened_at) == (9, now, now)
    assert get("trading", "Order").objects.get().not_found_at == now
    assert get("trading", "Profile").objects.get(name="old").values == {"max_slots": 5, "max_exposure": "9"}
    assert get("trading", "HeldBack").objects.get().denies_until == now
    limits = get("trading", "SymbolProtections").objects.get()
    assert (limits.max_exposure, limits.max_open_orders, limits.max_trade_age_s) == (D(5), None, 3)
    assert get("trading", "AccountProtections").objects.get().max_drawdown == D("0.1")

    get = at(before).get_model
    settings, trader = get("trading", "TradingSettings").objects.get(), get("trading", "Trader").objects.get()
    assert (settings.chunks, settings.takes_back) == (7, True)
    assert (trader.turn, trader.rebuy_told_at, trader.rebuy_heard_at) == (9, now, now)
    assert get("trading", "Order").objects.get().denied_at == now
    assert get("trading", "Profile").objects.get(name="old").values == {"chunks": 5, "most_bound": "9"}
    assert get("trading", "SymbolProtections").objects.get().most_bound == D(5)
    assert get("trading", "HeldBack").objects.get().holds_until == now


def test_renamed_limits_keep_what_they_hold_forward_and_backward() -> None:
    before, after = "0024_denied_order_model", "0025_names_of_limits"
    apps = at(before)
    symbol = apps.get_model("trading", "Symbol").objects.create(name="ETHUSDT", base_asset="ETH", quote_asset="USDT")
    old = {"losses_in_a_row": 2, "pause_minutes": 9, "max_trade_age_s": 3, "heeds_gaps": True}
    apps.get_model("trading", "SymbolProtections").objects.create(symbol=symbol, **old)
    apps.get_model("trading", "AccountProtections").objects.create(venue="mock", max_orders_a_minute=7)
    apps.get_model("trading", "Profile").objects.create(name="old", values={**old, "max_exposure": "9"})

    get = at(after).get_model
    new = {"max_consecutive_losses": 2, "cooldown_minutes": 9, "max_price_age_s": 3, "deny_in_gaps": True}
    assert get("trading", "SymbolProtections").objects.values(*new).get() == new
    assert get("trading", "AccountProtections").objects.get().max_orders_per_minute == 7
    assert get("trading", "Profile").objects.get(name="old").values == {**new, "max_exposure": "9"}

    get = at(before).get_model
    assert get("trading", "SymbolProtections").objects.values(*old).get() == old
    assert get("trading", "AccountProtections").objects.get().max_orders_a_minute == 7
    assert get("trading", "Profile").objects.get(name="old").values == {**old, "max_exposure": "9"}


def test_renamed_rules_are_those_of_old_rows_too_forward_and_backward(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = "0025_names_of_limits", "0026_names_of_rules"
    module = import_module(f"trading.migrations.{after}")
    monkeypatch.setattr(module, "BATCH", 2)
    apps, now = at(before), timezone.now()
    trader = old_trader(apps)
    old = [*module.NAMES, "open orders", "reserve"]
    for rule in old:
        apps.get_model("trading", "DeniedOrder").objects.create(
            symbol=trader.symbol, venue="mock", rule=rule, day=now.date(), count=3, last_at=now, denies_until=now
        )
    for by in ["", *old, "full book"]:
        trader.journal.create(decision="denied", kind="DENIED", denied_by=by)

    def names(apps: Any) -> tuple[list[str], list[str]]:
        rows = (apps.get_model("trading", name).objects.order_by("pk") for name in ("DeniedOrder", "JournalEntry"))
        denied, entries = rows
        return list(denied.values_list("rule", flat=True)), list(entries.values_list("denied_by", flat=True))

    new = [module.NAMES.get(rule, rule) for rule in old]
    assert set(new) == set(Rule)
    assert names(at(after)) == (new, ["", *new, "full book"])
    assert names(at(before)) == (old, ["", *old, "full book"])
    # After an interruption it goes on, also where the old version has denied something meanwhile.
    rows = apps.get_model("trading", "DeniedOrder").objects
    rows.filter(rule="gap").update(rule="data gap")
    rows.create(
        symbol_id=trader.symbol_id, venue="mock", rule="gap", day=now.date(), count=2, last_at=now, denies_until=now
    )
    apps = at(after)
    denied = apps.get_model("trading", "DeniedOrder").objects
    assert sorted(denied.values_list("rule", flat=True)) == sorted(new)
    assert denied.get(rule="data gap").count == 5


def test_a_migration_without_a_transaction_makes_no_table_anew() -> None:
    """A kill in the middle would leave half of it behind, which the next try stumbles over."""
    makes_anew = (AddField, RemoveField, AlterField, AddConstraint, RemoveConstraint, RenameField)
    for path in sorted(Path(migrations.__file__ or "").parent.glob("0*.py")):
        migration = import_module(f"trading.migrations.{path.stem}").Migration
        steps = [step for step in migration.operations if type(step) in makes_anew]
        assert migration.atomic or not steps, path.stem


def test_wishes_to_cancel_keep_their_values_forward_and_backward() -> None:
    before, after = "0026_names_of_rules", "0027_names_of_cancels"
    apps = at(before)
    symbol = apps.get_model("trading", "Symbol").objects.create(name="ETHUSDT", base_asset="ETH", quote_asset="USDT")
    apps.get_model("trading", "TradingSettings").objects.create(symbol=symbol, cancels_orders=True)
    apps.get_model("trading", "Switch").objects.update_or_create(pk=1, defaults={"cancels_buys": True})
    get = at(after).get_model
    assert get("trading", "TradingSettings").objects.get().cancel_orders
    assert get("trading", "Switch").objects.get().cancel_buys
    get = at(before).get_model
    assert get("trading", "TradingSettings").objects.get().cancels_orders
    assert get("trading", "Switch").objects.get().cancels_buys


def migrate(name: str) -> None:
    """By the command: it also renames content types and makes permissions."""
    call_command("migrate", "trading", name, verbosity=0)


def test_denied_orders_and_who_may_see_them_survive_the_renaming_of_their_model() -> None:
    before, after = "0023_missing_help_text", "0024_denied_order_model"
    migrate(before)
    apps = MigrationExecutor(connection).loader.project_state([("trading", before)]).apps
    symbol = apps.get_model("trading", "Symbol").objects.create(name="ETHUSDT", base_asset="ETH", quote_asset="USDT")
    now = timezone.now()
    apps.get_model("trading", "HeldBack").objects.create(
        symbol=symbol, venue="mock", rule="gap", day=now.date(), count=3, last_at=now, denies_until=now
    )
    group, user = Group.objects.create(name="auditors"), User.objects.create(username="anna")
    permissions = Permission.objects.filter(content_type__app_label="trading")
    group.permissions.add(permissions.get(codename="view_heldback"))
    user.user_permissions.add(permissions.get(codename="delete_heldback"))

    migrate(after)
    assert DeniedOrder.objects.get().count == 3
    assert list(group.permissions.values_list("codename", "content_type__model", "name")) == [
        ("view_deniedorder", "deniedorder", "Can view denied order")
    ]
    assert User.objects.get().has_perm("trading.delete_deniedorder")
    assert permissions.filter(codename__endswith="_deniedorder").count() == 4
    assert not permissions.filter(codename__endswith="_heldback").exists()

    migrate(before)
    assert group.permissions.get().codename == "view_heldback"
    assert User.objects.get().has_perm("trading.delete_heldback")
    migrate(after)
    assert group.permissions.get().codename == "view_deniedorder"


def test_permissions_of_denied_orders_that_exist_by_both_names_become_one() -> None:
    at("0023_missing_help_text")
    old = Permission.objects.get(codename="view_heldback")
    kind, _ = ContentType.objects.get_or_create(app_label="trading", model="deniedorder")
    new = Permission.objects.create(content_type=kind, codename="view_deniedorder", name="Can view denied order")
    group, user = Group.objects.create(name="auditors"), User.objects.create(username="anna")
    group.permissions.add(old)
    user.user_permissions.add(old)

    migrate("0024_denied_order_model")
    assert [group.permissions.get(), user.user_permissions.get()] == [new, new]
    assert not Permission.objects.filter(codename="view_heldback").exists()


def test_the_model_of_denied_orders_is_renamed_where_there_are_no_permissions_yet() -> None:
    at("0023_missing_help_text")
    Permission.objects.all().delete()
    at("0024_denied_order_model")
    assert not Permission.objects.exists()


def test_cycles_that_have_ended_before_count_in_the_totals() -> None:
    apps = at("0028_open_order_indexes")
    symbol = apps.get_model("trading", "Symbol").objects.create(name="ETHUSDT", base_asset="ETH", quote_asset="USDT")
    now = timezone.now()
    for slot, state, days, profit, unvalued in (
        *(
            (1, "FINISHED", 0, "1.00000001", False),
            (1, "FINISHED", 0, "-2", True),
            (1, "ABANDONED", 30, "0.5", False),
        ),
        *((2, "RETIRED", 1, "0", False), (2, "DUST", 9, "3", False)),
    ):
        apps.get_model("trading", "Trader").objects.create(
            symbol=symbol, venue="mock", slot=slot, state=state, budget=D(100), profit=D(profit),
            has_unvalued_fees=unvalued, finished_at=now - timedelta(days=days),
        )  # fmt: skip
    apps.get_model("trading", "Trader").objects.create(symbol=symbol, venue="mock", slot=1, budget=D(100))
    call_command("migrate", verbosity=0)
    assert totals.differences(Venue.MOCK) == []
    expected = totals.Total(4, 2, 1, D("2.50000001"), D(400), wins=3, losses=1, won=D("4.50000001"))
    assert totals.of_symbol(symbol.pk, Venue.MOCK) == expected


def test_commissions_times_and_strategies_of_ended_cycles_are_counted() -> None:
    apps = at("0032_run_clock")
    symbol = apps.get_model("trading", "Symbol").objects.create(name="ETHUSDT", base_asset="ETH", quote_asset="USDT")
    now = timezone.now()
    trader = apps.get_model("trading", "Trader").objects.create(
        symbol=symbol, venue="mock", slot=1, strategy="trailing", state="FINISHED", budget=D(100), profit=D(2),
        finished_at=now,
    )  # fmt: skip
    for number, (side, commission, asset, worth, ago) in enumerate(
        (("BUY", "0.001", "ETH", None, 90), ("BUY", "0.5", "BNB", "30", 60), ("SELL", "0.25", "USDT", None, 1))
    ):
        order = apps.get_model("trading", "Order").objects.create(
            trader=trader, symbol=symbol, venue="mock", side=side, price=D(3000), quantity=D(1), status="FILLED",
            client_order_id=f"hh-1-{number}", executed=D(1),
        )  # fmt: skip
        apps.get_model("trading", "Fill").objects.create(
            order=order, trade_id=number, price=D(3000), quantity=D(1), quote=D(3000), commission=D(commission),
            commission_asset=asset, commission_quote=worth and D(worth), traded_at=now - timedelta(seconds=ago),
        )  # fmt: skip
    call_command("migrate", verbosity=0)
    row = Trader.objects.get()
    # 0.001 ETH at 3000, 30 for the BNB, 0.25; from the first buy.
    assert (row.fees, row.held_s) == (D("33.25"), 90)
    assert totals.differences(Venue.MOCK) == []
    [(key, total)] = totals.by_strategy(Venue.MOCK).items()
    assert (key, total.held_s, total.fees, total.wins) == (("trailing", "USDT"), 90, D("33.25"), 1)

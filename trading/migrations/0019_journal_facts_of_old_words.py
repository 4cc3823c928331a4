"""Reads the journal's old words one last time: what each line tells, what woke its trader, which fills it booked.

Begun anew after it was interrupted it goes on where it was: a line that has its kind is not read again.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from django.apps.registry import Apps
from django.db import migrations, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# Rows read, and written, at a time.
BATCH = 2_000
# How often it tells how far it is: a small database is done before anybody wonders.
TOLD_EVERY = 100_000

# --- what a line tells ----------------------------------------------------------------------------
# Each in all of the wordings that were ever written.
KINDS = {
    "begins": "BEGAN",
    "started": "BEGAN",
    "waits": "WAITED",
    "waiting": "WAITED",
    "pauses": "PAUSED",
    "paused": "PAUSED",
    "is held back": "DENIED",
    "denied": "DENIED",
    "was refused": "REJECTED",
    "rejected": "REJECTED",
    "was not placed": "NOT_PLACED",
    "not placed": "NOT_PLACED",
    "asks about its order": "UNCLEAR",
    "unconfirmed": "UNCLEAR",
    "can't be booked": "NOT_BOOKED",
    "report dropped": "NOT_BOOKED",
    "failed": "FAILED",
    "asks for a trader beside it": "SLOT_REQUESTED",
    "requests a slot": "SLOT_REQUESTED",
    "is heard": "SLOT_OPENED",
    "slot opened": "SLOT_OPENED",
    "misses a part": "MISSING",
    "goes on without the value of its commissions": "UNVALUED",
    "counts again": "RECOUNTED",
    "profit recalculated": "RECOUNTED",
    "retires": "RETIRED",
    "retired": "RETIRED",
    "is abandoned": "ABANDONED",
    "abandoned": "ABANDONED",
}
KINDS_BY_BEGIN = {
    "orders ": "ORDERED",
    "places ": "ORDERED",
    "adopts ": "ADOPTED",
    "cancels ": "CANCELLED",
    "takes back ": "CANCELLED",
    "makes way with ": "MADE_WAY",
    "lets go of ": "LET_GO",
    "ends: ": "ENDED",
    "values commissions ": "VALUED",
    "commissions of ": "VALUED",
    "can't value ": "UNVALUABLE",
}
# "books BUY partially_filled", "books buy: partially filled", "books buy: filled, 0.1 of 0.1", "buy filled"
BOOKED = re.compile(r"(?:books )?(?:buy|sell):? ([a-z_ ]+?)(?:, [\d.]+ of [\d.]+)?", re.IGNORECASE)
ADOPTED = re.compile(r"the database lacked it: ([a-z ]+?)(?:, [\d.]+ of [\d.]+)?")
# Where nothing told a commission's value, once said in the reason alone.
NO_PRICE = ("there is no ", "no pair of ")
STATUSES = {
    *("SUBMITTING", "NOT_PLACED", "NOT_FOUND", "LET_GO", "PENDING_NEW", "NEW", "PARTIALLY_FILLED", "FILLED"),
    *("CANCELED", "REJECTED", "EXPIRED", "EXPIRED_IN_MATCH"),
}
STATUS_OF = {
    "ORDERED": "SUBMITTING",
    "UNCLEAR": "SUBMITTING",
    "REJECTED": "REJECTED",
    "NOT_PLACED": "NOT_PLACED",
    "LET_GO": "LET_GO",
}
# The mode first: a person's own words stand in its reason.
DENIED_BY = (
    (re.compile(r"(trading is halted|nothing is bought, only sold)\b"), "mode"),
    (re.compile(r"trading is off for |\S+ shuts down$"), "symbol"),
    (re.compile(r"a copy of this installation is alive|bought before the last start"), "copy"),
    (re.compile(r"the exchange's limits leave no room"), "rate limit"),
    (re.compile(r"\S+ lets no more orders of "), "full book"),
    (re.compile(r"it would meet the "), "self-trade"),
    (re.compile(r"\S+ may bind "), "bound"),
    (re.compile(r"no more than \d+ orders? of \S+ may be open"), "open orders"),
    (re.compile(r"\S+ has lost the most of a day"), "day's loss"),
    (re.compile(r"the last (\d+ cycles|cycle) of \S+ ended at a loss"), "losses in a row"),
    (re.compile(r"\S+ has had no trade for "), "old trade"),
    (re.compile(r"trades of \S+ are missing and being fetched"), "gap"),
    (re.compile(r"\S+ \S+ may be bound at "), "exposure"),
    (re.compile(r"\S+ \S+ are to stay free at "), "reserve"),
    (re.compile(r"no more than \d+ orders may go to "), "orders a minute"),
)

# --- what woke the trader -------------------------------------------------------------------------
SOURCES = {
    "report": "REPORT",
    "answer": "ANSWER",
    "query": "QUERY",
    "cancel": "CANCEL",
    "reconciliation": "RECONCILIATION",
    "leader": "LEADER",
    "balance": "QUERY",
    "its task": "TASK",
}
TOLD = re.compile(rf"({'|'.join(SOURCES)}): (.*)", re.DOTALL)
ORDER = re.compile(r"(BUY|SELL) [A-Z_]+(, [\d.]+ of [\d.]+)?")
TRADE = re.compile(r"trade (\d+) at ")
BY_ITSELF = {"trading was resumed", "own buys have made way", "its commissions are valued"}
# A person's wish was once passed on as the leader's.
WISH = " asked it to look again"
# As this version writes them: where its columns were taken away and come again, they are all there is.
BARE = (
    (re.compile(r"(buy|sell) [a-z ]+(, [\d.]+ of [\d.]+)?$"), "REPORT"),
    (re.compile(r"[\d.]+ \S+ free$"), "QUERY"),
    (re.compile(r"(it is time to try again|nobody answered its bell)$"), "LEADER"),
    (re.compile(r"orders of it were found on the exchange$"), "RECONCILIATION"),
)
SOURCE_OF = {
    **dict.fromkeys(("REJECTED", "NOT_PLACED", "UNCLEAR", "VALUED", "UNVALUABLE", "UNVALUED", "DENIED"), "ANSWER"),
    "NOT_BOOKED": "REPORT",
    "FAILED": "TASK",
    "ADOPTED": "RECONCILIATION",
    "BOOKED": "RECONCILIATION",
}
# How much of its order had executed.
EXECUTED = re.compile(r", ([\d.]+) of [\d.]+$")


class Facts(NamedTuple):
    kind: str
    source: str
    status: str
    denied_by: str
    trade_id: int | None
    event: str


def facts_of(event: str, decision: str, reason: str) -> Facts:
    """What the words of a line say."""
    kind, status = _told(decision, reason)
    source, trade_id, text = _woken(event, kind)
    if kind == "CANCELLED" and source == "TRADER":
        kind = "MADE_WAY"
    denied_by = next((by for words, by in DENIED_BY if words.match(reason)), "") if kind == "DENIED" else ""
    return Facts(kind, source, status, denied_by, trade_id, event if kind == "NOTED" else text)


def _told(decision: str, reason: str) -> tuple[str, str]:
    kind = KINDS.get(decision) or next((k for begin, k in KINDS_BY_BEGIN.items() if decision.startswith(begin)), "")
    if kind == "VALUED" and reason.startswith(NO_PRICE):
        kind = "UNVALUABLE"
    booked = BOOKED.fullmatch(decision) if not kind else ADOPTED.fullmatch(reason) if kind == "ADOPTED" else None
    status = booked[1].upper().replace(" ", "_") if booked else STATUS_OF.get(kind, "")
    if status not in STATUSES:
        return kind or "NOTED", ""
    return kind or "BOOKED", status


def _woken(event: str, kind: str) -> tuple[str, int | None, str]:
    if trade := TRADE.match(event):
        return "TRADE", int(trade[1]), event
    if event.startswith("asked for the price: "):
        return "TRADE", None, event
    if event in SOURCES:
        return SOURCES[event], None, ""
    if told := TOLD.fullmatch(event):
        text = told[2].replace("_", " ").lower() if ORDER.fullmatch(told[2]) else told[2]
        return "PERSON" if text.endswith(WISH) else SOURCES[told[1]], None, text
    if event in BY_ITSELF:
        return "TASK", None, event
    if re.fullmatch(r"slot \d+", event):
        return "TRADER", None, event
    if not event:
        return SOURCE_OF.get(kind, "LEADER"), None, ""
    return next((source for words, source in BARE if words.match(event)), "PERSON"), None, event


# --- the rows -------------------------------------------------------------------------------------
def read_words(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    connection = schema_editor.connection
    entries = apps.get_model("trading", "JournalEntry")
    table = connection.ops.quote_name(entries._meta.db_table)
    update = f"UPDATE {table} SET " + ", ".join(f"{name} = %s" for name in Facts._fields) + " WHERE id = %s"
    rows = entries.objects.using(connection.alias).filter(kind="NOTED").order_by("pk")
    for batch in _batches(rows.values_list("pk", "event", "decision", "reason"), entries._meta.db_table):
        _write(connection, update, [(*facts_of(*words), pk) for pk, *words in batch])


def find_fills(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Each fill belongs to the first line of its order that says of so much that it had executed."""
    connection = schema_editor.connection
    model = {name: apps.get_model("trading", name) for name in ("Order", "Fill", "JournalEntry")}
    of = {name: each.objects.using(connection.alias) for name, each in model.items()}
    update = f"UPDATE {connection.ops.quote_name(model['Fill']._meta.db_table)} SET entry_id = %s WHERE id = %s"
    orders = of["Order"].filter(executed__gt=0).order_by("pk").values_list("pk")
    for batch in _batches(orders, model["Fill"]._meta.db_table):
        pks = [pk for (pk,) in batch]
        fills: dict[int, list[tuple[int, Decimal]]] = {pk: [] for pk in pks}
        told: dict[int, list[tuple[int, Decimal]]] = {pk: [] for pk in pks}
        rows = of["Fill"].filter(order__in=pks).order_by("trade_id")
        for pk, order, quantity in rows.values_list("pk", "order", "quantity"):
            fills[order].append((pk, quantity))
        lines = of["JournalEntry"].filter(order__in=pks, kind__in=("BOOKED", "ADOPTED")).order_by("pk")
        for pk, order, *words in lines.values_list("pk", "order", "event", "decision", "reason"):
            executed = [Decimal(found[1]) for text in words if (found := EXECUTED.search(text))]
            told[order] += [(pk, max(executed))] if executed else []
        found = (pair for order in pks for pair in _booked_by(told[order], fills[order]))
        _write(connection, update, list(found))


def _booked_by(told: list[tuple[int, Decimal]], fills: list[tuple[int, Decimal]]) -> Iterator[tuple[int, int]]:
    """Pairs of a line and a fill that it booked."""
    waiting, known = list(fills), Decimal(0)
    for entry, executed in told:
        while waiting and known < executed:
            fill, quantity = waiting.pop(0)
            known += quantity
            yield entry, fill


def _batches(rows: Any, what: str) -> Iterator[list[Any]]:
    """The rows, their pk first and in its order, so many at a time; tells how far they are."""
    last, done = 0, 0
    while batch := list(rows.filter(pk__gt=last)[:BATCH]):
        yield batch
        last = batch[-1][0]
        if done // TOLD_EVERY != (done := done + len(batch)) // TOLD_EVERY:
            sys.stderr.write(f"  {what}: {done:,} rows read\n")


def _write(connection: BaseDatabaseWrapper, update: str, values: Iterable[tuple[Any, ...]]) -> None:
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.executemany(update, values)


class Migration(migrations.Migration):
    # Each batch by itself: ten million lines are too many for one transaction.
    atomic = False

    dependencies = [
        ("trading", "0018_journal_facts"),
    ]

    operations = [
        migrations.RunPython(read_words, migrations.RunPython.noop),
        migrations.RunPython(find_fills, migrations.RunPython.noop),
    ]

"""A compiled query finds what Django's own finds, in each thread, and builds its SQL once."""

import threading
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal as D
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F, Q
from django.test.utils import CaptureQueriesContext

from hedgehog_project.database.compiled import Compiled
from trading.models import Order, Symbol, Trader

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]


@pytest.fixture
def symbols() -> list[Symbol]:
    names = ("ETHUSDT", "BTCUSDT", "ETHBTC")
    return [Symbol.objects.create(name=name, base_asset=name[:3], quote_asset=name[3:]) for name in names]


def traders(symbol: Symbol, count: int) -> list[Trader]:
    return [
        Trader.objects.create(symbol=symbol, venue="mock", slot=slot + 1, budget=D("200.5")) for slot in range(count)
    ]


def by_symbol(symbol: int, venue: str) -> Any:
    rows = Trader.objects.select_related("symbol").annotate(name=F("symbol__name"))
    return rows.filter(symbol=symbol, venue=venue, budget__gt=D("0.5")).order_by("-slot")


def test_rows_are_those_of_the_query_for_each_value(symbols: list[Symbol]) -> None:
    compiled: Compiled[Any] = Compiled(by_symbol, int, str)
    traders(symbols[0], 3)
    traders(symbols[1], 1)
    for symbol in symbols:
        ours, djangos = compiled(symbol.pk, "mock"), list(by_symbol(symbol.pk, "mock"))
        assert ours == djangos
        for mine, theirs in zip(ours, djangos, strict=True):
            assert {key: value for key, value in mine.__dict__.items() if key != "_state"} == {
                key: value for key, value in theirs.__dict__.items() if key != "_state"
            }
            with CaptureQueriesContext(connection) as none:
                assert (mine.symbol.name, mine.name) == (symbol.name, symbol.name)
            assert not none.captured_queries
    assert compiled(symbols[0].pk, "live") == []
    assert compiled.first(symbols[2].pk, "mock") is None
    first = compiled.first(symbols[0].pk, "mock")
    assert first is not None and first.slot == 3


def test_time_is_compared_as_django_compares_it(symbols: list[Symbol]) -> None:
    since: Compiled[Trader] = Compiled(lambda at: Trader.objects.filter(created_at__gte=at).order_by("pk"), datetime)
    whole, parts = datetime(2026, 11, 30, 12, tzinfo=UTC), datetime(2026, 11, 30, 12, 0, 0, 250_000, tzinfo=UTC)
    first, second = traders(symbols[0], 2)
    for trader, at in ((first, whole), (second, parts)):
        Trader.objects.filter(pk=trader.pk).update(created_at=at)
    for at in (whole, whole + timedelta(microseconds=1), parts, parts.astimezone(timezone(timedelta(hours=5)))):
        assert since(at) == list(Trader.objects.filter(created_at__gte=at).order_by("pk"))
    assert since(parts + timedelta(microseconds=1)) == []


def test_each_call_asks_the_database(symbols: list[Symbol]) -> None:
    names = Compiled(lambda: Symbol.objects.order_by("name").values_list("name", flat=True))
    pairs = Compiled(lambda quote: Symbol.objects.filter(quote_asset=quote).values_list("name", "base_asset"), str)
    assert names() == ["BTCUSDT", "ETHBTC", "ETHUSDT"]
    assert pairs("BTC") == [("ETHBTC", "ETH")]
    symbols[0].delete()
    with CaptureQueriesContext(connection) as asked:
        assert names() == ["BTCUSDT", "ETHBTC"]
    assert len(asked) == 1


def test_a_value_that_stands_twice_is_given_twice(symbols: list[Symbol]) -> None:
    either = Compiled(
        lambda asset: Symbol.objects.filter(Q(base_asset=asset) | Q(quote_asset=asset)).order_by("id"), str
    )
    assert either("BTC") == [symbols[1], symbols[2]]


def test_threads_have_their_own(symbols: list[Symbol]) -> None:
    named = Compiled(lambda name: Symbol.objects.filter(name=name), str)
    assert named("ETHBTC") == [symbols[2]]
    found: list[list[Symbol]] = []

    def ask() -> None:
        found.extend(named(name) for name in ("ETHUSDT", "BTCUSDT"))
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(row.pk for (row,) in found) == sorted([symbols[0].pk, symbols[1].pk] * 3)


def test_a_value_that_the_query_changes_is_refused(symbols: list[Symbol]) -> None:
    changed = Compiled(lambda price: Order.objects.filter(price=price), int)
    with pytest.raises(ValueError, match="a value is changed or lost"):
        changed(3000)
    lost = Compiled(lambda name: Symbol.objects.all(), str)
    with pytest.raises(ValueError, match="a value is changed or lost"):
        lost("ETHUSDT")


def test_a_lock_is_taken_in_transactions_only(symbols: list[Symbol]) -> None:
    locked = Compiled(lambda pk: Symbol.objects.select_for_update().filter(pk=pk), int)
    for _ in range(2):
        with transaction.atomic(), CaptureQueriesContext(connection) as asked:
            assert locked(symbols[0].pk) == [symbols[0]]
        if connection.features.has_select_for_update:
            assert asked.captured_queries[0]["sql"].endswith("FOR UPDATE")
            with pytest.raises(transaction.TransactionManagementError):
                locked(symbols[0].pk)


def test_it_goes_on_over_a_new_connection(symbols: list[Symbol]) -> None:
    named = Compiled(lambda name: Symbol.objects.filter(name=name), str)
    assert named("ETHBTC") == [symbols[2]]
    if connection.vendor == "postgresql":  # The database in memory would be gone.
        connection.close()
    assert named("ETHUSDT") == [symbols[0]]


def test_as_many_values_as_the_query_takes() -> None:
    named = Compiled(lambda name: Symbol.objects.filter(name=name), str)
    with pytest.raises(TypeError, match="1 values are expected, not 2"):
        named("ETHUSDT", "BTCUSDT")

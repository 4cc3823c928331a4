"""What is written by ready SQL is what Django would have written."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hedgehog_project.database.writing import insert, update
from hedgehog_project.venues import Venue
from trading.models import Symbol, Trader
from trading.symbols.listings import named

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


@pytest.fixture
def symbol() -> Symbol:
    return named("ETHUSDT")


def new(symbol: Symbol, slot: int = 1) -> Trader:
    return Trader(
        symbol=symbol,
        venue=Venue.MOCK,
        slot=slot,
        budget=Decimal("92233720368.54775807"),
        strategy_settings={"a": "1", "b": ""},
        wake_below=Decimal("0.00000001"),
        retry_at=timezone.now() + timedelta(seconds=5),
        waits_for="50 % of “it”",
    )


def values(trader: Trader) -> dict[str, object]:
    return {field.attname: getattr(trader, field.attname) for field in trader._meta.concrete_fields}


def test_a_new_row_is_stored_as_it_is(symbol: Symbol) -> None:
    ours, djangos = new(symbol), new(symbol, slot=2)
    with CaptureQueriesContext(connection) as asked:
        insert(ours)
    assert len(asked) == 1
    djangos.save(force_insert=True)
    assert ours.pk and not ours._state.adding
    stored, compared = Trader.objects.get(pk=ours.pk), Trader.objects.get(pk=djangos.pk)
    assert values(stored) == values(ours)
    own = {"id", "slot", "created_at", "retry_at"}
    assert {n: v for n, v in values(stored).items() if n not in own} == {
        n: v for n, v in values(compared).items() if n not in own
    }


def test_a_change_writes_the_named_columns_alone(symbol: Symbol) -> None:
    trader = new(symbol)
    insert(trader)
    Trader.objects.filter(pk=trader.pk).update(error="somebody else's")
    trader.error, trader.version, trader.memory, trader.wake_below = "mine", 7, {"c": "2"}, None
    update(trader, ("version", "memory", "wake_below"))
    stored = Trader.objects.get(pk=trader.pk)
    assert (stored.version, stored.memory, stored.wake_below) == (7, {"c": "2"}, None)
    assert stored.error == "somebody else's"


def test_a_row_that_is_gone_is_no_success(symbol: Symbol) -> None:
    trader = new(symbol)
    insert(trader)
    Trader.objects.filter(pk=trader.pk).delete()
    with pytest.raises(DatabaseError, match="is gone"):
        update(trader, ("version",))


def test_constraints_hold(symbol: Symbol) -> None:
    insert(new(symbol))
    with pytest.raises(IntegrityError), transaction.atomic():
        insert(new(symbol))


def test_what_can_not_be_kept_exactly_is_refused(symbol: Symbol) -> None:
    trader = new(symbol)
    trader.budget = Decimal("0.123456789")
    with pytest.raises(ValueError, match="more than 8 decimals"):
        insert(trader)

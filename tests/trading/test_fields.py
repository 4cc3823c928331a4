"""Money in the database: exact to the last of 18 digits, on SQLite and on PostgreSQL."""

from decimal import Decimal as D

import pytest
from django.core.exceptions import ValidationError
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trading.models import Symbol, TradingSettings
from trading.models.fields import MAX, AmountField, from_units, to_units

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


def kept(value: D) -> D:
    row, _ = TradingSettings.objects.update_or_create(
        symbol=Symbol.objects.get_or_create(name="ETHUSDT")[0], defaults={"budget": value}
    )
    budget: D = TradingSettings.objects.get(pk=row.pk).budget
    return budget


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.decimals(D("0.00000001"), MAX, places=8))
def test_any_amount_comes_back_as_it_went_in(value: D) -> None:
    assert kept(value) == value
    assert TradingSettings.objects.filter(budget=value).exists()


def test_eighteen_digits_survive_and_sum_exactly() -> None:
    value = D("1234567890.12345678")
    assert kept(value) == value
    TradingSettings.objects.create(symbol=Symbol.objects.create(name="X"), budget=D("0.00000001"))
    assert TradingSettings.objects.aggregate(total=Sum("budget"))["total"] == D("1234567890.12345679")
    assert list(TradingSettings.objects.filter(budget__gt=D("0.00000001"))) != []


@pytest.mark.parametrize("value", [D("0.000000001"), MAX + 1, D("NaN"), D("Infinity")])
def test_what_can_not_be_kept_exactly_is_refused(value: D) -> None:
    with pytest.raises(ValueError, match=r"decimals|range|cannot be stored"):
        to_units(value)
    with pytest.raises(ValidationError):
        AmountField().clean(value, None)


@pytest.mark.parametrize("value", [0.1, "abc", "", object()])
def test_what_is_no_decimal_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        AmountField().to_python(value)


@pytest.mark.parametrize(("units", "text"), [(0, "0"), (150000000, "1.5"), (10**10, "100"), (1, "0.00000001")])
def test_amounts_read_as_plain_numbers(units: int, text: str) -> None:
    assert format(from_units(units), "f") == text

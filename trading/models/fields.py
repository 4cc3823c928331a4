"""Money in the database, exact on SQLite and PostgreSQL alike."""

from decimal import Context, Decimal, Inexact
from typing import Any

from django import forms
from django.core import exceptions
from django.core.validators import BaseValidator
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Value
from django.db.models.expressions import Combinable, Expression
from django.db.models.sql.compiler import SQLCompiler

PLACES = 8
UNIT = Decimal(1).scaleb(-PLACES)
MAX = Decimal(2**63 - 1) * UNIT
# Wide enough that nothing of 64 bits is ever rounded; what would be rounded is an error instead.
_EXACT = Context(prec=40, traps=[Inexact])


def to_units(value: Decimal) -> int:
    """The amount in units of 1e-8. Raises ValueError for more than 8 decimals or more than 64 bits."""
    if not value.is_finite():
        raise ValueError(f"{value} cannot be stored")
    units = value.scaleb(PLACES, _EXACT)
    if units != units.to_integral_value():
        raise ValueError(f"{value} has more than {PLACES} decimals")
    if abs(units) >= 2**63:
        raise ValueError(f"{value} is out of range (64 bits of 1e-8)")
    return int(units)


def from_units(units: int) -> Decimal:
    """The amount as a plain Decimal without trailing zeros: 150000000 -> 1.5."""
    value = Decimal(units).scaleb(-PLACES, _EXACT)
    whole = value.to_integral_value()
    return whole if value == whole else value.normalize(_EXACT)


class FiniteField(forms.DecimalField):
    """A form's number. Django compares what was sent before it asks whether it is one: sNaN can't be compared."""

    def to_python(self, value: Any) -> Any:
        found: Any = super().to_python(value)
        if found is not None and not found.is_finite():
            raise exceptions.ValidationError(self.error_messages["invalid"], code="invalid")
        return found


class AmountField(models.Field):
    """A Decimal with 8 decimals, kept as a 64-bit integer of 1e-8 units: Binance's own range.

    SQLite has no decimals: a DecimalField changes values of more than 15 digits there. Sums are exact in SQL;
    products of two amounts are not amounts, compute those in Python.
    """

    description = "Exact amount with 8 decimals"
    _pyi_private_set_type: Decimal
    _pyi_private_get_type: Decimal

    def get_internal_type(self) -> str:
        return "BigIntegerField"

    def from_db_value(self, value: Any, expression: Expression, connection: BaseDatabaseWrapper) -> Decimal | None:
        return None if value is None else from_units(int(value))

    def to_python(self, value: Any) -> Any:
        if value is None or isinstance(value, Decimal):
            return value
        try:
            # A float has no place here: 0.1 is not 0.1.
            if isinstance(value, float):
                raise ValueError("a float is not an amount")
            return Decimal(str(value))
        except (ArithmeticError, ValueError):
            raise exceptions.ValidationError("“%(value)s” is not a number.", params={"value": value}) from None

    def get_prep_value(self, value: Any) -> Any:
        if value is None or isinstance(value, Combinable):
            return value
        return to_units(self.to_python(value))

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        units = super().get_db_prep_value(value, connection, prepared)
        # PostgreSQL is told that it has 64 bits: one query would else be prepared for each size of its amounts.
        return connection.ops.adapt_integerfield_value(units, "BigIntegerField")

    def run_validators(self, value: Any) -> None:
        if value is not None:
            try:
                to_units(value)
            except ValueError as error:
                raise exceptions.ValidationError(f"{error}.") from None
        super().run_validators(value)

    def value_to_string(self, obj: models.Model) -> str:
        value = self.value_from_object(obj)
        return "" if value is None else format(value, "f")

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": FiniteField, "decimal_places": PLACES, **kwargs})


@AmountField.register_lookup
class IsPositive(models.Lookup):
    """`missing__is_positive=True`: in the words of the partial index, which is not found by a value: see IsOpen."""

    lookup_name = "is_positive"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        sql, params = self.process_lhs(compiler, connection)
        return f"{sql} {'>' if self.rhs else '<='} 0", params


class Above(BaseValidator):
    """Refuses amounts that are not above the limit."""

    message = "Must be above %(limit_value)s."
    code = "above"

    def compare(self, a: Any, b: Any) -> bool:
        return bool(a <= b)


class Below(BaseValidator):
    """Refuses amounts that are not below the limit."""

    message = "Must be below %(limit_value)s."
    code = "below"

    def compare(self, a: Any, b: Any) -> bool:
        return bool(a >= b)


NOTHING = Value(Decimal(0), output_field=AmountField())

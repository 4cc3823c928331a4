"""A fraction that people write in per cent."""

from decimal import Decimal
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from trading.core.money import plain
from trading.models.fields import PLACES, FiniteField


class PercentField(FiniteField):
    """Per cent in the form, the exact fraction in Python: "0.05" is Decimal("0.0005")."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        return plain(value.scaleb(2)) if isinstance(value, Decimal) else value

    def to_python(self, value: Any) -> Any:
        percent = super().to_python(str(value).strip().removesuffix("%") if value is not None else None)
        if percent is None:
            return None
        exponent = percent.normalize().as_tuple().exponent
        if isinstance(exponent, int) and -exponent > PLACES - 2:
            raise forms.ValidationError(f"Max {PLACES - 2} decimal places.")
        return percent.scaleb(-2)

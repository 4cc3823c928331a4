"""The forms of symbols and their settings. Intervals are fractions in the database and per cent for people."""

from decimal import Decimal
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from trading.admin.percent import PercentField
from trading.core.money import plain
from trading.models import TradingSettings
from trading.models.fields import PLACES, Above
from trading.models.symbols import Sizing


class AmountInput(forms.DecimalField):
    """A Decimal that is shown as people write it: never 1E-8."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        return plain(value) if isinstance(value, Decimal) else value


class PercentInput(AmountInput):
    """Per cent in the form, the exact fraction in Python: "0.05" is Decimal("0.0005")."""

    def __init__(self, *, less_than: Decimal, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._less_than = less_than

    def prepare_value(self, value: Any) -> Any:
        return plain(value.scaleb(2)) if isinstance(value, Decimal) else value

    def to_python(self, value: Any) -> Any:
        text = str(value).strip().removesuffix("%") if value is not None else None
        percent = super().to_python(text)
        if percent is None:
            return None
        exponent = percent.normalize().as_tuple().exponent
        if isinstance(exponent, int) and -exponent > PLACES - 2:
            raise forms.ValidationError(f"At most {PLACES - 2} decimals.")
        return percent.scaleb(-2)

    def validate(self, value: Any) -> None:
        super().validate(value)
        if value is not None and not 0 < value < self._less_than:
            raise forms.ValidationError(f"Must be above 0 % and below {plain(self._less_than.scaleb(2))} %.")


class TradingSettingsForm(forms.ModelForm):
    """Trading itself is turned on and off by its button, which also sees to the prices."""

    budget = AmountInput(
        decimal_places=PLACES,
        validators=[Above(Decimal(0)), MaxValueValidator(Decimal("9e10"))],
        help_text="In the quote asset, for all traders of the symbol together.",
    )
    # Left out, it stays what it is.
    sizing = forms.ChoiceField(
        label="Traders share", choices=Sizing.choices, required=False, widget=UnfoldAdminSelectWidget
    )
    balance_share = PercentField(
        label="Share of the balance, %",
        required=False,
        help_text="Of what is free of the quote asset and what the symbol has bound: 10 means 10 %.",
    )
    buy_down_interval = PercentInput(
        label="Buy down interval, %",
        less_than=Decimal("0.5"),
        help_text="How far under the market to buy: 0.05 means 0.05 %.",
    )
    profit_interval = PercentInput(
        label="Profit interval, %",
        less_than=Decimal(1),
        help_text="The profit wanted after both commissions: 0.05 means 0.05 %.",
    )

    class Meta:
        model = TradingSettings
        fields = ("chunks", "budget", "sizing", "balance_share", "compounds", "buy_down_interval", "profit_interval")


class AddSymbolForm(forms.Form):
    """The name of a symbol; the exchange is asked for the rest."""

    name = forms.CharField(
        max_length=32,
        label="Symbol",
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "ETHUSDT", "autofocus": True}),
        help_text="As the exchange writes it, without a slash.",
    )

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].strip().upper()
        if not name.isascii() or not name.isalnum():
            raise forms.ValidationError("A symbol is letters and digits only, such as ETHUSDT.")
        return name

"""The forms of symbols and their settings. Intervals are fractions in the database and per cent for people."""

from decimal import Decimal
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from console.admin.percent import PercentField
from console.admin.strategy_form import StrategyForm, shared_field
from trading.core.money import plain
from trading.models import TradingSettings
from trading.models.fields import PLACES, Above, FiniteField
from trading.models.symbols import MAX_SLOTS, Sizing, Slots


class AmountInput(FiniteField):
    """A Decimal that is shown as people write it: never 1E-8."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        return plain(value) if isinstance(value, Decimal) else value


class TradingSettingsForm(StrategyForm):
    """Trading itself is turned on and off by its button, which also sees to the prices."""

    budget = AmountInput(
        decimal_places=PLACES,
        validators=[Above(Decimal(0)), MaxValueValidator(Decimal("9e10"))],
        help_text="In the quote asset, split among the slots of the symbol: the order size is budget / max slots.",
        error_messages={"max_value": "Must be at most 90000000000."},
    )
    # Left out, it stays what it is.
    sizing = forms.ChoiceField(
        label="Position sizing", choices=Sizing.choices, required=False, widget=UnfoldAdminSelectWidget
    )
    # Left out, it stays what it is.
    balance_share = PercentField(
        label="Share of balance, %",
        required=False,
        help_text="Of the free quote balance plus the symbol's own exposure. 10 means 10 %.",
        # Django fills in the bound, which these do not name.
        error_messages=dict.fromkeys(("above", "max_value"), "Must be above 0 %% and at most 100 %%."),
    )
    # Left out, it stays what it is.
    slots = forms.ChoiceField(
        label="Slots buy",
        choices=Slots.choices,
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Step by step: only a ladder step below the lowest price that another slot holds. All together: at "
        "one price; nothing is left for the next fall.",
    )
    buy_down_interval = shared_field("buy_down_interval")
    profit_interval = shared_field("profit_interval")
    rebuy_interval = shared_field("rebuy_interval")
    retarget_interval = shared_field("retarget_interval")
    stop_loss_interval = shared_field("stop_loss_interval")
    trailing_stop_interval = shared_field("trailing_stop_interval")
    exit_slippage = shared_field("exit_slippage")

    def clean_sizing(self) -> str:
        return self.cleaned_data["sizing"] or self.instance.sizing

    def clean_slots(self) -> str:
        return self.cleaned_data["slots"] or self.instance.slots

    def clean_balance_share(self) -> Decimal:
        share: Decimal | None = self.cleaned_data["balance_share"]
        return self.instance.balance_share if share is None else share

    class Meta:
        model = TradingSettings
        fields = (
            "max_slots",
            "budget",
            "sizing",
            "balance_share",
            "compounds",
            "strategy",
            "slots",
        )
        error_messages = {
            "max_slots": dict.fromkeys(("min_value", "max_value"), f"Must be at least 1 and at most {MAX_SLOTS}.")
        }


class AddSymbolForm(forms.Form):
    """The name of a symbol; the exchange is asked for the rest."""

    name = forms.CharField(
        max_length=32,
        label="Symbol",
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "ETHUSDT", "autofocus": True}),
        help_text="As on the exchange, without a slash.",
    )

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].strip().upper()
        if not name.isascii() or not name.isalnum():
            raise forms.ValidationError("Use letters and digits only, for example ETHUSDT.")
        return name

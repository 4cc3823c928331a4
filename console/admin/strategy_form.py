"""The form of a strategy's settings: made from what its typed settings say of themselves.

TradingSettings.strategy_settings keeps all of them. Those of the strategy that symbols begin with (a profit, a rebuy)
have one field each, shared by all strategies that read them. Others have a field for each strategy, named
`{strategy}__{setting}`.
"""

from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import StackedInline
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from trading.core.money import plain
from trading.strategies.registry import COMMON, about, known
from trading.strategies.typed import BadSettings, Typed, from_texts, text_of, typed


class SettingInput(forms.Field):
    """One setting as people write it: a fraction in per cent, nothing for None."""

    widget = UnfoldAdminTextInputWidget

    def __init__(self, setting: Typed, **kwargs: Any) -> None:
        super().__init__(**{**_words(setting), "required": not setting.is_optional, **kwargs})
        self.setting = setting

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, Decimal):
            return value
        return plain(value.scaleb(2) if self.setting.is_percent else value)

    def to_python(self, value: Any) -> Any:
        text = "" if value is None else str(value).strip()
        if self.setting.is_percent:
            text = text.removesuffix("%").rstrip()
        try:
            number = self.setting.value(text)
            if isinstance(number, Decimal) and not number.is_finite():
                raise ValueError
        except ValueError:
            raise forms.ValidationError(
                "Enter a whole number." if self.setting.kind is int else "Enter a number."
            ) from None
        return number.scaleb(-2) if self.setting.is_percent and isinstance(number, Decimal) else number

    def validate(self, value: Any) -> None:
        super().validate(value)
        problem = self.setting.problem(value) if value is not None else None
        if problem:
            raise forms.ValidationError(problem)


def field_of(setting: Typed) -> forms.Field:
    if setting.kind is bool:
        return forms.BooleanField(required=False, widget=UnfoldBooleanSwitchWidget, **_words(setting))
    return SettingInput(setting)


def shared_field(name: str) -> forms.Field:
    """The field of a setting that strategies share. It needs no user's module, which may hang when it is imported:
    every process imports the admin.
    """
    return field_of(COMMON[name])


def own_fields() -> dict[str, forms.Field]:
    """A field for each setting that is not shared."""
    return {
        own_name(name, setting): field_of(setting)
        for name, strategy in known().strategies.items()
        for setting in typed(strategy.Settings)
        if setting.name not in COMMON
    }


def own_name(strategy: str, setting: Typed) -> str:
    return f"{strategy}__{setting.name}"


def with_a_ladder() -> list[str]:
    """The strategies whose slots can keep a distance."""
    return [
        name
        for name, strategy in known().strategies.items()
        if any(setting.name == "rebuy_interval" for setting in typed(strategy.Settings))
    ]


def strategy_choices() -> list[tuple[str, str]]:
    return [(name, name) for name in known().strategies]


class StrategyForm(forms.ModelForm):
    """Chooses a strategy and fills in what that one reads. Its fields are those that its class was made with."""

    # Left out, it stays what it is.
    strategy = forms.ChoiceField(choices=strategy_choices, required=False, widget=UnfoldAdminSelectWidget)

    class Media:
        js = ("trading/strategy.js", "trading/ladder.js")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = self.instance.strategy
        field = self.fields["strategy"]
        field.help_text = _abouts()
        if chosen not in known().strategies:
            field.choices = [(chosen, f"{chosen} (not installed)"), *strategy_choices()]  # type: ignore[attr-defined]
        readers: dict[str, list[str]] = {}
        # The chosen one last: what it shares with others is shown as it reads that.
        for name in sorted(known().strategies, key=lambda name: name == chosen):
            for its, setting in self._read_by(name).items():
                readers.setdefault(its, []).append(name)
                self.initial[its] = _kept(setting, self.instance.strategy_settings)
        if "slots" in self.fields:
            readers["slots"] = with_a_ladder()
        for its, names in readers.items():
            self.fields[its].widget.attrs["data-strategies"] = " ".join(
                name for name in known().strategies if name in names
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        chosen = cleaned.get("strategy") or self.instance.strategy
        if chosen not in known().strategies:
            return cleaned  # It stays what it is; the symbol's page says what is wrong with it.
        read = self._read_by(chosen)
        # What nobody sees and nobody reads can't be wrong.
        for its in self.fields.keys() & (COMMON.keys() | own_fields().keys()) - read.keys():
            self.errors.pop(its, None)
        values = {setting.name: cleaned[its] for its, setting in read.items() if its in cleaned}
        texts = {name: text_of(value) for name, value in values.items()}
        try:
            from_texts(known().strategies[chosen].Settings, texts)
        except BadSettings as error:
            named = {setting.name: its for its, setting in read.items()}
            for name, problem in error.problems.items():
                its = named.get(name, "strategy")
                if its not in self.errors:
                    self.add_error(its, problem)
        # Before the model's own validation, which looks at all settings together.
        self.instance.give(values)
        return cleaned

    def _read_by(self, strategy: str) -> dict[str, Typed]:
        """The settings that a strategy reads, by the names of their fields here."""
        settings = typed(known().strategies[strategy].Settings)
        named = {each.name if each.name in self.fields else own_name(strategy, each): each for each in settings}
        return {its: setting for its, setting in named.items() if its in self.fields}


class StrategyInline(StackedInline):
    """An inline of StrategyForm, whose last rows are the fields of the strategies' own settings."""

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        own = list(own_fields())
        return [*(self.fields or ()), *(tuple(own[first : first + 2]) for first in range(0, len(own), 2))]

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        form = type(self.form.__name__, (self.form,), {**own_fields(), "__module__": __name__})
        return super().get_formset(request, obj, **{"form": form, **kwargs})


def _words(setting: Typed) -> dict[str, Any]:
    help_text = setting.help
    if setting.is_optional and "empty" not in help_text.lower():
        help_text = f"{help_text} Empty: off.".strip()
    return {"label": f"{setting.label}, %" if setting.is_percent else setting.label, "help_text": help_text}


def _kept(setting: Typed, texts: dict[str, str]) -> Any:
    """What is kept of a setting; its default where nothing is, or nothing that it can be."""
    try:
        return setting.value(str(texts[setting.name])) if setting.name in texts else setting.default
    except ValueError:
        return setting.default


def _abouts() -> SafeString:
    lines = ((name, about(strategy)) for name, strategy in known().strategies.items())
    return format_html("{}", format_html_join("", '<span data-strategies="{}">{}</span>', lines))

"""Forms that change some of a symbol's settings and risk limits and leave the others: for many, for profiles."""

from copy import deepcopy
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from console.admin.forms import AmountInput, TradingSettingsForm
from trading.models import Profile
from trading.models.fields import AmountField
from trading.symbols import profiles

AS_IT_IS = "unchanged"


class SomeSettings(forms.Form):
    """A field for each setting, none of which must be filled in. `settings` has those that are, once it is valid."""

    empty = forms.MultipleChoiceField(
        label="Clear",
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="A cleared setting is turned off.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        last = self.fields.pop("empty")
        self.fields |= _setting_fields()
        can_be_empty = [name for name, each in profiles.changeable().items() if each.can_be_empty]
        last.choices = [(name, self.fields[name].label) for name in can_be_empty]  # type: ignore[attr-defined]
        if can_be_empty:
            self.fields["empty"] = last

    @property
    def groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        """The fields under their headings, as a page shows them."""
        limits = profiles.protecting()
        settings = profiles.changeable().keys() - limits
        others = self.fields.keys() - settings - limits - {"empty"}
        parts = (
            ("", others),
            ("Strategy settings (from the next cycle)", settings),
            ("Risk limits (effective immediately; they deny buys, never exits)", limits),
            ("", {"empty"}),
        )
        return [(heading, [field for field in self if field.name in names]) for heading, names in parts]

    @property
    def settings(self) -> dict[str, Any]:
        names = [name for name in profiles.changeable() if self.cleaned_data.get(name) not in (None, "")]
        return {name: self.cleaned_data[name] for name in names} | dict.fromkeys(self.cleaned_data.get("empty", ()))

    def clean(self) -> dict[str, Any]:
        for name in self.cleaned_data.get("empty", ()):
            if self.cleaned_data.get(name) is not None:
                self.add_error(name, "Enter a value or clear the field, not both.")
        for name, value in self.settings.items():
            try:
                # The bounds that a single symbol's form has from its rows.
                profiles.changeable()[name].clean(value)
            except ValidationError as error:
                words = self.fields[name].error_messages
                for each in error.error_list:
                    # As a form of the rows would say it, which Django does by itself.
                    each.message = words.get(each.code or "", each.message)
                self.add_error(name, error)
        return self.cleaned_data


class ChangeSettingsForm(SomeSettings):
    """What many symbols shall have from their next cycle on: a profile, and what is filled in weighs more."""

    profile = forms.ModelChoiceField(
        Profile.objects.all(), required=False, empty_label="none", widget=UnfoldAdminSelectWidget
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        profile = cleaned.get("profile")
        if not self.errors and not profile and not self.settings:
            raise ValidationError("Change at least one field or choose a profile.")
        if profile:
            cleaned["of_profile"] = profiles.values_of(profile)
        return cleaned

    @property
    def values(self) -> dict[str, Any]:
        return self.cleaned_data.get("of_profile", {}) | self.settings

    @property
    def noted_profile(self) -> Profile | None:
        """What the symbols are shown to have: none where something else weighs more."""
        return None if self.settings else self.cleaned_data["profile"]


class ProfileForm(SomeSettings):
    """A profile, with the settings that it names."""

    name = forms.SlugField(
        max_length=32, widget=UnfoldAdminTextInputWidget, help_text="A short name, for example careful."
    )
    about = forms.CharField(max_length=200, required=False, widget=UnfoldAdminTextInputWidget)

    def __init__(self, *args: Any, instance: Profile, **kwargs: Any) -> None:
        self.instance = instance
        values = profiles.values_of(instance)
        initial = {"name": instance.name, "about": instance.about, **values}
        initial["empty"] = [name for name, value in values.items() if value is None]
        super().__init__(*args, initial=initial, **kwargs)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors and not self.settings:
            raise ValidationError("Nothing is set: fill in at least one setting.")
        return cleaned

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if Profile.objects.filter(name=name).exclude(pk=self.instance.pk).exists():
            raise ValidationError(f"A profile named {name} already exists.")
        return name

    def save(self) -> Profile:
        self.instance.name, self.instance.about = self.cleaned_data["name"], self.cleaned_data["about"]
        self.instance.values = profiles.as_text(self.settings)
        self.instance.save()
        return self.instance


def _setting_fields() -> dict[str, forms.Field]:
    """Those of one symbol's page in its order, then what else there is."""
    known = profiles.changeable()
    ordered = dict.fromkeys((*TradingSettingsForm.base_fields, *known))
    return {name: _field(name, known[name]) for name in ordered if name in known}


def _field(name: str, setting: profiles.Changeable) -> forms.Field:
    known, column = TradingSettingsForm.base_fields.get(name), setting.column
    if known is None and column is not None:
        is_amount = isinstance(column, AmountField)
        known = column.formfield(form_class=AmountInput) if is_amount else column.formfield()
    assert known is not None, f"{name} has no field in a form"
    label, help_text = known.label or setting.label.capitalize(), known.help_text
    if isinstance(known, forms.BooleanField):
        return _choice(label, help_text, [("True", "yes"), ("False", "no")], lambda text: text == "True")
    if isinstance(known, forms.ChoiceField):
        choices = [choice for choice in known.choices if choice[0]]  # type: ignore[union-attr, index]
        return _choice(label, help_text, choices, str)
    found = deepcopy(known)
    found.required, found.initial, found.label = False, None, label
    found.widget = UnfoldAdminTextInputWidget(attrs={"placeholder": AS_IT_IS})
    return found


def _choice(label: Any, help_text: Any, choices: list[Any], coerce: Any) -> forms.Field:
    return forms.TypedChoiceField(
        label=label,
        help_text=help_text,
        choices=[("", AS_IT_IS), *choices],
        coerce=coerce,
        empty_value=None,
        required=False,
        widget=UnfoldAdminSelectWidget,
    )

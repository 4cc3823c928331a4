"""Profiles in the admin: named settings to be applied to many symbols, from the list of symbols."""

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import display

from console.admin import show
from console.admin.base import PlainTitle
from console.admin.changing import ProfileForm
from trading.core.money import plain
from trading.models import Profile
from trading.strategies.registry import COMMON
from trading.symbols import profiles


@admin.register(Profile)
class ProfileAdmin(PlainTitle):
    list_display = ("name", "about", "sets", "symbols_shown")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).annotate(symbols=Count("applied_to"))

    @display(description="Settings")
    def sets(self, profile: Profile) -> str:
        return (
            ", ".join(f"{_label(name)} {_text(name, value)}" for name, value in profile.values.items()) or show.NONE
        )

    @display(description="Symbols", ordering="symbols")
    def symbols_shown(self, profile: Any) -> SafeString | str:
        if not profile.symbols:
            return "0"
        url = f"{reverse('admin:trading_symbol_changelist')}?settings__profile__id__exact={profile.pk}"
        return show.link(url, profile.symbols)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._edit(request, Profile(), "Add a profile")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        profile = self.get_object(request, unquote(object_id))
        if profile is None:
            return HttpResponseRedirect(reverse("admin:trading_profile_changelist"))
        if not self.has_change_permission(request, profile):
            raise PermissionDenied
        return self._edit(request, profile, f"Profile {profile}")

    def _edit(self, request: HttpRequest, profile: Profile, title: str) -> HttpResponse:
        form = ProfileForm(request.POST or None, instance=profile)
        if request.method == "POST" and form.is_valid():
            is_new = profile.pk is None
            saved = form.save()
            if is_new:
                self.log_addition(request, saved, "Added.")
            elif form.has_changed():
                self.log_change(request, saved, "Changed.")
            self.message_user(request, f"{saved} saved. Symbols do not change until you apply the profile.")
            return HttpResponseRedirect(reverse("admin:trading_profile_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "form": form,
            "words": "Unchanged fields are not touched when the profile is applied. To apply it, select symbols in "
            "their list and choose “Change settings…”.",
            "button": "Save",
        }
        return TemplateResponse(request, "trading/change_settings.html", context)


def _label(name: str) -> str:
    """As the form calls it, within a sentence."""
    if name in COMMON:
        return COMMON[name].label.lower()
    setting = profiles.changeable().get(name)
    return setting.label if setting and setting.column else name.replace("_", " ")


def _text(name: str, value: Any) -> str:
    if value is None:
        return "off"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name in COMMON:
        return COMMON[name].shown(COMMON[name].value(str(value)))
    if name.endswith("_share"):
        return show.percent(Decimal(value))
    return plain(value) if hasattr(value, "normalize") else str(value)

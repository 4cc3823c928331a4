"""What the admin's pages of our own records have in common."""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db.models import Model, QuerySet
from django.forms import BoundField, ModelChoiceField, PasswordInput
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter

from console.admin import saved_filters
from hedgehog_project.venues import Venue, mock_world
from trading.models import Balance


class PlainTitle(ModelAdmin):
    """Its list is titled by the plural alone, keeps filters by name, and says sums of its page."""

    # Whether the list in a browser asks for itself anew every few seconds: static/trading/lists.js.
    refreshes = False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        changelist.title = capfirst(str(self.opts.verbose_name_plural))
        changelist.sums = self.sums(changelist.result_list)
        return changelist

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        has_filters = bool(self.list_filter or self.search_fields)
        saved = saved_filters.of_list(request, self.opts) if has_filters else {}
        return super().changelist_view(request, {**saved, **(extra_context or {})})

    def sums(self, rows: Iterable[Any]) -> list[tuple[str, SafeString]]:
        """What the rows of the page come to, each with its name; nothing where a sum means nothing."""
        return []


class PlainHistory(PlainTitle):
    """Its history tells of changes only, from what to what: a page that was saved as it stood is none."""

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        if add:
            return super().construct_change_message(request, form, formsets, add)
        forms = [form, *(each for formset in formsets or () for each in formset.forms)]
        # A form of a password calls what it changes by another name than its fields'.
        named = [(each, name) for each in forms for name in each.changed_data if name in each.fields]
        changes = [_change(each[name], each.cleaned_data.get(name)) for each, name in named]
        return "; ".join(changes) or super().construct_change_message(request, form, formsets, add)

    def log_change(self, request: HttpRequest, object: Any, message: Any) -> LogEntry:
        # One that nobody keeps.
        return super().log_change(request, object, message) if message else LogEntry()


def _change(field: BoundField, value: Any) -> str:
    if isinstance(field.field.widget, PasswordInput) or "password" in field.name:
        return f"{field.label} changed"
    return f"{field.label}: {_shown(field, field.initial)} → {_shown(field, value)}"


def _shown(field: BoundField, value: Any) -> str:
    """A value as its form shows it."""
    if value in (None, "", []):
        return "empty"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, QuerySet | list | tuple):
        return ", ".join(map(str, value)) or "empty"
    if (
        isinstance(field.field, ModelChoiceField)
        and field.field.queryset is not None
        and not isinstance(value, Model)
    ):
        value = field.field.queryset.filter(pk=value).first() or value
    return str(value if isinstance(value, Model) else field.field.prepare_value(value))


class ReadOnlyAdmin(PlainTitle):
    """What the exchange reported, and what was done: to be read, never to be written by hand."""

    refreshes = True
    actions: Sequence[str] | None = None
    list_filter_submit = True
    show_full_result_count = False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        # Without it the title offers to show all, which here would be the default part again. The tabs do it.
        changelist.full_result_count = changelist.result_count
        return changelist

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def known_worlds() -> list[tuple[str, str]]:
    """Every venue that can have rows, named for people: the exchanges, and the mock's worlds that ever ran."""
    found = {*Venue, mock_world(), *map(Venue, Balance.objects.order_by().values_list("venue", flat=True).distinct())}
    return [(venue.value, venue.label) for venue in sorted(found, key=lambda each: (each.is_mock, each.value))]


class VenuesFilter(ChoicesDropdownFilter):
    """By venue; each replay is one, so the choices are those that are there."""

    def __init__(self, field: Any, *args: Any, **options: Any) -> None:
        field = copy(field)
        field.choices = known_worlds()
        super().__init__(field, *args, **options)


class ShowFilter(DropdownFilter):
    """What a list shows: the choices also stand as tabs above it (navigation.tabs). The first one is the default."""

    title = "view"
    parameter_name = "show"
    all_option = None
    parts: tuple[tuple[str, str], ...] = ()
    # Parts that an index finds.
    by_index: frozenset[str] = frozenset()
    # What addresses of earlier versions call a part.
    former: Mapping[str, str] = {}

    def lookups(self, request: HttpRequest, model_admin: Any) -> tuple[tuple[str, str], ...]:
        return self.parts

    def value(self) -> str:
        return self.part_of(super().value())

    @classmethod
    def part_of(cls, value: str | None) -> str:
        return cls.former.get(value or "", value or "") or cls.parts[0][0]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        raise NotImplementedError


def back(request: HttpRequest, instead: str) -> HttpResponse:
    """Back to the page whose button was pressed; where the browser does not say, to the named one."""
    page = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(page, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return HttpResponseRedirect(page)
    return HttpResponseRedirect(reverse(instead))

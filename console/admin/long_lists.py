"""Lists of what grows for years: their pages cost the same with ten rows and with ten million.

A page begins after the last row of the one before it, by id, and nothing is counted, skipped or sorted that no index
serves. What no index finds, such as a text, is looked for in SEARCHED rows at a time, and the page says how far back
that went and offers the rest.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.admin.options import ShowFacets
from django.core.paginator import Paginator
from django.db.models import Model, OuterRef, Q, QuerySet, Subquery
from django.db.models.constants import LOOKUP_SEP
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact, GreaterThanOrEqual, LessThanOrEqual
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter, RelatedDropdownFilter
from unfold.views import ChangeList

from console.admin import show
from console.admin.base import ReadOnlyAdmin, ShowFilter, VenuesFilter
from trading.models import Order, Symbol

PER_PAGE = 50
# More than these are not counted.
COUNTED = 1000
# Max rows that a page looks through: 0.02 s on SQLite and 0.06 s on PostgreSQL where each is compared with a text.
SEARCHED = 25_000
# So many ids of a tab go into a query at most.
FEW = 10_000
# Rows are written when they happen, and their ids tell when; clocks of several machines differ a little.
CLOCKS_DIFFER = timedelta(minutes=1)
MAX_ID = 2**63 - 1


@dataclass(frozen=True)
class Search:
    """What a search means. `by_index`: an index finds its rows; otherwise rows are read one by one."""

    where: Q
    by_index: bool = False


class LongList(ReadOnlyAdmin):
    """A list of a table that grows for years."""

    sortable_by: Sequence[str] = ()
    list_per_page = PER_PAGE
    show_facets = ShowFacets.NEVER
    # The column that tells when a row was written, as its id does.
    time_field = ""
    # Conditions in the page's address that an index with the id serves.
    indexed: Sequence[str] = ()

    def find(self, text: str) -> Search:
        """What the text of a search means here."""
        raise NotImplementedError

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        # Where a page begins is no filter: no form or link of the page may keep it.
        query = request.GET.copy()
        begins = {name: "".join(query.pop(name, [])) for name in ("before", "after")}
        request.begins = begins  # type: ignore[attr-defined]
        request.GET = query  # type: ignore[assignment]
        return super().changelist_view(request, extra_context)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return Pages

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        # Pages asks: it has to know whether an index finds the rows.
        return queryset, False


class Pager(Paginator):
    """Only says how the foot of the list looks; the list itself is one page."""

    template_name = "trading/pages.html"


class Pages(ChangeList):
    """One page: rows before an id, or after one, newest first."""

    def get_filters(self, request: HttpRequest) -> Any:
        self.request = request
        begins = getattr(request, "begins", {})
        self.before, self.after = (number_of(begins.get(name, "")) for name in ("before", "after"))
        return super().get_filters(request)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str]:
        return ["-pk"]

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        rows = super().get_queryset(request, exclude_parameters)
        text = self.query.strip()
        self.search = self.model_admin.find(text) if text else Search(Q(), by_index=True)
        return rows.filter(self.search.where)

    def get_results(self, request: HttpRequest) -> None:
        self.narrowing, self.ids = self._narrow()
        ids, limit = self._ids_of_page()
        if self.after is not None and limit is None and len(ids) <= PER_PAGE:
            self.after = None  # The newest page, which is always full.
            ids, limit = self._ids_of_page()
        shown, is_full = ids[:PER_PAGE], len(ids) > PER_PAGE
        self._link(shown, is_full, limit)
        is_first = self.before is None and self.after is None
        is_counted = is_first and limit is None and len(ids) <= COUNTED
        rows = self.apply_select_related(self.root_queryset.filter(pk__in=shown))
        self.result_list = sorted(rows, key=lambda row: row.pk, reverse=True)
        # Django offers to choose all that match where there are more than are shown.
        self.result_count = len(ids) if is_counted else len(self.result_list)
        self.full_result_count = self.result_count
        self.show_full_result_count, self.show_admin_actions = False, True
        self.can_show_all = self.multi_page = False
        self.paginator = Pager(self.result_list, PER_PAGE)
        self.is_cut = limit is not None and not is_full
        self.extent = self._extent(len(ids), is_first, is_counted, limit if self.is_cut else None)

    def _ids_of_page(self) -> tuple[list[int], int | None]:
        """The ids of the page and at least one more where there is one; and the last row that was looked at, None
        where that were all.
        """
        # Ids first: with the joins that a row's cells need SQLite might read and sort the whole table.
        rows = self.queryset.select_related(None).filter(self.narrowing)
        low, high = self.ids
        order = "-pk" if self.after is None else "pk"
        if self.after is not None:
            low = max(low, self.after + 1)
        elif self.before is not None:
            high = min(high, self.before - 1)
        base = self.root_queryset.filter(self.narrowing, *between(low, high)).order_by(order)
        # Without a condition each row is one of the page.
        has_condition = bool(self.queryset.query.where)
        limit = base.values_list("pk", flat=True)[SEARCHED - 1 : SEARCHED].first() if has_condition else None
        if limit is not None:
            low, high = (limit, high) if self.after is None else (low, limit)
        most = COUNTED if order == "-pk" and self.before is None else PER_PAGE
        found = rows.filter(*between(low, high)).order_by(order).values_list("pk", flat=True)
        return list(found[: most + 1]), limit

    def _narrow(self) -> tuple[Q, tuple[int, int]]:
        """What indexes leave of the table, in the order of the id; and from which id to which."""
        found, (low, high) = Q(), (0, MAX_ID)
        for name in self.model_admin.indexed:
            values = self.filter_params.get(name, [])
            if len(values) == 1 and values[0]:
                found &= Q(**{name: values[0]})
        for spec in self.filter_specs:
            if isinstance(spec, WrittenFilter):
                low, high = spec.ids(self.root_queryset)
            elif isinstance(spec, ShowFilter) and spec.value() in spec.by_index:
                # Asked for without an order: with one SQLite would rather walk along all ids.
                rows = spec.queryset(self.request, self.root_queryset).order_by().values_list("pk", flat=True)
                ids = list(rows[: FEW + 1])
                found &= Q(pk__in=ids) if len(ids) <= FEW else Q()
        return (found & self.search.where if self.search.by_index else found), (low, high)

    def _link(self, shown: Sequence[int], is_full: bool, limit: int | None) -> None:
        """Where the neighbouring pages begin; empty where there is none."""
        oldest, newest = (min(shown), max(shown)) if shown else (None, None)
        if self.after is not None:
            older: int | None = oldest if oldest is not None else self.after + 1
            newer = newest if is_full else limit
        else:
            older = oldest if is_full else limit
            newer = None if self.before is None else newest if newest is not None else self.before - 1
        self.older_url = "" if older is None else self._url(before=older)
        self.newer_url = "" if newer is None else self._url(after=newer)
        self.newest_url = self._url() if newer is not None else ""

    def _url(self, **where: int) -> str:
        return self.get_query_string(where)

    def _extent(self, found: int, is_first: bool, is_counted: bool, limit: int | None) -> str:
        """How many rows there are, as far as that is known. `limit`: the last row that was looked at."""
        shown, many = len(self.result_list), self.opts.verbose_name_plural
        if is_counted:
            of_all = f"{shown} of " if shown < found else ""
            return f"{of_all}{found:,} {self.opts.verbose_name if found == 1 else many}"
        if limit is not None:
            way = "back" if self.after is None else "on"
            # None where it has been archived meanwhile.
            at = self.root_queryset.filter(pk=limit).values_list(self.model_admin.time_field, flat=True).first()
            return format_html("{} found in {} {}, {} to {}", shown, f"{SEARCHED:,}", many, way, show.moment(at))
        if not is_first:
            return f"{shown} of many {many}"
        return f"{shown} of {f'more than {COUNTED:,}' if found > COUNTED else f'at least {found:,}'} {many}"


class WrittenFilter(RangeDateTimeFilter):
    """From when to when: by the ids of that time, for no index has the time.

    `written_after`: how long after its time a row may be written.
    """

    written_after = timedelta(0)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        # An expression, which no index has: those of an order's times are not in the order of a page.
        time, begin, end = Coalesce(self.field_path, self.field_path), self._time("from"), self._time("to")
        if begin is not None:
            queryset = queryset.filter(GreaterThanOrEqual(time, begin))
        return queryset if end is None else queryset.filter(LessThanOrEqual(time, end))

    def ids(self, rows: QuerySet[Any]) -> tuple[int, int]:
        """From which id to which they are."""
        begin, end = self._time("from"), self._time("to")
        low, high = 0, MAX_ID
        if begin is not None:
            low = first_since(rows, self.field_path, begin - CLOCKS_DIFFER)
        if end is not None:
            high = first_since(rows, self.field_path, end + self.written_after + CLOCKS_DIFFER) - 1
        return low, high

    def _time(self, side: str) -> datetime | None:
        parts = [self.used_parameters.get(f"{self.field_path}_{side}_{number}") or "" for number in (0, 1)]
        try:
            return datetime.fromisoformat(" ".join(parts)).replace(tzinfo=UTC) if all(parts) else None
        except ValueError:
            return None


def between(low: int, high: int) -> list[Q]:
    """One bound on each side: of two SQLite seeks by the first alone, and reads on from there."""
    return [*([Q(pk__gte=low)] if low > 0 else []), *([Q(pk__lte=high)] if high < MAX_ID else [])]


def first_since(rows: QuerySet[Any], field: str, moment: datetime) -> int:
    """The first id of the rows from that moment on; behind the last one where there are none. By halving."""
    pairs = rows.order_by("-pk").values_list("pk", field)
    last, first = pairs.first(), pairs.last()
    if last is None or first is None:
        return 0
    low, high = first[0], last[0] + 1
    while low < high:
        middle = (low + high) // 2
        found = pairs.filter(pk__lte=middle).first()
        if found is not None and found[1] >= moment:
            high = found[0]
        else:
            low = middle + 1
    return int(low)


class OfRow:
    """A filter by a column of the row that ours belongs to."""

    used_parameters: dict[str, Any]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        for path, values in self.used_parameters.items():
            # Each of Unfold's has one value, which may be empty.
            value = values[0] if isinstance(values, list) else values
            if value not in (None, ""):
                column = path.removesuffix(f"{LOOKUP_SEP}exact")
                queryset = queryset.filter(Exact(column_of(queryset.model, column), value))
        return queryset


class ChoicesOfRow(OfRow, ChoicesDropdownFilter):
    pass


class VenuesOfRow(OfRow, VenuesFilter):
    pass


class RelatedOfRow(OfRow, RelatedDropdownFilter):
    pass


def column_of(model: type[Model], path: str) -> Subquery:
    """A column of the row that ours belongs to, such as `order__venue`.

    Each row is asked for its own. Of a join the databases might read the other side first, which is all of it.
    """
    relation, _, column = path.partition(LOOKUP_SEP)
    related = model._meta.get_field(relation).related_model
    assert isinstance(related, type)
    return Subquery(related._default_manager.filter(pk=OuterRef(f"{relation}_id")).order_by().values(column))


def orders_named(text: str) -> list[int]:
    """Ids of the orders with this id, ours or the exchange's, or of the trader with this number."""
    wanted = [Q(client_order_id=text)]
    if (number := number_of(text)) is not None:
        wanted += [Q(exchange_order_id=number), Q(trader=number)]
    found: set[int] = set()
    # One by one: each has an index of its own.
    for each in wanted:
        found.update(Order.objects.filter(each).order_by().values_list("pk", flat=True)[:COUNTED])
    return sorted(found)


def number_of(text: str) -> int | None:
    """The number that a text is, also “#12”; None where it is none, or too large for an id."""
    digits = text.removeprefix("#")
    is_short = digits.isdecimal() and len(digits) <= len(str(MAX_ID))
    return int(digits) if is_short and int(digits) <= MAX_ID else None


def symbols_named(text: str) -> tuple[list[int], bool]:
    """Ids of the symbols whose names begin so, and whether it is the name of one: that one alone then."""
    rows: Iterable[tuple[int, str]] = Symbol.objects.filter(name__startswith=text.upper()).values_list("pk", "name")
    found = {name: pk for pk, name in rows}
    exact = found.get(text.upper())
    return ([exact], True) if exact is not None else (sorted(found.values()), False)

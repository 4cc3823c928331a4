"""How cells look: numbers, times, badges. Everything here returns text or safe HTML."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from console import numbers
from console.figures import age
from console.words import STATE_MEANS, STATUS_MEANS, notes
from console.words import percent as percent  # for cells as well
from hedgehog_project.venues import Venue, why_it_rests
from trading.core.money import plain
from trading.core.orders import UNVALUED, OrderStatus, Side
from trading.core.strategy import TraderState
from trading.models import Order

# The kinds of chips (`chip`). Green and red are for gain and loss, amber asks for a person.
STATE_KINDS = {
    TraderState.WAITING: "",
    TraderState.BUYING: "open",
    TraderState.HOLDING: "ours",
    TraderState.SELLING: "ours",
    TraderState.FINISHED: "",
    TraderState.DUST: "attn",
    TraderState.MISSING: "attn",
    TraderState.RETIRED: "",
    TraderState.ABANDONED: "attn",
}
STATUS_KINDS = {
    OrderStatus.SUBMITTING: "attn",
    OrderStatus.NOT_PLACED: "",
    OrderStatus.NOT_FOUND: "attn",
    OrderStatus.LET_GO: "attn",
    OrderStatus.PENDING_NEW: "open",
    OrderStatus.NEW: "open",
    OrderStatus.PARTIALLY_FILLED: "open",
    OrderStatus.FILLED: "",
    OrderStatus.CANCELED: "",
    OrderStatus.REJECTED: "attn",
    OrderStatus.EXPIRED: "",
    OrderStatus.EXPIRED_IN_MATCH: "attn",
}
NONE = "–"


# A page of a long list has three in each row, and few different ones.
@lru_cache(maxsize=500)
def badge(text: str, colour: str = "", title: str = "") -> SafeString:
    context = {"text": text, "type": colour, "label_title": title}
    return SafeString(render_to_string("unfold/helpers/label.html", context).strip())


def state(value: str) -> SafeString:
    """A trader's; what it means shows when pointed at."""
    found = TraderState(value)
    return chip(value.lower(), STATE_KINDS[found], STATE_MEANS[found])


def status_label(status: OrderStatus) -> str:
    """In our spelling, not in Binance's."""
    return "cancelled" if status == OrderStatus.CANCELED else status.value.replace("_", " ").lower()


def status(value: str) -> SafeString:
    """An order's; what it means shows when pointed at."""
    found = OrderStatus(value)
    return chip(status_label(found), STATUS_KINDS[found], STATUS_MEANS[found])


def order_status(order: Order) -> SafeString:
    """Its status, and the first word of each note; the notes show when pointed at."""
    marks = [chip(note.partition(":")[0], "attn", note) for note in notes(order)]
    return SafeString(" ".join([status(order.status), *marks]))


def chip(text: str, kind: str = "", title: str = "") -> SafeString:
    """A word of state: `kind` is ours, attn (asks for a person), good, bad, open, or empty for plain."""
    return format_html(
        '<span class="hh-chip{}" title="{}">{}</span>', f" hh-chip-{kind}" if kind else "", title, text
    )


def side(value: str) -> SafeString:
    """Told in words: green and red are for gain and loss."""
    return chip(value.lower(), "ours" if value == Side.BUY else "")


def venue(value: str) -> SafeString:
    found = Venue(value)
    return chip(found.label, "real" if found == Venue.LIVE else "")


def world(value: str, is_over: bool = False) -> SafeString:
    """A venue, with a mark where it is a world of the mock's that rests; why shows when pointed at.

    `is_over`: whose page it is has ended, and rests in no other sense.
    """
    reason = "" if is_over else why_it_rests(value)
    return SafeString(f"{venue(value)} {chip('rests', 'attn', reason)}") if reason else venue(value)


def mode(value: str) -> SafeString:
    text = "reducing (sells only)" if value == "reducing" else value
    return badge(text, {"active": "success", "reducing": "warning"}.get(value, "danger"))


def amount(value: Decimal | None, unit: str = "") -> SafeString | str:
    """An exact amount."""
    if value is None:
        return NONE
    return format_html('<span class="hh-number">{} {}</span>', numbers.exact(value), unit)


def tone(value: Decimal) -> str:
    """The class of a gain or loss; zero is grey."""
    return "hh-good" if value > 0 else "hh-bad" if value < 0 else "hh-dim"


def profit(
    value: Decimal | None, unit: str = "", unvalued: int | bool = False, left_over: object = None
) -> SafeString | str:
    """A profit, green or red, short; the exact one shows when pointed at. `unvalued`: it leaves out commissions;
    `left_over`: what it leaves out because it is not sold yet, in words.
    """
    if value is None:
        return NONE
    colour = tone(value)
    return format_html(
        '<span class="hh-number"><span class="{}" title="{}">{}</span> {}</span>{}{}',
        colour,
        plain(value),
        numbers.signed(value, unit),
        unit,
        format_html(' <span class="hh-dim hh-mark">{}</span>', UNVALUED) if unvalued else "",
        format_html('<span class="hh-dim hh-left">{}</span>', left_over) if left_over else "",
    )


def sums(name: str, by_asset: Mapping[str, Decimal], is_gain: bool = False) -> list[tuple[str, SafeString]]:
    """A sum for the foot of a list, of each asset by itself; nothing where there is none."""
    amounts = []
    for asset, value in sorted(by_asset.items()):
        if is_gain:
            amounts.append(format_html("{}", profit(value, asset)))
        else:
            amounts.append(format_html('<span class="hh-number">{} {}</span>', numbers.money(value, asset), asset))
    return [(name, format_html_join(", ", "{}", ((each,) for each in amounts)))] if amounts else []


def gain(value: Decimal, asset: str) -> SafeString:
    """A gain or loss without its unit, which stands in the head; the exact one shows when pointed at."""
    text = numbers.signed(value, asset)
    return format_html('<span class="hh-number {}" title="{}">{}</span>', tone(value), numbers.exact(value), text)


def day(value: datetime) -> SafeString:
    """A day, in the reader's zone: 3 Nov; of another year with the year."""
    local = timezone.localtime(value)
    year = "" if local.year == timezone.localtime().year else f" {local.year}"
    return format_html(
        '<span title="{} UTC">{} {}{}</span>', f"{value:%Y-%m-%d %H:%M}", local.day, f"{local:%b}", year
    )


def moment(value: datetime | None) -> SafeString | str:
    """A time; the page's script shows it in the reader's own time zone."""
    if value is None:
        return NONE
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(),
        f"{value:%Y-%m-%d %H:%M:%S} UTC",
        f"{value:%d %b %H:%M:%S}",
    )


def ago(value: datetime | None) -> SafeString | str:
    """How long ago; the time itself shows when pointed at."""
    if value is None:
        return NONE
    seconds = (timezone.now() - value).total_seconds()
    text = f"in {age(-seconds)}" if seconds < -0.5 else f"{age(max(0.0, seconds))} ago"
    return format_html('<span title="{} UTC" class="hh-nowrap">{}</span>', f"{value:%Y-%m-%d %H:%M:%S}", text)


def flower_url() -> str:
    """Empty where Flower does not run."""
    return f"http://127.0.0.1:{settings.FLOWER_PORT}/" if settings.FLOWER else ""


def task(task_id: str) -> SafeString | str:
    """A link to a task's page in Flower."""
    if not task_id:
        return NONE
    if not settings.FLOWER:
        return format_html('<span title="{}">{}…</span>', task_id, task_id[:8])
    return format_html(
        '<a class="hh-link" href="{}task/{}" target="_blank" rel="noopener" title="{}">{}…</a>',
        flower_url(),
        task_id,
        task_id,
        task_id[:8],
    )


def link(url: str, text: object) -> SafeString:
    return format_html('<a class="hh-link hh-nowrap" href="{}">{}</a>', url, text)

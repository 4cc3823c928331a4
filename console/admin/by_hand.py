"""Doing by hand on pages: what a deed is, its button, and how it is asked about and done."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path

from console.admin import questions
from console.admin.questions import Field, Question
from hedgehog_project.venues import Venue
from trading.by_hand.saying import Hands
from trading.core.money import can_be_stored

FINAL = "This cannot be undone."


@dataclass(frozen=True)
class Button:
    """A deed that a page offers. `at_once`: it asks nothing, for it can be undone; `why_not`: why it rests."""

    label: str
    icon: str
    url: str
    is_final: bool = False
    at_once: bool = False
    why_not: str = ""
    key: str = ""


@dataclass(frozen=True)
class Deed:
    """`ask` gives the question, `do` does it with what was sent; both raise ValidationError, for people."""

    label: str
    icon: str
    ask: Callable[[Any, "Sent"], Question]
    do: Callable[[Any, "Sent", Hands], str]
    is_final: bool = False
    at_once: bool = False
    buys: bool = False  # Real money wants the permission for it.


class Sent:
    """What a question's form holds so far."""

    def __init__(self, request: HttpRequest) -> None:
        self.values = request.POST if request.method == "POST" else request.GET
        self.errors: dict[str, str] = {}

    def text(self, name: str, default: str = "") -> str:
        return str(self.values.get(name, default)).strip()

    def amount(self, name: str) -> Decimal | None:
        """None where it is empty or no amount; then the error says so."""
        text = self.text(name).replace(",", "")
        if not text:
            return None
        try:
            value = Decimal(text)
        except InvalidOperation:
            value = Decimal("NaN")
        if not can_be_stored(value) or value < 0:
            self.errors[name] = f"“{text}” is not an amount: use for example 2985.5."
            return None
        return value

    def share(self, name: str, default: Decimal) -> Decimal:
        """A fraction, written in per cent."""
        if name not in self.values:
            return default
        value = self.amount(name)
        if value is None or value >= 100:
            self.errors.setdefault(name, "Between 0 and 100 %.")
            return default
        return value.scaleb(-2)

    def field(self, name: str, label: str, unit: str = "", help: str = "", default: str = "") -> Field:
        return Field(name, label, self.text(name, default), unit, help, self.errors.get(name, ""))

    def first_error(self) -> str:
        return next(iter(self.errors.values()), "")

    def check(self) -> None:
        """Raises ValidationError where a field is wrong."""
        if self.errors:
            raise ValidationError(self.first_error())


def answer(
    request: HttpRequest, deed: Deed | None, of: Any, venue: str, page: str, context: dict[str, Any], may_act: bool
) -> HttpResponse:
    """Asks, or does it and goes back to `page`. `venue`: whose money it is about."""
    if request.method not in ("GET", "POST"):
        return HttpResponseNotAllowed(["GET", "POST"])
    if deed is None or not may_act:
        raise PermissionDenied
    if deed.buys and venue == Venue.LIVE and not request.user.has_perm("trading.trade_live"):
        raise PermissionDenied("Trading real money requires the permission “Can trade real money”.")
    sent = Sent(request)
    if request.method == "GET":
        return questions.ask(request, deed.ask(of, sent), page, context)
    hands = Hands(request.user.get_username(), sent.text("why")[:200], sent.text("key")[:64])
    try:
        messages.success(request, deed.do(of, sent, hands))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    return HttpResponseRedirect(page)


def urls(kind: str, view: Callable[..., HttpResponse], where: str) -> list[Any]:
    """`kind` is trader, symbol or switch; `where` the converter of what the deed is about."""
    return [path(f"<{where}>/hand/<str:name>/", view, name=f"trading_{kind}_hand")]


def button(deed: Deed, url: str, venue: str, why_not: str) -> Button:
    at_once = deed.at_once and venue != Venue.LIVE
    label = deed.label if at_once or deed.label.endswith("…") else f"{deed.label}…"
    return Button(label, deed.icon, url, deed.is_final, at_once, why_not, questions.new_key())

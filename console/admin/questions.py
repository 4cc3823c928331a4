"""The question before a deed that can't be undone: what it will do, in numbers, and the way back.

A question has an address of its own. A page opens it as a dialog (static/trading/questions.js), which fetches the
same template without its frame; without scripts it is a page.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

# What a dialog sends, to get the question alone.
HEADER = "X-Dialog"


@dataclass(frozen=True)
class Sum:
    """A line of the arithmetic; the last one is the result."""

    label: str
    amount: object
    tone: str = ""
    is_result: bool = False


@dataclass(frozen=True)
class Field:
    """An input of a question. When it changes, the question is asked anew with it."""

    name: str
    label: str
    value: str = ""
    unit: str = ""
    help: str = ""
    error: str = ""
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Question:
    """`button` names the deed and its size, `keep` what the way back keeps. `why_not`: it can't be done now."""

    title: str
    button: str
    keep: str = "Keep it"
    steps: Sequence[object] = ()
    sums: Sequence[Sum] = ()
    note: str = ""
    why_not: str = ""
    fields: Sequence[Field] = ()
    is_final: bool = True  # It can't be undone: the button is red.
    asks_why: bool = True
    is_real: bool = False  # money
    account: str = ""  # where, in words
    price: str = ""  # what its figures go by: where it jumps, the button rests
    hidden: dict[str, str] = field(default_factory=dict)


def new_key() -> str:
    """Of one asking: pressed twice, the deed is done once."""
    return secrets.token_hex(16)


def ask(request: HttpRequest, question: Question, back: str, context: dict[str, object]) -> HttpResponse:
    """The question's page, or in a dialog its content; `back`: the address of the way back."""
    is_dialog = HEADER in request.headers
    return TemplateResponse(
        request,
        "trading/question.html",
        {
            **context,
            "frame": "trading/bare.html" if is_dialog else "admin/base_site.html",
            "is_dialog": is_dialog,
            "title": question.title,
            "question": replace(question, why_not=question.why_not[:1].upper() + question.why_not[1:]),
            "key": request.GET.get("key") or new_key(),
            "why": request.GET.get("why", ""),
            "back": back,
        },
    )

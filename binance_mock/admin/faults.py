"""The page of faults: every kind with a button, a form for its settings, and what is on, fresh by itself."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from binance_mock import client
from binance_mock.admin.page import PageAdmin
from binance_mock.faults import words
from binance_mock.faults.kinds import GROUPS, KINDS
from binance_mock.faults.mix import random_mix
from binance_mock.models import MockFaults

_ENDED_SHOWN = 10
_SETTINGS = ("probability", "count", "for_s", "seed", "symbol", "side", "endpoint", "delay_ms", "retry_after_s")
_PAGE = "admin:binance_mock_mockfaults_changelist"


@admin.register(MockFaults)
class MockFaultsAdmin(PageAdmin):
    @staticmethod
    def _may_turn(request: HttpRequest) -> bool:
        return request.user.has_perm("binance_mock.turn_mockfaults")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            if not self._may_turn(request):
                raise PermissionDenied
            return self._turn(request)
        return self._page(request)

    def _page(self, request: HttpRequest, asked: dict[str, str] | None = None, refusal: str = "") -> HttpResponse:
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Faults",
            # What refreshes itself is asked for by htmx, and comes without the frame.
            "frame": "binance_mock/bare.html" if request.headers.get("HX-Request") else "admin/base_site.html",
            "may_turn": self._may_turn(request),
            "groups": [(group, [kind for kind in KINDS.values() if kind.group == group]) for group in GROUPS],
            "asked": asked or {},
            "refusal": refusal,
        }
        try:
            faults = client.faults()
        except client.Unreachable as error:
            # Not "error": the template of messages shows a variable of that name instead of the message.
            context["problem"] = str(error)
        else:
            now_ms = time.time_ns() // 1_000_000
            shown = [_shown(fault, now_ms) for fault in faults]
            context["on"] = [fault for fault in shown if fault["is_on"]]
            context["ended"] = [fault for fault in shown if not fault["is_on"]][:_ENDED_SHOWN]
        return TemplateResponse(request, "binance_mock/faults.html", context, status=400 if refusal else 200)

    def _turn(self, request: HttpRequest) -> HttpResponse:
        actions: dict[str, Callable[[HttpRequest], str]] = {"on": _turn_on, "off": _turn_off, "mix": _turn_mix_on}
        action = actions.get(request.POST.get("action", ""))
        try:
            if action is None:
                raise client.Refused("Choose an action.")
            done = action(request)
        except client.Refused as error:
            return self._page(
                request, {name: request.POST.get(name, "") for name in ("kind", *_SETTINGS)}, str(error)
            )
        except client.Unreachable as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.log_change(request, MockFaults(pk=1), done)
            self.message_user(request, done)
        return HttpResponseRedirect(reverse(_PAGE))


def _turn_on(request: HttpRequest) -> str:
    given = {name: request.POST.get(name, "").strip() for name in ("kind", *_SETTINGS)}
    fault = client.turn_fault_on({name: value for name, value in given.items() if value})
    return f"{fault['kind']} is on: {words.settings(fault)}."


def _turn_off(request: HttpRequest) -> str:
    ended = client.turn_faults_off(request.POST.get("which", "all"))
    return f"Turned off: {', '.join(fault['kind'] for fault in reversed(ended))}." if ended else "No fault was on."


def _turn_mix_on(request: HttpRequest) -> str:
    given = request.POST.get("mix_seed", "").strip()
    if given and not given.isdecimal():
        raise client.Refused("The seed of a mix must be a whole number.")
    seed = int(given) if given else random.randrange(1_000_000)
    turned = [client.turn_fault_on(wanted)["kind"] for wanted in random_mix(seed)]
    return f"Mix {seed} is on: {', '.join(turned)}."


def _shown(fault: dict[str, Any], now_ms: int) -> dict[str, Any]:
    last_ms = fault["last_ms"]
    return fault | {
        "settings": words.settings(fault),
        "left_in_words": words.left(fault),
        "last_in_words": words.last_injected(fault, now_ms),
        "last": None if last_ms is None else datetime.fromtimestamp(last_ms / 1000, UTC),
    }

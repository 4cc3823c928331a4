"""The mock account's page in the admin, read from the running exchange, with a button that resets it."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from binance_mock import client
from binance_mock.admin.page import PageAdmin
from binance_mock.models import MockAccount
from hedgehog_project.venues import Venue

_MARKETS = {
    "simulated": "a simulated market",
    "replay": "a recorded market, replayed",
    "live": "Binance's real prices (paper trading)",
    "manual": "a manual market",
}


@admin.register(MockAccount)
class MockAccountAdmin(PageAdmin):
    @staticmethod
    def _may_reset(request: HttpRequest) -> bool:
        return request.user.has_perm("binance_mock.reset_mockaccount")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return self._reset(request)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Mock account",
            "may_reset": self._may_reset(request),
        }
        try:
            context |= _shown(client.state())
        except client.Unreachable as error:
            # Not "error": the template of messages shows a variable of that name instead of the message.
            context["problem"] = str(error)
        return TemplateResponse(request, "binance_mock/account.html", context)

    def _reset(self, request: HttpRequest) -> HttpResponse:
        if not self._may_reset(request):
            raise PermissionDenied
        try:
            client.reset()
        except client.Unreachable as error:
            self.message_user(request, f"The account was not reset. {error}", messages.ERROR)
        else:
            self.log_change(request, MockAccount(pk=1), "Orders cancelled, balances reset.")
            self.message_user(request, "Mock account reset: orders cancelled, balances restored.")
        return HttpResponseRedirect(reverse("admin:binance_mock_mockaccount_changelist"))


def _shown(state: dict[str, Any]) -> dict[str, Any]:
    """The state as the page shows it."""
    return {
        "market": _MARKETS.get(state["market"], state["market"]),
        "world": Venue(state["world"]).label,
        "counters": state["counters"],
        "faults": state["faults"],
        "balances": [
            {"asset": each["asset"], "free": _plain(each["free"]), "locked": _plain(each["locked"])}
            for each in state["balances"]
            if Decimal(each["free"]) or Decimal(each["locked"])
        ],
        "fees": [{"asset": asset, "amount": _plain(amount)} for asset, amount in state["fees"].items()],
        "orders": [
            {
                "id": order["orderId"],
                "symbol": order["symbol"],
                "side": order["side"],
                "price": _plain(order["price"]),
                "quantity": _plain(order["origQty"]),
                "executed": _plain(order["executedQty"]),
                "last": _plain(state["lastPrices"].get(order["symbol"], "0")),
                "placed": datetime.fromtimestamp(order["time"] / 1000, UTC),
                "client_id": order["clientOrderId"],
            }
            for order in sorted(state["openOrders"], key=lambda order: -order["orderId"])
        ],
    }


def _plain(amount: str) -> str:
    """An amount without trailing zeros."""
    return f"{Decimal(amount).normalize():f}"

"""The sidebar, the tabs above lists, and the label that says which money is at stake. Named in settings.UNFOLD."""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse

from console.admin.base import ShowFilter
from console.admin.orders import OrdersShown
from console.admin.orphans import OrphansShown
from console.admin.reconciliations import ReconciliationsShown
from console.admin.show import flower_url
from console.admin.symbols import SymbolsShown
from console.admin.traders import TradersShown
from hedgehog_project.venues import Market, Venue, default_market
from hedgehog_project.version import VERSION
from trading.identity import copies
from trading.models import Switch

TABS: dict[str, type[ShowFilter]] = {
    "symbol": SymbolsShown,
    "trader": TradersShown,
    "order": OrdersShown,
    "orphan": OrphansShown,
    "reconciliation": ReconciliationsShown,
}
MOCK_ICONS = {"mockaccount": "science", "mockfaults": "thunderstorm"}


def icon(request: HttpRequest) -> str:
    return static("trading/icon.svg")


def style(request: HttpRequest) -> str:
    return static("trading/admin.css")


def script(request: HttpRequest) -> str:
    return static("trading/admin.js")


def environment(request: HttpRequest) -> list[str]:
    """Which money is at stake, on every page: text and colour."""
    match Switch.current():
        case Venue.LIVE:
            return ["Live: real money", "danger"]
        case Venue.TESTNET:
            return ["Testnet", "warning"]
        case Venue.DEMO:
            return ["Demo: play money", "warning"]
    return (
        ["Paper: real prices, play money", "info"]
        if default_market() == Market.LIVE
        else ["Mock: play money", "success"]
    )


def on_every_page(request: HttpRequest) -> dict[str, Any]:
    """Why trading is halted or reducing, whether the reader may change that, and the version."""
    if not request.user.is_authenticated:
        return {}
    return {
        "kill_switch_text": Switch.row().mode_text,
        "may_halt": request.user.has_perm("trading.change_switch"),
        "copies": copies.told(),
        "version": VERSION,
    }


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    trading = [
        _models_item("trading", "symbol", "currency_exchange"),
        _models_item("trading", "profile", "tune"),
        _models_item("trading", "trader", "smart_toy"),
        _models_item("trading", "order", "receipt_long"),
        _models_item("trading", "fill", "done_all"),
        _models_item("trading", "journalentry", "menu_book"),
        _models_item("trading", "equity", "payments", "Profit") | {"link": reverse("admin:trading_profit")},
        _models_item("trading", "reconciliation", "balance"),
        _models_item("trading", "orphan", "help_center"),
        _models_item("trading", "otherinstallation", "group_work", "Other installations"),
        _models_item("trading", "accountprotections", "shield"),
        _models_item("trading", "deniedorder", "front_hand", "Denied orders"),
        _models_item("trading", "switch", "toggle_on", "Trading control"),
    ]
    mock = [
        _models_item("binance_mock", name, MOCK_ICONS.get(name, "science"))
        for model in apps.get_app_config("binance_mock").get_models()
        if admin.site.is_registered(model) and (name := model._meta.model_name or "")
    ]
    flower = {"title": "Tasks (Flower)", "icon": "local_florist", "link": flower_url(), "active": False}
    processes = [
        *([flower] if flower_url() else []),
        _models_item("django_celery_beat", "periodictask", "schedule"),
    ]
    people = [
        _models_item("auth", "user", "person"),
        _models_item("auth", "group", "group"),
    ]
    groups: list[dict[str, Any]] = [
        {"items": [{"title": "Overview", "icon": "dashboard", "link": reverse("admin:index")}]},
        {"title": "Trading", "separator": True, "items": trading},
        {"title": "Mock exchange", "separator": True, "items": mock},
        {"title": "System", "separator": True, "items": processes},
        {"title": "Users", "separator": True, "items": people},
    ]
    return [group for group in groups if any(item.get("permission", _yes)(request) for item in group["items"])]


def tabs(request: HttpRequest) -> list[dict[str, Any]]:
    """The choices of each list's ShowFilter, side by side above the list."""
    found = []
    for model, shown in TABS.items():
        page = reverse(f"admin:trading_{model}_changelist")
        chosen = shown.part_of(request.GET.get(shown.parameter_name))
        items = [
            {"title": title, "link": f"{page}?{shown.parameter_name}={value}", "active": value == chosen}
            for value, title in shown.parts
        ]
        found.append({"models": [f"trading.{model}"], "items": items})
    return found


def _models_item(app: str, model: str, icon: str, title: str = "") -> dict[str, Any]:
    found = apps.get_model(app, model)
    return {
        "title": title or str(found._meta.verbose_name_plural).capitalize(),
        "icon": icon,
        "link": reverse(f"admin:{app}_{model}_changelist"),
        "permission": lambda request: admin.site.get_model_admin(found).has_view_permission(request),
    }


def _yes(request: HttpRequest) -> bool:
    return True

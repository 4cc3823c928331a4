"""The sidebar, the tabs above lists, and the band that says which money is at stake. Named in settings.UNFOLD."""

from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone

from console.admin import show
from console.admin.base import ShowFilter
from console.admin.orders import OrdersShown
from console.admin.orphans import OrphansShown
from console.admin.reconciliations import ReconciliationsShown
from console.admin.symbols import SymbolsShown
from console.admin.traders import TradersShown
from console.figures import count
from hedgehog_project.venues import Venue, mock_world
from hedgehog_project.venues.worlds import PAPER
from hedgehog_project.version import VERSION
from trading.identity import copies
from trading.models import Switch, Trader
from trading.models.traders import LIVE

TABS: dict[str, type[ShowFilter]] = {
    "symbol": SymbolsShown,
    "trader": TradersShown,
    "order": OrdersShown,
    "orphan": OrphansShown,
    "reconciliation": ReconciliationsShown,
}
MOCK_ICONS = {"mockaccount": "science", "mockfaults": "thunderstorm"}


@dataclass(frozen=True)
class Money:
    """Which money is at stake, as the band on top of every page says it."""

    is_real: bool
    text: str  # where orders go
    means: str


def icon(request: HttpRequest) -> str:
    """Of the browser's tab: on real money filled, else outlined."""
    return static("trading/icon-real.svg" if money_of(request).is_real else "trading/icon.svg")


def touch_icon(request: HttpRequest) -> str:
    return static("trading/icon-touch-180.png")


def manifest(request: HttpRequest) -> str:
    """What a phone needs to install the pages as an app.

    There is no service worker: without the server nothing can be shown, and a price from a cache is worse than none.
    """
    return static("trading/manifest.webmanifest")


def style(request: HttpRequest) -> str:
    return static("trading/admin.css")


def numbers_script(request: HttpRequest) -> str:
    return static("trading/numbers.js")


def questions_script(request: HttpRequest) -> str:
    return static("trading/questions.js")


def script(request: HttpRequest) -> str:
    return static("trading/admin.js")


def search_script(request: HttpRequest) -> str:
    return static("trading/search.js")


def lists_script(request: HttpRequest) -> str:
    return static("trading/lists.js")


def money_at_stake() -> Money:
    """Real as soon as a new trader or one that lives trades for real, whatever the switch says."""
    match Switch.current():
        case Venue.LIVE:
            return Money(True, "Binance", "orders are placed for real")
        case Venue.TESTNET:
            found = Money(False, "Testnet", "Binance's test exchange, nothing here can be lost")
        case Venue.DEMO:
            found = Money(False, "Demo", "Binance's demo account, nothing here can be lost")
        case _:
            found = Money(False, mock_name(), "nothing here can be lost")
    living = Trader.objects.filter(LIVE, venue=Venue.LIVE).count()
    if not living:
        return found
    return Money(
        True, "Binance", f"{count(living, 'trader')} still to end there; new ones trade for play: {found.text}"
    )


def mock_name() -> str:
    """What the mock exchange trades in."""
    world = mock_world()
    if world == PAPER:
        return "Paper: real prices, mock exchange"
    return f"Mock exchange, {'simulated market' if world == Venue.MOCK else world.label.lower()}"


def title_prefix(request: HttpRequest) -> str:
    """Before the title of every page, so that tabs of a browser tell real money from play money."""
    return "REAL |" if request.user.is_authenticated and money_of(request).is_real else ""


def money_of(request: HttpRequest) -> Money:
    """Asked once for a page."""
    kept = vars(request)
    if "money_at_stake" not in kept:
        kept["money_at_stake"] = money_at_stake()
    found: Money = kept["money_at_stake"]
    return found


def on_every_page(request: HttpRequest) -> dict[str, Any]:
    """The money at stake, why trading is halted or reducing, whether the reader may change that, and the version."""
    if not request.user.is_authenticated:
        return {}
    halted = Switch.row()
    return {
        "money": money_of(request),
        "zone": timezone.get_current_timezone_name(),
        "halted": halted,
        "halted_since": show.moment(halted.mode_at),
        "may_halt": request.user.has_perm("trading.change_switch"),
        "copies": copies.told(),
        "version": VERSION,
    }


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    trading = [
        {"title": "Overview", "icon": "grid_view", "link": reverse("admin:index")},
        _models_item("trading", "symbol", "currency_exchange"),
        _models_item("trading", "trader", "smart_toy"),
        _models_item("trading", "order", "receipt_long"),
        _models_item("trading", "equity", "payments", "Profit") | {"link": reverse("admin:trading_profit")},
        _models_item("trading", "balance", "account_balance_wallet"),
    ]
    closer = [
        _models_item("trading", "journalentry", "menu_book"),
        _models_item("trading", "fill", "done_all"),
        _models_item("trading", "reconciliation", "balance"),
        _models_item("trading", "orphan", "help_center"),
        _models_item("trading", "deniedorder", "front_hand", "Denied orders"),
        _models_item("trading", "otherinstallation", "group_work", "Other installations"),
        _models_item("history", "historyfile", "history"),
        *(
            _models_item("binance_mock", name, MOCK_ICONS.get(name, "science"))
            for model in apps.get_app_config("binance_mock").get_models()
            if admin.site.is_registered(model) and (name := model._meta.model_name or "")
        ),
    ]
    if flower := show.flower_url():
        closer.append({"title": "Tasks (Flower)", "icon": "local_florist", "link": flower, "active": False})
    set_up = [
        _models_item("trading", "profile", "tune"),
        _models_item("trading", "accountprotections", "shield"),
        _models_item("trading", "switch", "toggle_on", "Trading control"),
        _models_item("django_celery_beat", "periodictask", "schedule", "Schedule"),
        _models_item("auth", "user", "person"),
        _models_item("auth", "group", "group"),
        {"title": "Glossary", "icon": "dictionary", "link": reverse("glossary")},
    ]
    groups: list[dict[str, Any]] = [
        {"title": "Trading", "items": trading},
        {"title": "Look closer", "separator": True, "items": closer},
        {"title": "Set up", "separator": True, "items": set_up},
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

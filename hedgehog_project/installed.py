"""What each process loads of Django: one that shows nothing loads nothing to show, and starts sooner and smaller.

exec_with_parent.py names the processes of `make run` in HEDGEHOG_PROCESS, cli.py a command of ours that only looks at
rows and changes them. Any other loads all: migrations, checks and Django's commands see everything.
"""

EVERYTHING = (
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin.apps.SimpleAdminConfig",  # urls.py finds what is shown, in the web server alone
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "hedgehog_project",
    "streamer",
    "history",
    "trading",
    "console",
    "binance_mock",
)
# Who trades: no pages, no schedule (beat has that), no mock exchange.
_TRADES = (
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "hedgehog_project",
    "streamer",
    "trading",
)
# Commands that answer a person at a terminal: none has pages, users or the schedule to do with.
QUICK = frozenset(
    {
        *("audit", "check_exchange", "export", "faults", "halt", "identity", "orphans", "profit", "reconcile"),
        *("resume", "status", "symbols", "totals", "trade", "why"),
    }
)
_OF = {
    "mock_exchange": ("hedgehog_project", "binance_mock"),
    "streamer": ("hedgehog_project", "streamer"),
    # It queues tasks by their names, and knows none of them.
    "beat": ("django_celery_beat", "hedgehog_project"),
    **dict.fromkeys(("dispatcher", "worker", "worker_exits", "standby"), _TRADES),
    **dict.fromkeys(QUICK, (*_TRADES, "console", "binance_mock")),
}


def apps_of(process: str) -> list[str]:
    """INSTALLED_APPS of a process of `make run`; everything for the web server, and for any other process."""
    return list(_OF.get(process, EVERYTHING))


def shows_pages(process: str) -> bool:
    """Whether it needs addresses, templates and all that stands between a request and a page."""
    return process not in _OF

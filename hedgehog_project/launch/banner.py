"""What `make run` says once everything is up: where to look, how to log in, what goes on."""

import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

from hedgehog_project.env import BASE_DIR
from hedgehog_project.home import FLOWER_PASSWORD, FLOWER_USER

# Left by `manage.py setup` when it has made the first user; shown once, then gone.
FIRST_PASSWORD = "first_password"


def banner(home: Path, users: list[str], problems: Sequence[str] = ()) -> str:
    """The text. Takes the first password with it, so that it is shown only once. `problems`: of symbols."""
    rule = "─" * 100
    if settings.HEDGEHOG_PART == "host":
        return _of_host(home, rule)
    manage = f"{python()} manage.py"
    password = home / FIRST_PASSWORD
    if password.exists():
        login = f"user {' or '.join(users)}, password {password.read_text().strip()} (shown only once)"
        password.unlink()
    elif users:
        login = f"user {' or '.join(users)}; a new password: {manage} changepassword {users[0]}"
    else:
        login = f"there is no user yet: {manage} createsuperuser"
    flower = f"http://127.0.0.1:{settings.FLOWER_PORT}/   user {FLOWER_USER}, password in {home / FLOWER_PASSWORD}"
    return "\n".join(
        (
            rule,
            "Hedgehog is running. New traders use the venue chosen under Trading control; at first the mock "
            f"exchange ({market()}).",
            "",
            f"  Admin    http://127.0.0.1:{settings.WEB_PORT}/   {login}",
            *([f"  Flower   {flower}"] if settings.FLOWER else []),
            f"  Status   {manage} status",
            f"  Logs     {home}/log/",
            "  Stop     Ctrl-C",
            *(["", *(f"  ! {problem}" for problem in problems)] if problems else []),
            rule,
        )
    )


def _of_host(home: Path, rule: str) -> str:
    return "\n".join(
        (
            rule,
            f"This host, {socket.gethostname()}, runs along: streamer, dispatcher, workers; its beat is standing by.",
            "The mock exchange is reachable from its own machine only: this host can trade on real venues only.",
            "",
            f"  Status   {python()} manage.py status",
            f"  Logs     {home}/log/",
            "  Stop     Ctrl-C",
            rule,
        )
    )


def market() -> str:
    """Where the mock exchange's trades come from, in words."""
    if settings.MARKET == "simulated":
        return "a simulated market, play money"
    if settings.MARKET == "live":
        return "Binance's real trades, play money"
    if settings.MARKET == "manual":
        return "a market moved by hand, play money"
    return f"{settings.MARKET.removeprefix('replay:')} replayed, play money"


def python() -> str:
    """This Python as one types it in the project's folder, with what the command needs to find this installation."""
    path = Path(sys.executable)
    short = str(path.relative_to(BASE_DIR)) if path.is_relative_to(BASE_DIR) else str(path)
    home = settings.HEDGEHOG_HOME
    return short if home == BASE_DIR / "var" else f"HEDGEHOG_HOME={home} {short}"

"""Flower looks and changes nothing: every route that it has, with the right password; and wrong ones have to wait."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import requests
from flower.urls import handlers
from tornado.web import url as tornado_url

from hedgehog_project import tries
from hedgehog_project.home import FLOWER_PASSWORD, FLOWER_USER
from hedgehog_project.ports import HOST, free_port
from hedgehog_project.redis import connect
from tests.support.environment import ROOT
from tests.support.machine.processes import Processes

# What a pattern's group may stand for.
FILLED = {"static": "css/flower.css", "task": "trading.tasks.lead", "worker": "worker@here"}
# The one POST that reads: the table of tasks is asked for so when its address gets long.
READS = "/tasks/datatable"


def routes() -> Iterator[tuple[str, type]]:
    """One of every route that Flower has, whatever its version, and what serves it."""
    for handler in handlers:
        is_named = isinstance(handler, tornado_url)
        pattern = handler.regex.pattern if is_named else handler[0]
        kind = next((kind for kind in FILLED if kind in pattern), "task")
        path = re.sub(r"\(.*\)", FILLED[kind], pattern.removesuffix("$").replace("/?", ""))
        yield "/no-such-page" if path == ".*" else path, handler.handler_class if is_named else handler[1]


PATHS = [path for path, _ in routes()]
OPERATIONS = {path for path, served in routes() if path.startswith("/api/") and "post" in vars(served)}


class Flower:
    def __init__(self, processes: Processes, home: Path) -> None:
        self.site = f"http://{HOST}:{free_port()}"
        self.process = processes.celery(
            *("flower", f"--conf={ROOT / 'hedgehog_project' / 'flower_config.py'}"),
            FLOWER_PORT=self.site.rpartition(":")[2],
            HEDGEHOG_HOME=home,
        )
        processes.wait_for(lambda: (home / FLOWER_PASSWORD).exists() and self.is_up(), 40, "Flower")
        self.password = (home / FLOWER_PASSWORD).read_text().strip()

    def is_up(self) -> bool:
        try:
            return self.ask("GET", "/").status_code == 401
        except requests.ConnectionError:
            return False

    def ask(self, method: str, path: str, password: str = "") -> requests.Response:
        auth = (FLOWER_USER, password) if password else None
        return requests.request(method, f"{self.site}{path}", auth=auth, json={"args": []}, timeout=10)


@pytest.fixture(scope="module")
def flower(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flower]:
    folder = tmp_path_factory.mktemp("flower")
    processes = Processes(folder)
    try:
        yield Flower(processes, folder / "home")
    finally:
        processes.stop_all()


def test_the_routes_are_found() -> None:
    found = set(PATHS)
    assert len(found) == len(handlers)
    assert len(OPERATIONS) >= 14
    assert {"/", "/tasks", "/api/task/async-apply/trading.tasks.lead", "/api/worker/shutdown/worker@here"} <= found


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_no_route_changes_anything(flower: Flower, redis_client: "redis.Redis", method: str, path: str) -> None:
    answer = flower.ask(method, path, flower.password)
    if method == "POST" and path in OPERATIONS:
        # Not for what is asked, but for asking: whatever worker or task it names.
        assert answer.status_code == 403
    elif method == "POST" and path == READS:
        assert answer.status_code == 400, "it wants to know which rows"
    else:
        assert answer.status_code in (403, 404, 405), answer.text[:300]
    assert not list(connect().scan_iter(_type="LIST")), "no task waits in a queue"


@pytest.mark.parametrize("path", PATHS)
def test_every_route_asks_for_the_password_but_what_it_draws_itself_with(flower: Flower, path: str) -> None:
    answer = flower.ask("GET", path)
    is_open = path.startswith(("/static", "/login", "/logout", "/no-such-page"))
    # 405: it is an operation, and nothing to look at.
    assert is_open or answer.status_code == (405 if path in OPERATIONS else 401)


@pytest.mark.parametrize("path", PATHS)
def test_no_page_shows_the_brokers_password(flower: Flower, path: str) -> None:
    password = connect().connection_pool.connection_kwargs["password"]
    assert password not in flower.ask("GET", path, flower.password).text


def test_its_pages_offer_no_button_that_would_not_work(flower: Flower) -> None:
    assert flower.ask("GET", "/workers", flower.password).status_code == 200
    for words in ("Shut Down", "Revoke", "Restart Pool"):
        assert words not in flower.ask("GET", "/workers", flower.password).text


# Last, for it closes the door for a while.
def test_sixty_wrong_passwords_in_a_row_are_not_served(flower: Flower) -> None:
    codes = [flower.ask("GET", "/api/workers", f"wrong{number}").status_code for number in range(60)]
    assert codes == [401] * tries.FREE_TRIES + [429] * (60 - tries.FREE_TRIES)
    told = flower.ask("GET", "/api/workers", flower.password)
    assert told.status_code == 429
    assert "Too many wrong passwords. Wait a minute" in told.text
    # Who says no password is asked for one, and so found alive.
    assert flower.ask("GET", "/healthcheck").status_code == 401

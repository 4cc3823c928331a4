"""`manage.py move-database`: everything from SQLite to PostgreSQL and back, to the last unit, or nothing."""

import json
import re
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.db import connections
from django.db.utils import ConnectionHandler
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from hedgehog_project.env import database_at
from hedgehog_project.heartbeats import Heart
from hedgehog_project.ports import HOST, free_port
from hedgehog_project.redis import connect
from tests.support.environment import MAKE_RUN
from tests.support.machine import postgres as postgres_support
from tests.support.machine.processes import Processes
from tests.support.rows import make_cycle, make_story
from trading.core.strategy import TraderState
from trading.models import JournalEntry, Order, Symbol, Trader

SECRET = "Falcon"


@pytest.fixture
def environment(processes: Processes, tmp_path: Path) -> Processes:
    """A home of its own, in whose Redis nobody beats."""
    nobody = f"redis://{HOST}:{free_port()}/0"
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "redis.url").write_text(nobody)
    processes.environment |= {"HEDGEHOG_HOME": str(tmp_path / "home"), "REDIS_URL": "", "DATABASE_URL": ""}
    return processes


@contextmanager
def looked_into(address: str, blocker: DjangoDbBlocker) -> Iterator[None]:
    """Within it, our models mean the rows of this database."""
    before = connections["default"]
    connections["default"] = ConnectionHandler({"default": database_at(address, "URL")})["default"]
    try:
        with blocker.unblock():
            yield
    finally:
        connections["default"].close()
        connections["default"] = before


def everything() -> dict[str, Any]:
    models = [model for model in apps.get_models(include_auto_created=True) if model._meta.managed]
    return {model._meta.label: list(model._base_manager.order_by("pk").values()) for model in models}


@pytest.fixture
def sqlite(environment: Processes, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/old.sqlite3"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Path:
    """A database after a day of trading."""
    folder = tmp_path_factory.mktemp("template")
    address = f"sqlite:///{folder}/rows.sqlite3"
    processes = Processes(folder, HEDGEHOG_HOME=folder, REDIS_URL="", DATABASE_URL=address)
    for command in (["migrate", "--verbosity=0"], ["setup"]):
        assert processes.run(*command).returncode == 0
    with looked_into(address, django_db_blocker):
        symbol = Symbol.objects.get(name="ETHUSDT")
        Symbol.objects.update(quote_asset="USDT", base_asset="ETH")
        make_story(symbol)
        for number in range(1, 30):
            make_cycle(symbol, f"0.{number:08}")
        # What fills the columns to their ends, and what a database might see otherwise.
        Trader.objects.filter(profit__isnull=False).update(budget="92233720368.54775807")
        JournalEntry.objects.update(reason="Grün, 币安, 😀 'quoted' \\ %s\n%%")
        # An id that was given and is gone.
        make_cycle(symbol, "1").delete()
        symbol.settings.strategy_settings = {"b": "1.10", "a": None, "c": [1, {"z": True, "y": False}]}
        symbol.settings.save()
    return folder / "rows.sqlite3"


@pytest.fixture
def filled(environment: Processes, sqlite: str, template: Path) -> str:
    """A database of one's own after a day of trading: its address."""
    shutil.copy(template, sqlite.removeprefix("sqlite:///"))
    return sqlite


def move(processes: Processes, of: str, to: str, *options: str, name: str = "move-database") -> tuple[int, str, str]:
    moved = processes.run(name, to, *options, DATABASE_URL=of, timeout_s=120)
    assert "Traceback" not in moved.stderr, moved.stderr
    return moved.returncode, moved.stdout, moved.stderr


def test_everything_moves_to_postgresql_and_back_to_the_last_unit(
    environment: Processes,
    filled: str,
    postgres: postgres_support.Cluster,
    tmp_path: Path,
    django_db_blocker: DjangoDbBlocker,
) -> None:
    new, back = postgres.create(), f"sqlite:///{tmp_path}/back.sqlite3"
    with looked_into(filled, django_db_blocker):
        before = everything()
    code, out, error = move(environment, filled, new)
    assert (code, error) == (0, "")
    rows = sum(map(len, before.values()))
    assert f"{rows} rows moved; all rows and the sums above match." in out
    assert re.search(r"^trading_trader +30 .*profit 0\.00000435", out, re.MULTILINE)
    assert re.search(r"^trading_fill +1 +sums: .*quantity 0\.0667", out, re.MULTILINE)
    with looked_into(new, django_db_blocker):
        assert everything() == before
    assert move(environment, new, back, name="move_database")[0] == 0
    for address in (filled, back):
        with looked_into(address, django_db_blocker):
            assert everything() == before


@pytest.mark.parametrize("to", ["postgresql", "sqlite"])
def test_no_id_is_given_twice_not_even_one_whose_row_is_gone(
    environment: Processes,
    filled: str,
    postgres: postgres_support.Cluster,
    tmp_path: Path,
    django_db_blocker: DjangoDbBlocker,
    to: str,
) -> None:
    new = postgres.create() if to == "postgresql" else f"sqlite:///{tmp_path}/new.sqlite3"
    assert move(environment, filled, new)[0] == 0
    with looked_into(new, django_db_blocker):
        last = Trader.objects.order_by("pk").last()
        assert last is not None
        assert make_cycle(Symbol.objects.get(name="ETHUSDT"), "1").pk == last.pk + 2
        # A table that is still empty counts from its beginning.
        assert Order.objects.count() == 2


def test_what_was_moved_trades_on(environment: Processes, filled: str, postgres: postgres_support.Cluster) -> None:
    new = postgres.create()
    assert move(environment, filled, new)[0] == 0
    told = environment.run("status", "--json", DATABASE_URL=new)
    assert {line["symbol"] for line in json.loads(told.stdout)["symbols"]} == {"ETHUSDT", "BTCUSDT"}
    again = environment.run("setup", DATABASE_URL=new)
    assert (again.returncode, again.stdout) == (0, ""), "it is no new database"


def test_a_dry_run_counts_and_changes_nothing(
    environment: Processes, filled: str, postgres: postgres_support.Cluster, tmp_path: Path
) -> None:
    new = postgres.create()
    code, out, _ = move(environment, filled, new, "--dry-run")
    assert code == 0
    assert re.search(r"^trading_trader +30$", out, re.MULTILINE)
    assert "Dry run: nothing was changed." in out
    with psycopg.connect(new) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
    assert move(environment, filled, f"sqlite:///{tmp_path}/new.sqlite3", "--dry-run")[0] == 0
    assert not (tmp_path / "new.sqlite3").exists()
    code, _, error = move(environment, filled, f"sqlite:///{tmp_path}/no/folder/new.sqlite3", "--dry-run")
    assert code == 1
    assert f"Folder not found: {tmp_path}/no/folder" in error


def test_the_address_may_stand_in_a_variable(environment: Processes, filled: str, tmp_path: Path) -> None:
    (tmp_path / "address").write_text(f"sqlite:///{tmp_path}/new.sqlite3\n")
    moved = environment.run("move-database", "@NEW_URL", DATABASE_URL=filled, NEW_URL_FILE=tmp_path / "address")
    assert moved.returncode == 0, moved.stderr
    assert (tmp_path / "new.sqlite3").exists()


class TestIsRefused:
    def test_while_make_run_runs(self, environment: Processes, filled: str, tmp_path: Path) -> None:
        ports = {name: free_port() for name in ("WEB_PORT", "FLOWER_PORT", "MOCK_PORT")}
        (tmp_path / "home" / "redis.url").unlink()
        running = environment.start(*MAKE_RUN, name="run", DATABASE_URL=filled, **ports)
        environment.wait_for(lambda: "Hedgehog is starting" in running.output, 30)
        code, _, error = move(environment, filled, f"sqlite:///{tmp_path}/new.sqlite3")
        assert code == 1
        assert f"Hedgehog is already running in {tmp_path / 'home'} (process {running.pid})" in error

    def test_while_anything_beats_on_any_machine(
        self, environment: Processes, filled: str, tmp_path: Path, redis_client: object
    ) -> None:
        Heart(connect(), "worker").beat()
        kwargs = connect().connection_pool.connection_kwargs
        address = f"redis://:{kwargs['password']}@{kwargs['host']}:{kwargs['port']}/0"
        refused = environment.run(
            "move-database", f"sqlite:///{tmp_path}/new.sqlite3", DATABASE_URL=filled, REDIS_URL=address
        )
        assert refused.returncode == 1
        assert re.search(r"The worker on \S+ \(process \d+\) is still running: stop Hedgehog first", refused.stderr)
        assert not (tmp_path / "new.sqlite3").exists()

    def test_where_nobody_can_tell_what_runs(self, environment: Processes, filled: str, tmp_path: Path) -> None:
        refused = environment.run(
            "move-database",
            f"sqlite:///{tmp_path}/new.sqlite3",
            DATABASE_URL=filled,
            REDIS_URL=f"redis://{HOST}:{free_port()}/0",
        )
        assert refused.returncode == 1
        assert "REDIS_URL does not answer, so processes on other machines cannot be seen" in refused.stderr

    def test_while_somebody_writes(self, environment: Processes, filled: str, tmp_path: Path) -> None:
        with sqlite3.connect(filled.removeprefix("sqlite:///"), isolation_level=None) as writer:
            writer.execute("BEGIN IMMEDIATE")
            code, _, error = move(environment, filled, f"sqlite:///{tmp_path}/new.sqlite3")
        assert code == 1
        assert "Another process writes to the database (database is locked): stop it first." in error

    @pytest.mark.parametrize("of", ["sqlite", "postgresql"])
    def test_where_the_new_one_is_somebody_elses(
        self, environment: Processes, filled: str, tmp_path: Path, postgres: postgres_support.Cluster, of: str
    ) -> None:
        if of == "sqlite":
            new = f"sqlite:///{tmp_path}/new.sqlite3"
            with sqlite3.connect(tmp_path / "new.sqlite3") as connection:
                connection.execute("CREATE TABLE a_stranger (x INTEGER)")
        else:
            new = postgres.create()
            with psycopg.connect(new) as other:
                other.execute("CREATE TABLE a_stranger (x INTEGER)")
        code, _, error = move(environment, filled, new)
        assert code == 1
        assert "The new database is not empty: it has a table a_stranger." in error

    def test_where_another_hedgehog_has_used_it(self, environment: Processes, filled: str, tmp_path: Path) -> None:
        new = f"sqlite:///{tmp_path}/new.sqlite3"
        for command in (["migrate", "--verbosity=0"], ["setup", "--no-admin"]):
            assert environment.run(*command, DATABASE_URL=new).returncode == 0
        code, _, error = move(environment, filled, new)
        assert code == 1
        assert re.search(r"The new database is not empty: its table \w+ has rows\.", error)

    def test_where_it_is_the_one_in_use(self, environment: Processes, filled: str) -> None:
        code, _, error = move(environment, filled, filled)
        assert code == 1
        assert "That is the database already in use." in error

    def test_where_the_old_one_lacks_migrations(self, environment: Processes, sqlite: str, tmp_path: Path) -> None:
        assert environment.run("migrate", "trading", "0009", "--verbosity=0", DATABASE_URL=sqlite).returncode == 0
        code, _, error = move(environment, sqlite, f"sqlite:///{tmp_path}/new.sqlite3")
        assert code == 1
        assert "run `manage.py migrate` first" in error

    @pytest.mark.parametrize(
        "address",
        [
            f"postgresql://Jackdaw:{SECRET}/1@{HOST}/db",
            f"postgresql://Jackdaw:{SECRET}@{HOST}:1/db",
            f"mysql://Jackdaw:{SECRET}@{HOST}/db",
            "nonsense",
        ],
    )
    def test_where_it_can_not_be_reached_without_a_word_of_its_password(
        self, environment: Processes, filled: str, address: str
    ) -> None:
        code, out, error = move(environment, filled, address)
        assert code == 1
        assert len(error.splitlines()) == 1
        assert SECRET not in out + error
        assert "Jackdaw" not in out + error

    def test_where_a_text_does_not_fit(
        self,
        environment: Processes,
        filled: str,
        postgres: postgres_support.Cluster,
        django_db_blocker: DjangoDbBlocker,
    ) -> None:
        """SQLite keeps what is longer than its column."""
        with looked_into(filled, django_db_blocker):
            JournalEntry.objects.update(reason="x" * 501)
        new = postgres.create()
        code, _, error = move(environment, filled, new)
        assert code == 1
        assert re.search(r"trading_journalentry, from the row \d+ on: value too long", error)
        assert nothing_in(new)
        with looked_into(filled, django_db_blocker):
            JournalEntry.objects.update(reason="x")
        assert move(environment, filled, new)[0] == 0, "an attempt that failed is in nobody's way"


def nothing_in(address: str) -> bool:
    with psycopg.connect(address) as connection:
        return connection.execute("SELECT count(*) FROM trading_symbol").fetchone() == (0,)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_an_end_on_the_way_leaves_nothing_and_the_next_one_succeeds(
    environment: Processes,
    filled: str,
    postgres: postgres_support.Cluster,
    django_db_blocker: DjangoDbBlocker,
    end: signal.Signals,
) -> None:
    with looked_into(filled, django_db_blocker):
        symbol = Symbol.objects.get(name="ETHUSDT")
        ended: dict[str, Any] = {"state": TraderState.FINISHED, "finished_at": timezone.now(), "budget": Decimal(1)}
        Trader.objects.bulk_create(Trader(symbol=symbol, venue="mock", slot=1, **ended) for _ in range(20_000))
    new = postgres.create()
    moving_on = environment.manage("move-database", new, DATABASE_URL=filled)

    def is_on_the_way() -> bool:
        with psycopg.connect(new, autocommit=True) as connection:
            busy = (
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND query LIKE 'INSERT%trading_trader%'"
            )
            return connection.execute(busy).fetchone() != (0,)

    environment.wait_for(is_on_the_way, 60, "rows on their way")
    moving_on.signal(end)
    moving_on.wait(20)
    assert "Traceback" not in moving_on.output
    assert nothing_in(new)
    assert move(environment, filled, new)[0] == 0
    with psycopg.connect(new) as connection:
        assert connection.execute("SELECT count(*) FROM trading_trader").fetchone() == (20_030,)


SPOILS = """
from hedgehog_project.env import database_at
from console import moving

def spoils(old, new):
    with new.cursor() as cursor:
        cursor.execute({change!r})

moving._go_on_counting = spoils
try:
    moving.move(database_at({address!r}, "URL"), lambda table, done, of: None)
except moving.CannotMove as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "UPDATE trading_fill SET commission = commission + 1",
            "trading_fill: commission sums up to 0.0000667, and to",
        ),
        ("DELETE FROM trading_fill", "trading_fill: 1 rows, and 0 arrived"),
        ("UPDATE trading_journalentry SET reason = 'another'", "trading_journalentry: some values differ"),
    ],
)
def test_a_row_that_arrives_otherwise_than_it_was_sent_is_noticed(
    environment: Processes, filled: str, tmp_path: Path, change: str, words: str
) -> None:
    script = SPOILS.format(change=change, address=f"sqlite:///{tmp_path}/new.sqlite3")
    told = environment.run("shell", "--no-imports", "-c", script, DATABASE_URL=filled, timeout_s=120)
    assert told.stdout.startswith(words), told.stderr
    with sqlite3.connect(tmp_path / "new.sqlite3") as connection:
        assert connection.execute("SELECT count(*) FROM trading_fill").fetchone() == (0,)

"""Sessions on PostgreSQL: whoever dies or stands still in a transaction keeps others waiting for seconds only."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, IntegrityError, OperationalError, ProgrammingError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler
from django.test.utils import CaptureQueriesContext
from pytest_django.plugin import DjangoDbBlocker

from hedgehog_project import env
from hedgehog_project.database import sessions
from hedgehog_project.database.errors import passes
from tests.support.machine.postgres import Cluster

URL = "postgresql://u:p@127.0.0.1/n"


@pytest.fixture
def connect(
    postgres: Cluster, monkeypatch: pytest.MonkeyPatch, django_db_blocker: DjangoDbBlocker
) -> Iterator["Connect"]:
    monkeypatch.setattr(sessions, "_serves", False)
    with django_db_blocker.unblock():
        connect = Connect(postgres.create(), monkeypatch)
        yield connect
        for connection in connect.made:
            connection.close()


class Connect:
    """Makes connections to one new database as settings.py has them made."""

    def __init__(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.url, self.monkeypatch = url, monkeypatch
        self.made: list[BaseDatabaseWrapper] = []

    def __call__(self, query: str = "") -> BaseDatabaseWrapper:
        self.monkeypatch.setenv("DATABASE_URL", self.url + query)
        connection = ConnectionHandler({"default": env.database(env.home())})["default"]
        self.made.append(connection)
        return connection


class _atomic:  # noqa: N801
    """atomic() for a connection that no alias names."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection

    def __enter__(self) -> None:
        self.connection.set_autocommit(False)

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self.connection.commit()
            self.connection.set_autocommit(True)
        else:
            self.connection.close()


def shown(connection: BaseDatabaseWrapper, name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        return str(cursor.fetchone()[0])


def test_each_new_session_is_told_how_long_it_may_keep_others_waiting(connect: Connect) -> None:
    connection = connect()
    told = {name: shown(connection, name) for name in (*sessions.DEFAULTS, *sessions.SERVING)}
    assert told == {
        "idle_in_transaction_session_timeout": "10s",
        "lock_timeout": "4s",
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "20000",
        "statement_timeout": "0",
    }


def test_only_processes_that_serve_end_long_statements(connect: Connect) -> None:
    assert shown(connect("?statement_timeout=2s"), "statement_timeout") == "0"
    sessions.serve()
    assert shown(connect(), "statement_timeout") == "30s"
    assert shown(connect("?statement_timeout=2s"), "statement_timeout") == "2s"


def test_the_address_may_say_otherwise(connect: Connect) -> None:
    connection = connect("?lock_timeout=500ms&tcp_user_timeout=9000&keepalives_idle=4&application_name=x")
    assert (shown(connection, "lock_timeout"), shown(connection, "tcp_user_timeout")) == ("500ms", "9000")
    assert shown(connection, "application_name") == "x"
    parameters = connection.get_connection_params()
    assert (parameters["tcp_user_timeout"], parameters["keepalives_idle"]) == (9000, 4)
    assert parameters["connect_timeout"] == 5
    assert "lock_timeout" not in parameters, "a pooler refuses it when a connection begins"


def test_a_connection_that_the_server_has_ended_is_not_used_again(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, other = connect(), connect()
    monkeypatch.setattr(sessions.connections, "all", lambda initialized_only: [ours])
    with ours.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()
    before = ours.connection
    with CaptureQueriesContext(ours) as asked:
        sessions.close_unusable()
    assert ours.connection is before and not asked.captured_queries
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [backend])
    time.sleep(0.2)
    sessions.close_unusable()
    with ours.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
    assert ours.connection is not before


@pytest.mark.parametrize(("query", "are_prepared"), [("", True), ("?prepare_threshold=off", False)])
def test_what_is_asked_often_is_prepared_unless_the_address_says_otherwise(
    connect: Connect, query: str, are_prepared: bool
) -> None:
    connection = connect(query)
    with connection.cursor() as cursor:
        for number in range(6):
            cursor.execute("SELECT %s + 1", [number])
            assert cursor.fetchone() == (number + 1,)
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s", ["%+ 1%"])
        assert cursor.fetchone() == (int(are_prepared),)


@pytest.mark.parametrize("query", ["lock_timeout=soon", "statement_timeout=-1", "tcp_user_timeout=9s"])
def test_a_time_that_is_none_is_one_line_that_names_it(monkeypatch: pytest.MonkeyPatch, query: str) -> None:
    monkeypatch.setenv("DATABASE_URL", f"{URL}?{query}")
    with pytest.raises(ImproperlyConfigured, match=f"DATABASE_URL: {query.partition('=')[0]} must be a"):
        env.database(env.home())


def test_a_process_that_stands_still_in_a_transaction_loses_its_locks(connect: Connect) -> None:
    frozen, other = connect("?idle_in_transaction_session_timeout=300ms"), connect()
    with other.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1)")
    with pytest.raises(Error) as ended, _atomic(frozen):
        frozen.cursor().execute("SELECT * FROM t FOR UPDATE")
        began = time.monotonic()
        with _atomic(other):
            other.cursor().execute("SELECT * FROM t FOR UPDATE")
        assert time.monotonic() - began < 3
        frozen.cursor().execute("SELECT 1")
    assert passes(ended.value), "it begins anew"


def test_a_lock_that_does_not_come_is_given_up_and_may_come_the_next_time(connect: Connect) -> None:
    one, other = connect(), connect("?lock_timeout=200ms")
    with one.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1)")
    with _atomic(one):
        one.cursor().execute("SELECT * FROM t FOR UPDATE")
        with pytest.raises(OperationalError) as error, _atomic(other):
            other.cursor().execute("SELECT * FROM t FOR UPDATE")
    assert passes(error.value)


@pytest.mark.parametrize(
    ("statement", "is_passing"),
    [
        ("SELECT pg_sleep(9)", True),  # takes too long
        ("SELECT pg_terminate_backend(pg_backend_pid())", True),
        ("SELECT * FROM nowhere", False),
        ("CREATE TABLE u (id int UNIQUE); INSERT INTO u VALUES (1), (1)", False),
        ("SELECT 1 / 0", False),
    ],
)
def test_which_errors_pass_by_themselves(connect: Connect, statement: str, is_passing: bool) -> None:
    connection = connect()
    with pytest.raises(Error) as error:
        connection.cursor().execute(f"SET statement_timeout = '200ms'; {statement}")
    assert passes(error.value) is is_passing


def test_a_server_that_is_away_passes_too(connect: Connect) -> None:
    connect.url = "postgresql://u:p@127.0.0.1:1/n"
    with pytest.raises(OperationalError) as error:
        connect().ensure_connection()
    assert passes(error.value)


def test_a_locked_sqlite_passes(
    monkeypatch: pytest.MonkeyPatch, django_db_blocker: DjangoDbBlocker, tmp_path: Path
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    entry = env.database(tmp_path)
    entry["OPTIONS"] |= {"timeout": 0.1, "init_command": "PRAGMA journal_mode=WAL; PRAGMA busy_timeout=100;"}
    one, other = (ConnectionHandler({"default": entry})["default"] for _ in range(2))
    with django_db_blocker.unblock():
        one.cursor().execute("CREATE TABLE t (id int)")
        one.cursor().execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError, match="database is locked") as error:
            other.cursor().execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError) as missing:
            other.cursor().execute("SELECT * FROM nowhere")
        one.close()
        other.close()
    assert passes(error.value)
    assert not passes(missing.value)


def test_other_errors_do_not_pass() -> None:
    assert not passes(None)
    assert not passes(ValueError("database is locked"))
    assert not passes(IntegrityError("UNIQUE constraint failed"))
    assert not passes(ProgrammingError("no such column"))

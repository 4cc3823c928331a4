"""Secrets that nobody could mistake, in every setting that may hold one: no message carries a piece of any."""

import re
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from Crypto.PublicKey import ECC
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from hedgehog_project.checks import check_redis_url
from hedgehog_project.env import database, env
from hedgehog_project.ports import HOST, free_port
from tests.support.environment import MAKE_RUN, ROOT, setting_names
from tests.support.machine import postgres as postgres_support
from tests.support.machine.processes import Processes

PEM = ECC.generate(curve="Ed25519").export_key(format="PEM")
# Each has its own word, so that a failure says which one showed.
PLANTED = {
    "SECRET_KEY": "$QuailSecretKeyOfTheAdmin",
    "BINANCE_API_KEY": "OtterApiKeyOfLive",
    "BINANCE_API_SECRET": "$BadgerSecretOfLive",
    "TESTNET_API_KEY": "HeronApiKeyOfTestnet",
    "TESTNET_PRIVATE_KEY": PEM.replace("\n", "\\n"),
    "TESTNET_PRIVATE_KEY_PASSWORD": "WeaselPasswordOfAPem",
    "DEMO_API_KEY": "CuckooApiKeyOfDemo",
    "DEMO_API_SECRET": "MartenSecretOfDemo",
    "MOCK_API_KEY": "LizardApiKeyOfTheMock",
    "MOCK_API_SECRET": "BeaverSecretOfTheMock",
}
PASSWORD = "Falcon/Pass:word#Of?Database@Here"
REDIS_PASSWORD = "Stork/Pass:word#Of?Redis@Here"
PROXY_PASSWORD = "MagpieOfTheProxy"
USER = "JackdawUser"
# A piece of any of these is too much.
WORDS = re.compile(
    "Quail|Otter|Badger|Heron|Weasel|Cuckoo|Marten|Lizard|Beaver|Falcon|Pass:word|word#Of|Of\\?|Database@|Redis@|@Here"
    f"|Stork|Magpie|Jackdaw|{re.escape(PEM.splitlines()[1])}"
)


def escaped(text: str) -> str:
    return "".join(f"%{ord(letter):02X}" if letter in "/:#?@%" else letter for letter in text)


def shows_nothing(text: str) -> None:
    found = WORDS.search(text)
    assert not found, f"…{text[max(0, found.start() - 150) : found.end() + 100]}…"


def test_every_setting_that_may_hold_a_secret_has_one_planted() -> None:
    looks_secret = {name for name in setting_names() if re.search("KEY|SECRET|PASSWORD", name)} - {
        "HEDGEHOG_KEY_FACTS"
    }
    spared = {
        name
        for name in looks_secret
        # Either a secret or a private key; and what is public or a yes or no.
        if re.search("PUBLIC_KEY|KEY_FACTS|_WITHDRAW|(BINANCE|DEMO|MOCK)_PRIVATE_KEY|TESTNET_API_SECRET", name)
    }
    assert looks_secret - spared == PLANTED.keys()


@pytest.fixture
def planted(processes: Processes, tmp_path: Path) -> Processes:
    nobody = f"{HOST}:{free_port()}"
    processes.environment |= {
        **PLANTED,
        "HEDGEHOG_HOME": str(tmp_path / "home"),
        "HEDGEHOG_ALLOW_LIVE": "1",
        "LOG_LEVEL": "DEBUG",
        "DATABASE_URL": f"postgresql://{USER}:{escaped(PASSWORD)}@{nobody}/hedgehog",
        "REDIS_URL": f"redis://{USER}:{escaped(REDIS_PASSWORD)}@{nobody}/0",
        "https_proxy": f"http://{USER}:{PROXY_PASSWORD}@{nobody}",
    }
    return processes


def said(processes: Processes, *command: str, timeout_s: float = 60, **environment: Any) -> str:
    """All that a program says until it ends, or for so long."""
    program = processes.start(*command, **environment)
    try:
        program.wait(timeout_s)
    except AssertionError:
        program.kill()
    return program.output


def manage(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "manage.py", *arguments)


CELERY = (sys.executable, "-m", "celery", "-A", "hedgehog_project")
GUNICORN = (
    *(sys.executable, "-m", "gunicorn", "console.asgi"),
    *("--bind", f"{HOST}:0", "--config=hedgehog_project/web_config.py"),
)

BEFORE_THE_AT = ["/", "#1/", "?1/", ":9/"]
BAD_DATABASES = [
    *(f"postgresql://{USER}:Falcon{mark}Ofx@host/db" for mark in BEFORE_THE_AT),
    f"postgresql://{USER}:Falcon/db",
    f"postgresql://{USER}:99999/Falcon@host/db",
    f"postgresql://{USER}:5432/Falcon@host/db",
    f"postgresql://{USER}:Falcon@host:Jackdaw/db",
    f"postgresql://{USER}:Falcon@host",
    f"mysql://{USER}:Falcon@host/db",
    f"sqlite://{USER}:Falcon@host/db",
    f"{USER}:Falcon@host/db",
    "$Falcon",
]
BAD_REDIS = [
    *(f"redis://{USER}:Stork{mark}Of@host:6379/0" for mark in BEFORE_THE_AT),
    "redis://:6379/Stork@host/0",
    f"redis://{USER}:Stork/0",
    f"rediss://{USER}:Sto℀rk@host/0",
    f"http://{USER}:Stork@host/0",
    f"{USER}:Stork@host",
    "redis://host/0?socket_timeout=Stork",
]


@pytest.mark.parametrize("address", BAD_DATABASES)
def test_a_database_address_that_cannot_be_read_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", address)
    with pytest.raises(ImproperlyConfigured, match=r"^DATABASE_URL ") as refused:
        database(tmp_path)
    # With all that a traceback of it would show.
    shows_nothing("".join(traceback.format_exception_only(refused.value)))
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize("address", BAD_REDIS)
def test_a_redis_address_that_cannot_be_read_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, address: str
) -> None:
    monkeypatch.setenv("REDIS_URL", address)
    try:
        settings.REDIS_URL = env.address("REDIS_URL")
    except ImproperlyConfigured as refused:
        shows_nothing(str(refused))
        return
    # What is no address of Redis is found by a check.
    (message,) = check_redis_url()
    shows_nothing(str(message))


def test_the_advice_is_to_escape_what_stands_before_the_at(planted: Processes) -> None:
    for name, address in (("DATABASE_URL", BAD_DATABASES[0]), ("REDIS_URL", BAD_REDIS[0])):
        named: dict[str, Any] = {"DATABASE_URL": "", "REDIS_URL": "", name: address}
        ended = planted.run("status", **named)
        assert ended.stderr.startswith(f"hedgehog: {name} cannot be read: it has a /, ? or # before its @")
        assert "write / as %2F, ? as %3F, # as %23, @ as %40" in ended.stderr


def test_an_escaped_password_of_all_these_letters_is_understood(planted: Processes) -> None:
    script = (
        "from django.conf import settings; from urllib.parse import unquote; import redis\n"
        f"assert settings.DATABASES['default']['PASSWORD'] == {PASSWORD!r}\n"
        "redis = redis.ConnectionPool.from_url(settings.REDIS_URL).connection_kwargs\n"
        f"assert redis['password'] == {REDIS_PASSWORD!r}"
    )
    ended = planted.run("shell", "--no-imports", "-c", script)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("program", [MAKE_RUN, (*CELERY, "worker"), GUNICORN, manage("mock_exchange")], ids=str)
@pytest.mark.parametrize(
    "bad", [{"DATABASE_URL": BAD_DATABASES[0]}, {"REDIS_URL": BAD_REDIS[0]}, {"REDIS_URL": BAD_REDIS[3]}], ids=str
)
def test_no_program_repeats_an_address_that_cannot_be_read(
    planted: Processes, program: tuple[str, ...], bad: dict[str, str]
) -> None:
    named: dict[str, Any] = {"DATABASE_URL": "", "REDIS_URL": "", **bad}
    text = said(planted, *program, timeout_s=20, **named)
    assert "cannot be read" in text
    shows_nothing(text)


COMMANDS = [
    *(("status",), ("status", "--json"), ("why", "ETHUSDT"), ("profit",), ("profit", "--by", "cycle")),
    *(("trade", "ETHUSDT", "on"), ("trade", "ETHUSDT", "off"), ("symbols", "sync"), ("symbols", "list")),
    *(("symbols", "apply", "careful", "--on"), ("export", "trades", "--year", "2026"), ("resume",), ("halt",)),
    *(("check_exchange", "live"), ("check_exchange", "testnet"), ("reconcile",), ("orphans",), ("audit",)),
    *(("faults", "list"), ("faults", "show"), ("setup",), ("check",), ("migrate",), ("showmigrations",)),
    *(("diffsettings", "--all"), ("dumpdata",), ("changepassword", "admin"), ("createsuperuser", "--noinput")),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_shows_a_secret_while_nobody_answers(planted: Processes, command: tuple[str, ...]) -> None:
    text = said(planted, *manage(*command), timeout_s=30)
    assert text
    shows_nothing(text)


@pytest.mark.parametrize("command", [("status",), ("reconcile",), ("migrate",)], ids=" ".join)
def test_not_even_a_traceback_that_was_asked_for_shows_one(planted: Processes, command: tuple[str, ...]) -> None:
    text = said(planted, *manage(*command, "--traceback"), timeout_s=30)
    shows_nothing(text)


@pytest.mark.parametrize(
    "program",
    [
        MAKE_RUN,
        (*CELERY, "worker", "-P", "threads", "-c", "1"),
        (*CELERY, "beat", "--pidfile="),
        (*CELERY, "flower", "--conf=hedgehog_project/flower_config.py"),
        manage("stream"),
        manage("dispatch"),
        manage("mock_exchange"),
    ],
    ids=str,
)
def test_no_program_shows_a_secret_while_nobody_answers(planted: Processes, program: tuple[str, ...]) -> None:
    # Celery itself names the broker's user when it begins: here it has none.
    redis_url = f"redis://:{escaped(REDIS_PASSWORD)}@{HOST}:{free_port()}/0"
    shows_nothing(said(planted, *program, timeout_s=6, REDIS_URL=redis_url))


@pytest.fixture(scope="module")
def cluster() -> Iterator[postgres_support.Cluster]:
    if postgres_support.bin_folder() is None:
        pytest.skip(postgres_support.NOT_INSTALLED)
    cluster = postgres_support.Cluster()
    yield cluster
    cluster.stop()


@pytest.mark.parametrize("command", [("status",), ("migrate",), ("halt",)], ids=" ".join)
def test_a_database_that_turns_us_away_is_told_without_user_and_password(
    planted: Processes, cluster: postgres_support.Cluster, command: tuple[str, ...]
) -> None:
    address = f"postgresql://{USER}:{escaped(PASSWORD)}@{HOST}:{cluster.port}/hedgehog"
    text = said(planted, *manage(*command), timeout_s=30, DATABASE_URL=address)
    assert "password authentication failed" in text
    shows_nothing(text)


@pytest.mark.parametrize(
    "name", ["BINANCE_API_KEY", "TESTNET_PRIVATE_KEY", "MOCK_API_SECRET", "SECRET_KEY", "DATABASE_URL", "REDIS_URL"]
)
def test_a_secret_in_the_place_of_its_files_name_is_not_repeated(planted: Processes, name: str) -> None:
    named: dict[str, Any] = {"DATABASE_URL": "", "REDIS_URL": "", name: "", f"{name}_FILE": "Otter/Badger/Falcon"}
    ended = planted.run("check", **named)
    assert ended.returncode != 0
    assert f"{name}_FILE cannot be read: No such file or directory" in ended.stderr
    shows_nothing(ended.stdout + ended.stderr)


EXCHANGE = ("check", "stream ETHUSDT --market live", "check_exchange live")


@pytest.mark.parametrize("command", EXCHANGE)
@pytest.mark.parametrize("of", ["REST", "STREAM"])
def test_an_exchanges_address_with_a_password_is_refused_and_not_repeated(
    planted: Processes, command: str, of: str
) -> None:
    named: dict[str, Any] = {"DATABASE_URL": "", "REDIS_URL": "", f"LIVE_{of}_URL": f"https://{USER}:Otter/1@host"}
    text = said(planted, *manage(*command.split()), timeout_s=20, **named)
    assert f"LIVE_{of}_URL must name a host, and no user or password" in text
    shows_nothing(text)


@pytest.mark.parametrize("command", EXCHANGE)
def test_a_proxys_address_that_cannot_be_read_is_not_repeated(planted: Processes, command: str) -> None:
    proxy = f"http://{USER}:{PROXY_PASSWORD}/1@{HOST}:1"
    named: dict[str, Any] = {"ALL_PROXY": proxy, "DATABASE_URL": "", "REDIS_URL": ""}
    text = said(planted, *manage(*command.split()), timeout_s=20, **named)
    assert "ALL_PROXY cannot be read" in text
    shows_nothing(text)


def test_no_secret_of_the_settings_stands_in_the_projects_own_files() -> None:
    """Where `grep` finds nothing, nothing was left behind by these tests."""
    found = subprocess.run(["git", "grep", "-l", USER], cwd=ROOT, capture_output=True, text=True, check=False)
    assert set(found.stdout.split()) <= {"tests/hedgehog_project/test_planted_secrets.py"}

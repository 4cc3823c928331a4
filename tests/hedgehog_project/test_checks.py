"""What is misconfigured is said in one line that helps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from Crypto.PublicKey import ECC
from django.core.checks import CheckMessage
from pytest_django import Settings

from binance_mock.checks import check_symbols
from hedgehog_project import checks
from hedgehog_project.launch import preflight
from hedgehog_project.venues import Venue, endpoints
from tests.support.machine.disk import fill, tiny_disk
from tests.support.machine.processes import Processes

PEM = ECC.generate(curve="Ed25519").export_key(format="PEM")
Check = Callable[..., list[CheckMessage]]


@pytest.mark.parametrize(
    ("check", "wrong", "words"),
    [
        (checks.check_ports, {"WEB_PORT": 0}, "WEB_PORT=0 is not a port"),
        (checks.check_ports, {"MOCK_PORT": 65536}, "MOCK_PORT=65536 is not a port"),
        (checks.check_ports, {"WEB_PORT": 5000, "FLOWER_PORT": 5000}, "FLOWER_PORT and WEB_PORT are both 5000"),
        (checks.check_market, {"MARKET": "moon"}, "MARKET=moon: unknown market"),
        (checks.check_market, {"MARKET": "replay:"}, "no file given"),
        (checks.check_market, {"MARKET": "replay:/nowhere/trades.csv@50"}, "file not found: /nowhere/trades.csv"),
        (checks.check_market, {"MARKET": f"replay:{__file__}@fast"}, "'fast' is not a number"),
        (checks.check_market, {"MARKET": f"replay:{__file__}@0"}, "0 is not above 0"),
        (checks.check_market, {"MARKET": f"replay:{__file__}@NaN"}, "NaN is not above 0"),
        (checks.check_symbols, {"HEDGEHOG_SYMBOLS": []}, "is empty"),
        (checks.check_symbols, {"HEDGEHOG_SYMBOLS": ["ETHUSDT", "eth/usdt"]}, "'eth/usdt' is not a symbol"),
        (checks.check_mock, {"MOCK_FILL": "always"}, "MOCK_FILL=always is unknown"),
        (
            checks.check_mock,
            {"MOCK_COMMISSION": "maker=0.001,vat=0.1"},
            "“vat=0.1” is not a commission: use maker,",
        ),
        (checks.check_mock, {"MOCK_COMMISSION": "tax_maker=11"}, "“tax_maker=11” is not a rate from 0 to 0.1"),
        (checks.check_mock, {"MOCK_COMMISSION": "maker"}, "“maker” is not a rate"),
        (checks.check_mock, {"MOCK_COMMISSION": "buyer=nan"}, "“buyer=nan” is not a rate"),
        (checks.check_mock, {"MOCK_COMMISSION": "buyer=1e-9"}, "“buyer=1e-9” is not a rate"),
        (checks.check_mock, {"MOCK_BALANCES": "USDT"}, "'USDT' must be ASSET:AMOUNT"),
        (checks.check_mock, {"MOCK_BALANCES": "USDT:-1"}, "'USDT:-1' must be ASSET:AMOUNT"),
        (checks.check_mock, {"MOCK_BALANCES": "USDT:1e5"}, "'USDT:1e5' must be ASSET:AMOUNT"),
        (checks.check_exchange_info, {"MOCK_EXCHANGE_INFO": "/nowhere"}, "/nowhere: file not found"),
        (checks.check_exchange_info, {"MOCK_EXCHANGE_INFO": __file__}, "is not JSON"),
        (checks.check_keys, {"BINANCE_API_KEY": "k"}, "BINANCE_API_KEY is set, BINANCE_API_SECRET (or"),
        (checks.check_keys, {"TESTNET_API_SECRET": "s"}, "TESTNET_API_SECRET is set, TESTNET_API_KEY is not"),
        (
            checks.check_keys,
            {"DEMO_API_KEY": "k", "DEMO_API_SECRET": "s", "DEMO_PRIVATE_KEY": PEM},
            "DEMO_API_SECRET and DEMO_PRIVATE_KEY are both set",
        ),
        (checks.check_keys, {"BINANCE_API_KEY": "k", "BINANCE_PRIVATE_KEY": "x"}, "BINANCE_PRIVATE_KEY is not a PEM"),
        (
            checks.check_keys,
            {"BINANCE_API_KEY": "two keys", "BINANCE_API_SECRET": "s"},
            "BINANCE_API_KEY contains a space",
        ),
        (checks.check_keys, {"HEDGEHOG_ALLOW_LIVE": True}, "there is no live key"),
        (
            checks.check_keys,
            {"MOCK_API_SECRET": "", "MOCK_PRIVATE_KEY": PEM},
            "MOCK_PRIVATE_KEY is set without MOCK_PUBLIC_KEY",
        ),
        (checks.check_keys, {"MOCK_PUBLIC_KEY": PEM}, "no MOCK_PRIVATE_KEY to sign with"),
        (checks.check_addresses, {"LIVE_REST_URL": "api.binance.us"}, "LIVE_REST_URL must begin with https://"),
        (checks.check_addresses, {"LIVE_REST_URL": "https://api.binance.us/api"}, "must have nothing after the host"),
        (checks.check_addresses, {"DEMO_WS_API_URL": "wss://h:443"}, "DEMO_WS_API_URL must end in /ws-api/v3"),
        (checks.check_addresses, {"TESTNET_STREAM_URL": "https://h"}, "TESTNET_STREAM_URL must begin with wss://"),
        (checks.check_addresses, {"LIVE_STREAM_URL": "wss://h:9443/ws"}, "must have nothing after the host"),
        (checks.check_addresses, {"LIVE_REST_URL": "http://api.binance.us"}, "the key would be sent unencrypted"),
        (checks.check_addresses, {"LIVE_REST_URL": "https://host:port"}, "LIVE_REST_URL is not a valid address"),
        (checks.check_addresses, {"LIVE_REST_URL": "https://me:top-secret@host"}, "no user or password"),
        (checks.check_redis_url, {"REDIS_URL": "http://:pw@host"}, "REDIS_URL cannot be read"),
    ],
)
def test_a_wrong_setting_is_named_with_a_hint(
    settings: Settings, check: Check, wrong: dict[str, Any], words: str
) -> None:
    assert check() == []
    for name, value in wrong.items():
        setattr(settings, name, value)
    (message,) = check()
    assert words in message.msg
    assert message.hint
    assert "top-secret" not in str(message)


@pytest.mark.parametrize(
    "address", ["https://api.binance.us", "https://api.binance.us:443/", "http://127.0.0.1:8090", "http://[::1]:1"]
)
def test_another_exchange_or_this_machine_is_an_address(settings: Settings, address: str) -> None:
    settings.LIVE_REST_URL = address
    assert checks.check_addresses() == []
    assert not endpoints(Venue.LIVE).rest_url.endswith("/")


def test_one_address_alone_is_warned_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVE_REST_URL", "https://api.binance.us")
    (message,) = checks.check_addresses()
    assert message.msg == "LIVE_REST_URL set, the other addresses of live are Binance's own"


def test_a_key_file_that_others_can_read_is_warned_about(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("top-secret")
    monkeypatch.setenv("BINANCE_API_SECRET_FILE", str(file))
    file.chmod(0o644)
    (message,) = checks.check_keys()
    assert (message.id, message.hint) == ("hedgehog.W002", f"chmod 600 {file}")
    file.chmod(0o600)
    assert checks.check_keys() == []


@pytest.mark.parametrize(
    "market", ["simulated", "live", f"replay:{__file__}", f"replay:{__file__}@50", "replay:{}@0.5"]
)
def test_every_kind_of_market_is_known(market: str) -> None:
    assert checks.market_fault(market.format(__file__)) == ""


def test_a_misspelt_setting_is_named_with_the_one_that_is_near(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.check_names() == []
    monkeypatch.setattr(
        checks, "FROM_FILE", {"WEB_PROT", "MOCK_MONEY", "HTTPS_PROXY", "WEB_PORT", "MOCK_API_KEY_FILE"}
    )
    monkeypatch.setattr(checks, "GIVEN", {"MARKT", "MOCK_OF_OTHERS", "WEBPORT", "market", "mock-seed", "https_proxy"})
    assert [(message.msg, message.hint) for message in checks.check_names()] == [
        ("unknown setting MARKT", "Did you mean MARKET?"),
        ("unknown setting MOCK_MONEY", "See .env.example for all settings."),
        ("unknown setting WEBPORT", "Did you mean WEB_PORT?"),
        ("unknown setting WEB_PROT", "Did you mean WEB_PORT?"),
        ("unknown setting market", "Did you mean MARKET?"),
        ("unknown setting mock-seed", "Did you mean MOCK_SEED?"),
    ]


@pytest.mark.parametrize(
    ("market", "symbols", "said"),
    [
        ("simulated", ["ETHUSDT", "ETHUSDTT"], ["MARKET=simulated does not list ETHUSDTT|Did you mean ETHUSDT?"]),
        ("simulated", ["QQQ"], ["MARKET=simulated does not list QQQ|It lists BTCUSDT, ETHUSDT, BNBUSDT, "]),
        ("replay:/days/ETHUSDT-trades-2024-08-08.csv@50", ["ETHUSDT"], []),
        (
            "replay:/days/PEPEUSDT-trades-2024-08-08.csv",
            ["PEPEUSDT", "PEPUSDT"],
            ["list PEPUSDT|Did you mean PEPEUSDT?"],
        ),
        ("live", ["PEPEUSDT"], []),
    ],
)
def test_a_symbol_that_the_market_does_not_list_is_refused_with_the_reason(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, market: str, symbols: list[str], said: list[str]
) -> None:
    settings.MARKET, settings.HEDGEHOG_SYMBOLS, settings.MOCK_EXCHANGE_INFO = market, symbols, ""
    monkeypatch.setenv("HEDGEHOG_SYMBOLS", ",".join(symbols))
    found = [f"{message.msg}|{message.hint}" for message in check_symbols()]
    assert len(found) == len(said)
    assert all(words in each for words, each in zip(said, found, strict=True)), found
    monkeypatch.delenv("HEDGEHOG_SYMBOLS")
    assert check_symbols() == [], "which of the default ones a market has is the market's to say"


def test_a_redis_that_does_not_answer_is_told_at_the_start_without_its_password(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.REDIS_URL = "redis://:top-secret@127.0.0.1:1/0"
    monkeypatch.setenv("REDIS_URL", settings.REDIS_URL)
    told = preflight.redis_answers()
    assert "127.0.0.1:1" in told
    assert "connection refused" in told
    assert "top-secret" not in told


def test_a_password_in_redis_url_is_not_repeated(settings: Settings) -> None:
    settings.REDIS_URL = "http://:top-secret@host"
    (message,) = checks.check_redis_url()
    assert "top-secret" not in str(message)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"WEB_PORT": "http"}, "hedgehog: WEB_PORT must be a whole number, not 'http'"),
        ({"DEBUG": "maybe"}, "hedgehog: DEBUG must be 1 or 0, not 'maybe'"),
        ({"HEDGEHOG_ALLOW_LIVE": "maybe"}, "hedgehog: HEDGEHOG_ALLOW_LIVE must be 1 or 0, not 'maybe'"),
        ({"LOG_LEVEL": "LOUD"}, "hedgehog: LOG_LEVEL must be one of INFO, DEBUG, WARNING, ERROR, not 'LOUD'"),
        ({"HEDGEHOG_HOME": f"{__file__}/home"}, "cannot be written to: Not a directory"),
        ({"BINANCE_API_KEY_FILE": "/nowhere/key"}, "BINANCE_API_KEY_FILE cannot be read: No such file or directory"),
        ({"DATABASE_URL": "mysql://u:top-secret@h/n"}, "DATABASE_URL is neither PostgreSQL nor SQLite"),
        ({"DATABASE_URL": "postgresql://u:top-secret@h:port/n"}, "DATABASE_URL cannot be read"),
        ({"DATABASE_URL": "postgresql://u:top-secret@h"}, "DATABASE_URL names no database"),
        ({"DATABASE_URL": "sqlite://:memory:"}, "DATABASE_URL names no database"),
        ({"DATABASE_URL": "postgresql://u:top-secret@127.0.0.1:1/n"}, "The database (127.0.0.1:1) cannot be used"),
        ({"DATABASE_URL": "sqlite:////nowhere/db.sqlite3"}, "The database (/nowhere/db.sqlite3) cannot be used"),
    ],
)
def test_what_keeps_a_command_from_starting_is_one_line(
    processes: Processes, wrong: dict[str, Any], line: str
) -> None:
    result = processes.run("showmigrations", "trading", **wrong)
    assert result.returncode == 1
    assert line in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "top-secret" not in result.stderr


def test_a_file_that_would_name_the_database_and_can_not_be_read_is_one_line(
    processes: Processes, tmp_path: Path
) -> None:
    """With the defaults in their place a command would look at another database."""
    broken, home = tmp_path / "broken.env", tmp_path / "home"
    broken.write_bytes(b"\xff\xfeDATABASE_URL=sqlite:////elsewhere\n")
    ended = processes.run("showmigrations", "trading", HEDGEHOG_ENV_FILE=broken)
    assert (ended.returncode, ended.stderr) == (1, f"hedgehog: {broken} is not UTF-8 text\n")
    home.mkdir()
    (home / "last_run.json").mkdir()
    ended = processes.run("showmigrations", "trading", HEDGEHOG_HOME=home)
    assert ended.returncode == 1
    assert ended.stderr == f"hedgehog: {home}/last_run.json cannot be read: Is a directory\n"


def test_a_full_home_keeps_no_command_from_a_database_that_is_elsewhere(processes: Processes, tmp_path: Path) -> None:
    elsewhere: dict[str, Any] = {
        "HEDGEHOG_HOME": tmp_path / "home",
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
    }
    with tiny_disk(tmp_path / "home", "64k"):
        assert processes.run("migrate", "--verbosity=0", **elsewhere).returncode == 0
        fill(tmp_path / "home")
        ended = processes.run("showmigrations", "trading", **elsewhere)
        assert (ended.returncode, ended.stderr) == (0, "")


def test_a_database_without_tables_is_told_from_one_that_is_missing(processes: Processes, tmp_path: Path) -> None:
    result = processes.run("dumpdata", "auth.user", "--traceback", DATABASE_URL=f"sqlite:///{tmp_path}/new.sqlite3")
    assert "Traceback" in result.stderr
    result = processes.run("changepassword", "admin", DATABASE_URL=f"sqlite:///{tmp_path}/new.sqlite3")
    assert result.returncode == 1
    assert result.stderr.startswith("hedgehog: The database is not migrated: no such table: auth_user.")

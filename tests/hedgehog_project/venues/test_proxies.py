"""A proxy that the environment names stands before real exchanges, and never before what runs on this machine."""

import json
import sys
from pathlib import Path
from typing import Any
from urllib.request import getproxies, proxy_bypass

import pytest
import requests
from aiohttp.helpers import get_env_proxy_for_url
from websocket._url import get_proxy_info
from yarl import URL

from hedgehog_project.ports import HOST, free_port
from hedgehog_project.proxies import keep_loopback_direct
from tests.support.exchanges.market import KEY, SECRET, start_mock
from tests.support.exchanges.scripted_http import ScriptedServer, answer
from tests.support.machine.processes import Processes

PROXY = "http://proxy.example:3128"
VARIABLES = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
# What else may stand there.
GIVEN: list[dict[str, str]] = [
    {},
    {"no_proxy": ""},
    {"no_proxy": "intranet.example, 10.0.0.0/8"},
    {"NO_PROXY": "intranet.example"},
    {"no_proxy": "", "NO_PROXY": "intranet.example"},
    {"no_proxy": "intranet.example", "NO_PROXY": "other.example"},
]
HERE = ["127.0.0.1", "localhost", "[::1]"]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without a word of proxies."""
    for name in (*VARIABLES, "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def proxies_for(scheme: str, host: str) -> dict[str, object]:
    """What each library that we call with would ask for this address; None: nobody, it connects directly."""
    secure = "s" if scheme == "https" else ""
    url = f"{scheme}://{host}:8090/x"
    found: dict[str, object] = {
        "requests": requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url)),
        "urllib": None if proxy_bypass(f"{host}:8090") else getproxies().get(scheme),
        "websocket-client": get_proxy_info(host.strip("[]"), is_secure=bool(secure))[0],
    }
    try:
        found["aiohttp"] = str(get_env_proxy_for_url(URL(url))[0])
    except LookupError:
        found["aiohttp"] = None
    return found


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("given", GIVEN, ids=str)
def test_no_library_asks_a_proxy_for_this_machine(
    bare: pytest.MonkeyPatch, variable: str, given: dict[str, str]
) -> None:
    for name, value in {variable: PROXY, **given}.items():
        bare.setenv(name, value)
    keep_loopback_direct()
    for host in HERE:
        for scheme in ("http", "https"):
            assert set(proxies_for(scheme, host).values()) == {None}, (host, scheme)


@pytest.mark.parametrize("given", GIVEN, ids=str)
def test_every_library_still_asks_the_proxy_for_a_real_exchange(
    bare: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    for name, value in {"https_proxy": PROXY, **given}.items():
        bare.setenv(name, value)
    keep_loopback_direct()
    assert {str(proxy).rstrip("/") for proxy in proxies_for("https", "api.binance.com").values()} == {
        PROXY,
        "proxy.example",
    }


def test_hosts_that_the_operator_keeps_from_the_proxy_stay_so(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("https_proxy", PROXY)
    bare.setenv("NO_PROXY", "intranet.example")
    keep_loopback_direct()
    keep_loopback_direct()
    assert set(proxies_for("https", "intranet.example").values()) == {None}
    bare.setenv("no_proxy", " * ")
    keep_loopback_direct()
    assert set(proxies_for("https", "api.binance.com").values()) == {None}


def test_paper_trading_asks_for_the_symbols_through_the_proxy(
    bare: pytest.MonkeyPatch, processes: Processes, tmp_path: Path
) -> None:
    with ScriptedServer(answer(200, {"symbols": []}), answer(200, {"symbols": []})) as proxy:
        script = (
            "import asyncio, contextlib; from pathlib import Path\n"
            "from binance_mock.market.paper import NoExchangeInfo, fetch_exchange_info\n"
            "with contextlib.suppress(NoExchangeInfo):\n"
            f"    asyncio.run(fetch_exchange_info('http://exchange.invalid', Path({str(tmp_path)!r})))"
        )
        ended = processes.run("shell", "-c", script, http_proxy=proxy.url)
        assert ended.returncode == 0, ended.stderr
        assert [request.path for request in proxy.requests] == ["http://exchange.invalid/api/v3/exchangeInfo"]


@pytest.mark.parametrize("no_proxy", ["", "intranet.example"])
def test_commands_reach_the_mock_whatever_proxy_is_named(processes: Processes, tmp_path: Path, no_proxy: str) -> None:
    nobody = f"http://{HOST}:{free_port()}"
    named = {**dict.fromkeys(VARIABLES, nobody), "no_proxy": no_proxy, "NO_PROXY": no_proxy}
    environment: dict[str, Any] = {"HEDGEHOG_HOME": tmp_path, "MOCK_API_KEY": KEY, "MOCK_API_SECRET": SECRET, **named}
    mock, _ = start_mock(processes, str(tmp_path), **named)
    assert processes.run("migrate", "--verbosity=0", **environment).returncode == 0

    environment["MOCK_PORT"] = mock.port
    checked = processes.run("check_exchange", "mock", **environment)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count("ok    ") >= 4
    listed = processes.run("faults", "list", **environment)
    assert listed.returncode == 0, listed.stderr
    streamer = processes.manage("stream", "ETHUSDT", **environment)
    processes.wait_for(lambda: "subscribed connection=user-mock" in streamer.output, 15, "the stream of own orders")
    mock.trade("ETHUSDT", "3000")
    status = json.loads(processes.run("status", "--json", **environment).stdout)
    assert {each["name"]: each["alive"] for each in status["processes"]}["mock_exchange"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system's own proxies would be forgotten")
def test_a_proxy_that_is_named_later_finds_this_machine_excepted(bare: pytest.MonkeyPatch) -> None:
    keep_loopback_direct()
    bare.setenv("http_proxy", PROXY)
    assert set(proxies_for("http", HOST).values()) == {None}

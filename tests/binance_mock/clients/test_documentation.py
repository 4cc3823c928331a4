"""The samples of docs/mock-exchange.md do what they say, one after the other, on a mock with the default keys."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from hedgehog_project import settings
from tests.binance_mock import running
from tests.binance_mock.running import Mock
from tests.support.environment import ROOT
from tests.support.machine.processes import Processes

TEXT = (ROOT / "docs" / "mock-exchange.md").read_text()
SAMPLES = re.findall(r"^```(python|sh)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    folder = tmp_path_factory.mktemp("documented")
    processes = Processes(folder)
    default = {"MOCK_API_KEY": "mock-key", "MOCK_API_SECRET": "mock-secret"}
    try:
        yield running.start(processes, folder / "home", MARKET="simulated", MOCK_BALANCES="USDT:10000", **default)
    finally:
        processes.stop_all()


@pytest.mark.parametrize("number", range(len(SAMPLES)))
def test_a_sample_runs(mock: Mock, number: int) -> None:
    language, source = SAMPLES[number]
    source = source.replace("127.0.0.1:8090", f"127.0.0.1:{mock.port}")
    if language == "sh" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    command = [sys.executable, "-c", source] if language == "python" else ["sh", "-ec", source]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_no_sample_is_lost() -> None:
    assert [language for language, _ in SAMPLES].count("python") == 5


@pytest.mark.parametrize("setting", sorted(set(re.findall(r"`(MOCK_\w+|MARKET)`", TEXT))))
def test_a_setting_that_is_named_exists(setting: str) -> None:
    assert hasattr(settings, setting)

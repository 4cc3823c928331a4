"""MOCK_EXCHANGE_INFO: the mock lists what an exchange once listed, in place of its own symbols."""

import gzip
import json
from decimal import Decimal as D
from pathlib import Path

import pytest

from binance_mock.state.listings import LISTINGS, BadExchangeInfo, exchange_info, listings_of, read_exchange_info
from tests.support.exchanges.market import start_mock
from tests.support.machine.processes import Processes
from trading.exchange.protocol import ListedSymbol

FILE = "exchangeinfo/exchangeInfo_binance.me_2023-04-10_full.json.gz"


@pytest.mark.parametrize("name", ["info.json", "info.json.gz"])
def test_file_is_read_plain_and_packed(tmp_path: Path, name: str) -> None:
    info = exchange_info([LISTINGS["ETHUSDT"]])
    body = json.dumps(info).encode()
    (tmp_path / name).write_bytes(gzip.compress(body) if name.endswith(".gz") else body)
    read = read_exchange_info(tmp_path / name)
    assert read == info
    ether = listings_of(read)["ETHUSDT"]
    assert (ether.price, ether.tick, ether.step) == (D(3000), D("0.01"), D("0.0001"))
    assert 100 < ether.price * ether.typical < 200


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"symbols": [{}]}', b"\xff", b"not json"])
@pytest.mark.parametrize("name", ["info.json", "info.json.gz"])
def test_file_that_is_none_is_one_clear_line(tmp_path: Path, name: str, body: bytes) -> None:
    (tmp_path / name).write_bytes(body)
    with pytest.raises(BadExchangeInfo, match="cannot be read as exchangeInfo") as raised:
        read_exchange_info(tmp_path / name)
    assert "\n" not in str(raised.value)


def test_missing_file_keeps_the_mock_from_starting(processes: Processes, tmp_path: Path) -> None:
    mock = processes.manage(
        "mock_exchange", MARKET="manual", MOCK_EXCHANGE_INFO=tmp_path / "none.json", HEDGEHOG_HOME=tmp_path
    )
    assert mock.wait(20) == 1
    assert "none.json cannot be read as exchangeInfo" in mock.output


def test_all_of_binance_is_listed_in_one_answer(processes: Processes, tmp_path: Path, recorded: Path) -> None:
    mock, _ = start_mock(processes, str(tmp_path), MOCK_EXCHANGE_INFO=recorded / FILE)
    listed = {each.symbol: each for each in mock.client().all_listed()}
    assert len(listed) == 2183
    assert sum(each.status == "TRADING" for each in listed.values()) == 1405
    xrp: ListedSymbol = listed["XRPUSDT"]
    assert (xrp.tick_size, xrp.step_size, xrp.min_notional) == (D("0.0001"), D(1), D(5))
    assert mock.client().listed("XRPUSDT") == xrp

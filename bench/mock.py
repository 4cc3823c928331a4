"""What an order and a trade cost the mock exchange, alone and while somebody follows the order book.

    python -m bench.mock

Only the CPU of the exchange's process counts. Orders come by REST over one connection and rest on the book; trades
come from a file, 1,000 a second, at prices that wander. In every second turn somebody follows ethusdt@depth@100ms.
Medians of the turns.
"""

import random
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import websocket

from bench.stack import NO_LIMIT, cpu_s
from bench.targets import tell
from tests.binance_mock import running
from tests.binance_mock.running import Mock
from tests.support.machine.processes import Processes

ORDERS = 1_000
OPEN_ORDERS = 200
TRADES = 10_000
TRADES_PER_S = 1_000
TURNS = 5
STREAM = "ethusdt@depth@100ms"


def trades_file(folder: Path) -> Path:
    """Trades a millisecond apart, each a few ticks from the one before."""
    path, chance, price = folder / "ETHUSDT-trades-2024-08-08.csv", random.Random(1), 300_000
    with path.open("w") as file:
        for number in range(1, 2 * TRADES + 1):
            price = max(250_000, min(350_000, price + chance.randint(-5, 5)))
            text = f"{price // 100}.{price % 100:02}"
            file.write(f"{number},{text},0.1,{text},{1_723_075_200_000 + number * 1000 // TRADES_PER_S},True,True\n")
    return path


@contextmanager
def following(mock: Mock) -> Iterator[list[int]]:
    """Somebody reads every event of the book; the size of each."""
    sizes: list[int] = []
    with closing(mock.socket(f"/ws/{STREAM}")) as socket:

        def read() -> None:
            while (frame := socket.recv_data()[1]) and socket.connected:
                sizes.append(len(frame))

        def until_closed() -> None:
            try:
                read()
            except (websocket.WebSocketException, OSError):
                return

        reader = threading.Thread(target=until_closed, daemon=True)
        reader.start()
        yield sizes
        socket.shutdown()
        reader.join(5)


def orders_s(mock: Mock) -> float:
    """CPU seconds of 1,000 orders that rest on the book, as many at a time as a symbol may have."""
    order = {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    spent = 0.0
    for _ in range(ORDERS // OPEN_ORDERS):
        mock.control("reset")
        before = cpu_s(mock.process.pid)
        for number in range(OPEN_ORDERS):
            mock.signed("POST", "order", **order, price=f"29{number % 100:02}.00").raise_for_status()
        spent += cpu_s(mock.process.pid) - before
    return spent


def trades_s(mock: Mock) -> float:
    """CPU seconds while 10,000 trades happen."""

    def trades() -> int:
        count: int = mock.state()["counters"]["trades"]
        return count

    before, first = cpu_s(mock.process.pid), trades()
    time.sleep(TRADES / TRADES_PER_S)
    return (cpu_s(mock.process.pid) - before) * TRADES / (trades() - first)


def measured(mock: Mock, name: str) -> tuple[list[float], list[float]]:
    """CPU seconds of each turn, without and with somebody who follows."""
    work = orders_s if name == "orders" else trades_s
    alone, followed, sizes = [], [], []
    for _ in range(TURNS):
        alone.append(work(mock))
        with following(mock) as frames:
            followed.append(work(mock))
        sizes += frames
    print(f"{name}: {len(sizes) / TURNS:.0f} events a turn, {statistics.mean(sizes):,.0f} bytes each")
    return alone, followed


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="hedgehog-bench-") as folder:
        processes = Processes(Path(folder))
        settings = {"MOCK_ORDERS_PER_10S": NO_LIMIT, "MOCK_BALANCES": "USDT:10000000"}
        try:
            manual = running.start(processes, Path(folder) / "manual", **settings)
            manual.trade("3000")
            orders = measured(manual, "orders")
            manual.process.stop()
            market = f"replay:{trades_file(Path(folder))}"
            replayed = running.start(processes, Path(folder) / "replayed", **settings, MARKET=market)
            replayed.get("depth", symbol="ETHUSDT")
            trades = measured(replayed, "trades")
        finally:
            processes.stop_all()
    print(f"\n{'CPU s':16}{'alone':>10}{'followed':>10}{'ratio':>8}")
    for name, (alone, followed) in {"1,000 orders": orders, "10,000 trades": trades}.items():
        first, second = statistics.median(alone), statistics.median(followed)
        print(f"{name:16}{first:10.3f}{second:10.3f}{second / first:8.2f}")
        tell(f"mock: {name}, followed / alone", second / first)


if __name__ == "__main__":
    main()

"""Open pages: fifty streams beside /healthz, and a chart with 10,000 fills.

    python -m bench pages [--fills 10000] [--streams 50]

A home of its own with the mock exchange's simulated market and the web server; nothing trades. Needs Chromium for the
chart. Milliseconds of a machine that has nothing else to do.
"""

import argparse
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from bench.memory import surroundings
from bench.targets import tell
from hedgehog_project.ports import HOST
from tests.support.environment import MARKER, ROOT, start_redis
from tests.support.pages.chromium import Browser

CANDLE_S, CANDLES = 300, 480
DRAW = """(async () => {
  const chart = hedgehogWorkspace;
  const address = `${document.getElementById("market-chart").dataset.url}?interval=5m&since=${chart.candles[0][0]}`;
  const asked = performance.now();
  const found = await (await fetch(address)).json();
  const began = performance.now();
  chart.setOwn(found);
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const fills = found.marks.reduce((sum, mark) => sum + mark[2], 0);
  return [fills, found.marks.length, began - asked, performance.now() - began];
})()"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench pages", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--fills", type=int, default=10_000)
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--rows", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.rows:
        print(*rows(chosen.fills))
        return
    with tempfile.TemporaryDirectory(prefix="hedgehog-bench-") as folder:
        home = Path(folder)
        redis, address = start_redis(home / "redis")
        environment = {**surroundings(home), "REDIS_URL": address}
        # In a process of its own: what reads settings reads them once.
        asked = [sys.executable, "-m", "bench.pages", "--rows", "--fills", str(chosen.fills)]
        symbol, cookie = subprocess.check_output(
            asked, cwd=ROOT, env=environment | {MARKER: "alone"}, text=True
        ).split()
        with (home / "log").open("wb") as log:
            mock = start(log, environment, "manage.py", "mock_exchange")
            bind = f"{HOST}:{environment['WEB_PORT']}"
            config = "--config=hedgehog_project/web_config.py"
            web = start(log, environment, "-m", "gunicorn", "console.asgi", "--bind", bind, config)
        try:
            port = int(environment["WEB_PORT"])
            wait_for(port)
            streams(port, web.pid, cookie, chosen.streams)
            chart(port, symbol, cookie, home)
        finally:
            for process in (web, mock, redis):
                process.terminate()
                process.wait()


def start(log: Any, environment: dict[str, str], *command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment, stdout=log, stderr=log)


def rows(fills: int) -> tuple[int, str]:
    """A symbol with so many fills of ended cycles over the candles of the chart; its key, and a session."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "hedgehog_project.settings"
    import_module("django").setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client
    from django.utils import timezone

    from trading.models import Fill, Order, Symbol, Trader

    call_command("migrate", verbosity=0)
    symbol, _ = Symbol.objects.get_or_create(name="ETHUSDT", defaults={"base_asset": "ETH", "quote_asset": "USDT"})
    Symbol.objects.filter(pk=symbol.pk).update(base_asset="ETH", quote_asset="USDT")
    now, cycles = timezone.now(), fills // 2
    step = timedelta(seconds=CANDLE_S * CANDLES / cycles)
    times = [now - step * (cycles - number) for number in range(cycles)]
    common = {"symbol": symbol, "venue": "mock"}
    ended = {"state": "FINISHED", "profit": Decimal("0.1"), "budget": Decimal(200), "slot": 1}
    traders = Trader.objects.bulk_create(
        Trader(created_at=at - step, finished_at=at, **common, **ended) for at in times
    )
    amounts = {"price": Decimal(3000), "quantity": Decimal("0.05"), "executed": Decimal("0.05"), "status": "FILLED"}
    orders = Order.objects.bulk_create(
        Order(trader=trader, side=side, client_order_id=f"bench-{trader.pk}-{side}", **common, **amounts)
        for trader in traders
        for side in ("BUY", "SELL")
    )
    Fill.objects.bulk_create(
        Fill(
            order=order,
            trade_id=number,
            price=Decimal(3000 + number % 50),
            quantity=Decimal("0.05"),
            quote=Decimal(150),
            traded_at=times[number // 2] - step / 2 * (number % 2),
        )
        for number, order in enumerate(orders)
    )
    client = Client()
    client.force_login(User.objects.create_superuser("bench"))
    return symbol.pk, client.cookies["sessionid"].value


def wait_for(port: int) -> None:
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        try:
            healthz_ms(port)
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the web server does not answer")


def healthz_ms(port: int) -> float:
    began = time.perf_counter()
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    connection.request("GET", "/healthz")
    assert connection.getresponse().read() == b"ok\n"
    connection.close()
    return (time.perf_counter() - began) * 1000


def streams(port: int, pid: int, cookie: str, count: int) -> None:
    """/healthz while so many pages are open, and what they take."""
    alone = [healthz_ms(port) for _ in range(200)]
    before = status(pid)
    request = (
        f"GET /admin/live/?topics=sym.ETHUSDT HTTP/1.1\r\nHost: {HOST}:{port}\r\nCookie: sessionid={cookie}\r\n\r\n"
    )
    opened = []
    for _ in range(count):
        opened.append(socket.create_connection((HOST, port), timeout=10))
        opened[-1].sendall(request.encode())
    answers = {each.recv(300).split(b"\r\n")[0] for each in opened}
    assert answers == {b"HTTP/1.1 200 OK"}, answers
    cpu_s = cpu_of(pid)
    began = time.monotonic()
    beside = []
    while time.monotonic() - began < 10:
        beside.append(healthz_ms(port))
        time.sleep(0.03)
    cpu_share = (cpu_of(pid) - cpu_s) / (time.monotonic() - began)
    after = status(pid)
    for each in opened:
        each.close()
    print("\n| /healthz, ms | median | 99 % |\n|---|--:|--:|")
    for name, found in (("no page", alone), (f"{count} open pages", beside)):
        print(f"| {name} | {median(found):.1f} | {quantiles(found, n=100)[98]:.1f} |")
    for name in ("Threads", "VmRSS"):
        print(f"{name}: {before[name]} before, {after[name]} with {count} open pages")
    print(f"CPU of the web server with {count} open pages: {cpu_share:.3f} of a core")
    tell("pages: healthz beside 50 streams, ms", median(beside))


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: " ".join(value.split()) for name, _, value in (line.partition(":") for line in lines)}


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def chart(port: int, symbol: str, cookie: str, home: Path) -> None:
    url = f"http://{HOST}:{port}"
    with Browser(home / "chromium", 1440, 1000) as browser:
        browser.set_cookie("sessionid", cookie, url)
        browser.open(f"{url}/admin/trading/symbol/{symbol}/chart/")
        browser.wait_for("hedgehogWorkspace.candles.length && hedgehogWorkspace.marks.length", 30)
        found = [browser.evaluate(DRAW) for _ in range(5)]
        assert browser.errors == []
    fills, marks = found[0][:2]
    asked_ms, drawn_ms = median(each[2] for each in found), median(each[3] for each in found)
    print(f"\n{fills:,} fills in {marks} marks: {asked_ms:.0f} ms to be asked for, {drawn_ms:.0f} ms to be drawn")
    tell("pages: 10,000 fills drawn, ms", drawn_ms)


if __name__ == "__main__":
    main()

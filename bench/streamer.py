"""What the streamer costs: CPU per 100,000 frames from a local socket to Redis, beside other clients (peers.py).

    python -m bench.streamer

All consumers run in processes of their own and read the same frames from the same server, in turn; only their own
CPU counts, from the first frame on. Frames are recorded ones, repeated and renumbered. The others decode and publish
nothing; ours publishes.
"""

import base64
import gzip
import hashlib
import json
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench import peers
from bench.targets import tell

ROOT = Path(__file__).resolve().parent.parent

FRAMES = 100_000
RUNS = 5
OURS = "ours"
GIVE_UP_S = 30
LATENCY_FRAMES = 1_000
TOPIC = "trade_events:mock:ETHUSDT"
RECORDED = ROOT / "tests" / "data" / "frames" / "spot_ethusdt_20240808.gz"
# As an exchange in a burst: many frames in one write. And as a lively market: one write a frame, this far apart.
BURST = 200
LIVELY_FRAMES = 20_000
LIVELY_EVERY_S = 1 / 5_000


def trades() -> list[dict[str, object]]:
    """The data of the recorded trade frames."""
    with gzip.open(RECORDED) as lines:
        return [json.loads(line.split(b" ", 1)[1])["data"] for line in lines if b'"e":"trade"' in line]


def payloads(count: int) -> list[bytes]:
    """So many combined frames of one symbol whose ids rise without a gap."""
    recorded = trades()
    frames = []
    for i in range(count):
        data = {**recorded[i % len(recorded)], "t": i + 1}
        frames.append(json.dumps({"stream": "ethusdt@trade", "data": data}, separators=(",", ":")).encode())
    return frames


def frame(payload: bytes) -> bytes:
    size = len(payload)
    return b"\x81" + (bytes([size]) if size < 126 else b"\x7e" + struct.pack("!H", size)) + payload


class Server:
    """A WebSocket server that sends chunks to whoever connects, `every_s` apart, and then keeps still."""

    def __init__(self, chunks: Iterable[bytes], every_s: float = 0.0) -> None:
        self._chunks = list(chunks)
        self._every_s = every_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}"
        self.sent_at: list[int] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            with connection:
                self._send_all(connection)

    def _send_all(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(4096)
        key = next(
            line.split(b": ")[1] for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
        )
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        time.sleep(0.3)
        due = time.perf_counter()
        self.sent_at.clear()
        for chunk in self._chunks:
            if self._every_s:
                due += self._every_s
                while (left := due - time.perf_counter()) > 0:
                    time.sleep(left)
            self.sent_at.append(time.time_ns())
            connection.sendall(chunk)
        connection.recv(100)  # until the consumer has gone


def consume_ours(url: str, count: int) -> dict[str, float]:
    """The streamer's own feed and publisher, with the real Redis behind them."""
    import django

    django.setup()
    from hedgehog_project.redis import connect
    from hedgehog_project.venues import Endpoints, Market
    from streamer.feeds import MarketFeed
    from streamer.publisher import Publisher
    from streamer.thread_group import ThreadGroup

    client, threads = connect(), ThreadGroup()
    client.flushall()
    publisher = Publisher(client)
    threads.start("publisher", publisher.run)
    feed = MarketFeed(Market.MOCK, Endpoints("http://127.0.0.1:1", url, url), publisher, threads)
    cpu = time.process_time()
    feed.follow({"ETHUSDT"})
    wall = 0
    give_up = time.monotonic() + GIVE_UP_S
    while publisher.published < count:
        time.sleep(0.005)
        if time.monotonic() > give_up:
            raise SystemExit(f"only {publisher.published} of {count} published, {publisher.dropped} dropped")
        if publisher.published and not wall:
            wall = time.time_ns()
        if threads.alarm.is_set():
            raise SystemExit(threads.failure)
    spent = {"cpu_s": time.process_time() - cpu, "wall_s": (time.time_ns() - wall) / 1e9}
    assert client.xinfo_stream(TOPIC)["last-generated-id"] == f"{count}-0".encode()
    feed.stop()
    publisher.stop()
    threads.join(1)
    return spent


def measure(consumer: str, url: str, count: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.streamer", consumer, url, str(count)]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, timeout=2 * GIVE_UP_S)
    if done.returncode != 0:
        raise SystemExit(f"{consumer} failed")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(title: str, server: Server, count: int) -> None:
    """Prints the medians of all consumers, and tells how ours compares with the fastest and the slowest."""
    results: dict[str, list[dict[str, float]]] = {name: [] for name in (*peers.installed(), OURS)}
    for _ in range(RUNS):
        for consumer, found in results.items():
            found.append(measure(consumer, server.url, count))
    cpu = {name: statistics.median(run["cpu_s"] for run in found) * 1e5 / count for name, found in results.items()}
    for name, found in results.items():
        rate = count / statistics.median(run["wall_s"] for run in found)
        print(f"| {title} | {name} | {cpu[name]:.3f} | {cpu[OURS] / cpu[name]:.2f} | {rate:,.0f} |", flush=True)
    tell(f"streamer: {title}, CPU s per 100,000", cpu[OURS])
    if "picows" in cpu:
        tell(f"streamer: {title} / picows", cpu[OURS] / cpu["picows"])
    tell(f"streamer: {title} / websocket-client, the slowest", cpu[OURS] / cpu["websocket-client"])


def latency() -> None:
    """From the server's write to the moment a reader of the topic has the entry, frames 2 ms apart."""
    import django

    django.setup()
    from hedgehog_project.redis import connect

    server = Server(map(frame, payloads(LATENCY_FRAMES)), every_s=0.002)
    client = connect()
    client.flushall()
    consumer = subprocess.Popen(
        [sys.executable, "-m", "bench.streamer", OURS, server.url, str(LATENCY_FRAMES)], stdout=subprocess.DEVNULL
    )
    try:
        seen: dict[int, int] = {}
        while len(seen) < LATENCY_FRAMES:
            after = f"{max(seen, default=0)}-0"
            answer: Any = client.xread({TOPIC: after}, block=2000)
            now = time.time_ns()
            if not answer:
                if consumer.poll() is not None:
                    raise SystemExit("the streamer failed")
                continue
            # RESP3 answers with a dict of lists of lists, RESP2 with pairs.
            entries = answer[TOPIC.encode()][0] if isinstance(answer, dict) else answer[0][1]
            seen.update((int(entry_id.split(b"-")[0]), now) for entry_id, _ in entries)
        waits_ms = sorted((at - server.sent_at[number - 1]) / 1e6 for number, at in seen.items())
    finally:
        consumer.terminate()
        consumer.wait()
        server.close()
    p50, p99 = waits_ms[len(waits_ms) // 2], waits_ms[int(len(waits_ms) * 0.99)]
    print(f"\nsocket -> topic's reader: p50 {p50:.2f} ms, p99 {p99:.2f} ms")


def main() -> None:
    if len(sys.argv) == 4:
        name, url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
        print(json.dumps(consume_ours(url, count) if name == OURS else peers.PEERS[name][1](url, count)))
        return
    if missing := ", ".join(peers.PEERS.keys() - set(peers.installed())):
        print(f"Not installed, and left out: {missing}\n")
    frames = [frame(payload) for payload in payloads(FRAMES)]
    print("| frames | client | CPU s per 100,000 | ours against it | frames/s |\n|---|---|---|---|---|")
    burst = Server(b"".join(frames[i : i + BURST]) for i in range(0, FRAMES, BURST))
    compare("in bursts", burst, FRAMES)
    burst.close()
    lively = Server(frames[:LIVELY_FRAMES], LIVELY_EVERY_S)
    compare("one by one", lively, LIVELY_FRAMES)
    lively.close()
    latency()


if __name__ == "__main__":
    main()

"""A headless Chromium, steered over its DevTools protocol: pages as people see them, and what their scripts say."""

import base64
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Self

import websocket

from tests.support.environment import tethered

# Nothing but the pages asked for goes over the network, and nothing needs a sandbox or a graphics card.
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--mute-audio",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)


def program() -> str | None:
    """Chromium's path; None where it is not installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One page. `open()` it, then look at it with `evaluate()`, `text`, `screenshot()` and `errors`."""

    def __init__(self, folder: Path, width: int = 1400, height: int = 1000) -> None:
        chromium = program()
        assert chromium, "Chromium is not installed"
        folder.mkdir(parents=True, exist_ok=True)
        self.errors: list[str] = []  # what went wrong on the pages: exceptions, console errors, failed requests
        self._last_id = 0
        self._loaded = False
        command = [chromium, *FLAGS, f"--user-data-dir={folder}", f"--window-size={width},{height}", "about:blank"]
        with (folder / "chromium.log").open("ab") as log:
            self._process = subprocess.Popen(tethered(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self._socket = self._connect(folder / "DevToolsActivePort")
            for domain in ("Page", "Runtime", "Network", "Log"):
                self.call(f"{domain}.enable")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def set_cookie(self, name: str, value: str, url: str) -> None:
        """For example Django's `sessionid` of a test client that has logged in."""
        self.call("Network.setCookie", name=name, value=value, url=url)

    def open(self, url: str, settle_s: float = 0.3) -> None:
        """Goes to a page and waits until it is loaded; `settle_s` more for what its scripts draw."""
        self._loaded = False
        answer = self.call("Page.navigate", url=url)
        assert "errorText" not in answer, f"{url}: {answer['errorText']}"
        give_up = time.monotonic() + 20
        while not self._loaded:
            assert time.monotonic() < give_up, f"{url} has not loaded"
            self._listen(0.5)
        self.settle(settle_s)

    def settle(self, seconds: float) -> None:
        """Lets the page go on, and takes note of its errors meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._listen(left)

    def resize(self, width: int, height: int, scale: float = 1, is_phone: bool = False) -> None:
        """The page is this large from now on, in CSS pixels. `is_phone`: touched, and as wide as its screen."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=scale, mobile=is_phone,
        )  # fmt: skip
        self.call("Emulation.setTouchEmulationEnabled", enabled=is_phone)

    def prefer(self, scheme: str) -> None:
        """`light` or `dark`, as the machine's own setting: pages follow it."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def press(self, key: str, shift: bool = False) -> None:
        """A key as a person presses it: `t`, `Enter`, `Escape`, `Tab`, `ArrowDown`."""
        codes = {"Enter": 13, "Escape": 27, "Tab": 9, "ArrowDown": 40, "ArrowUp": 38, "Backspace": 8}
        text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
        code = codes.get(key) or ord(key.upper())
        common = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        self.call("Input.dispatchKeyEvent", type="keyDown", **common, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def write(self, text: str) -> None:
        """Into what has the focus."""
        self.call("Input.insertText", text=text)

    def wait_for(self, script: str, timeout_s: float = 10) -> None:
        """Until a JavaScript expression is true on the page, whichever page that is by then."""
        give_up = time.monotonic() + timeout_s
        while not self.evaluate(f"Boolean({script})"):
            assert time.monotonic() < give_up, f"never true: {script}"
            self.settle(0.05)

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression on the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def set_offline(self, is_offline: bool) -> None:
        """Cuts the page off: what it asks for from now on fails."""
        nothing = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.call("Network.emulateNetworkConditions", offline=is_offline, **nothing)

    @property
    def text(self) -> str:
        """The page's text, as people see it."""
        return str(self.evaluate("document.body.innerText"))

    def screenshot(self, path: Path) -> Path:
        """The visible part as a PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
        return path

    def _connect(self, port_file: Path) -> websocket.WebSocket:
        give_up = time.monotonic() + 20
        while not (port_file.exists() and "\n" in port_file.read_text()):
            assert self._process.poll() is None, "Chromium has ended"
            assert time.monotonic() < give_up, "Chromium does not start"
            time.sleep(0.05)
        port, browser_path = port_file.read_text().splitlines()
        browser = websocket.create_connection(f"ws://127.0.0.1:{port}{browser_path}", timeout=20)
        browser.send(json.dumps({"id": 0, "method": "Target.getTargets"}))
        targets = json.loads(browser.recv())["result"]["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        browser.close()
        return websocket.create_connection(f"ws://127.0.0.1:{port}/devtools/page/{page}", timeout=20)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Any method of the DevTools protocol."""
        self._last_id += 1
        self._socket.settimeout(20)
        self._socket.send(json.dumps({"id": self._last_id, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == self._last_id:
                assert "error" not in message, f"{method}: {message['error']}"
                result: dict[str, Any] = message["result"]
                return result
            self._note(message)

    def _listen(self, timeout_s: float) -> None:
        self._socket.settimeout(timeout_s)
        try:
            self._note(json.loads(self._socket.recv()))
        except websocket.WebSocketTimeoutException:
            return

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        match message.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Runtime.exceptionThrown":
                self.errors.append(str(params["exceptionDetails"].get("exception", params["exceptionDetails"])))
            case "Log.entryAdded" if params["entry"]["level"] == "error":
                self.errors.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "assert"):
                self.errors.append(" ".join(str(argument.get("value", argument)) for argument in params["args"]))

"""Makes the pictures of docs/ from a real run, so that they show what there is.

    python -m tests.screenshots [--minutes 6] [--only phone …]

Starts `make run` in a folder of its own on free ports, with the simulated market from a fixed seed, lets it trade for
some minutes, and looks at its pages in Chromium. Nothing of it is left behind but the pictures.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import requests

from hedgehog_project.ports import free_port
from tests.support.environment import MAKE_RUN, ROOT
from tests.support.machine.processes import Processes
from tests.support.pages.chromium import Browser

DOCS = ROOT / "docs"
NAME, PASSWORD = "admin", "screenshots-only"
MAX_BYTES = 200_000
# Sharp where it is small enough.
SCALES = (2.0, 1.5, 1.0)
UP_S, STOP_S = 240, 20
# In a headless Chromium at 2x the canvases of lightweight-charts are blurred unless it falls back to CSS pixels.
SHARP = "delete ResizeObserverEntry.prototype.devicePixelContentBoxSize"
FIRST_LINK = "document.querySelector('#result_list a[href*=\"/{model}/\"]').href"
# Of the traders that live, one with something to tell.
BUSY_TRADER = """[...document.querySelectorAll('#result_list tr.data-row')]
    .sort((a, b) => /sell|hold/i.test(b.innerText) - /sell|hold/i.test(a.innerText))[0]
    .querySelector('a[href*="/trader/"]').href"""


@dataclass(frozen=True)
class Picture:
    """One file of docs/. `link`: where to go from the page at `address`, as an expression on it."""

    name: str
    address: str
    link: str = ""
    width: int = 1280
    height: int = 860
    to: str = ""  # a selector to scroll to


PICTURES = (
    Picture("overview", "/admin/"),
    Picture("symbol", "/admin/trading/symbol/?q=ETHUSDT", FIRST_LINK.format(model="symbol")),
    Picture("trader", "/admin/trading/trader/", BUSY_TRADER),
    Picture("phone", "/admin/", width=390, height=844),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=6, help="how long it trades first; default: 6")
    parser.add_argument("--only", nargs="+", choices=[each.name for each in PICTURES], help="default: all")
    parser.add_argument("--to", type=Path, default=DOCS, help="folder of the pictures; default: docs")
    options = parser.parse_args()
    wanted = [each for each in PICTURES if options.only is None or each.name in options.only]
    with tempfile.TemporaryDirectory(prefix="hedgehog-pictures-") as name:
        folder, port = Path(name), free_port()
        processes = Processes(
            folder,
            HEDGEHOG_HOME=folder / "home",
            HEDGEHOG_ENV_FILE="/dev/null",
            WEB_PORT=port,
            MOCK_PORT=free_port(),
            FLOWER=0,
            MARKET="simulated",
            MOCK_SEED=1,
            DJANGO_SUPERUSER_PASSWORD=PASSWORD,
        )
        run = processes.start(*MAKE_RUN, name="run")
        try:
            url = f"http://127.0.0.1:{port}"
            processes.wait_for(lambda: _is_up(url) or not run.is_running, UP_S, "make run")
            _make_user(processes)
            print(f"Trading for {options.minutes:g} min at {url}", file=sys.stderr)
            time.sleep(options.minutes * 60)
            with Browser(folder / "chromium") as browser:
                _log_in(browser, url)
                for picture in wanted:
                    path = _take(browser, url, picture, options.to)
                    print(f"{path} {path.stat().st_size // 1000} kB", file=sys.stderr)
                for error in browser.errors:
                    print(f"On a page: {error}", file=sys.stderr)
        finally:
            if run.is_running:
                run.stop(STOP_S)
            processes.stop_all()
    return 0


def _is_up(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=2).ok
    except requests.RequestException:
        return False


def _make_user(processes: Processes) -> None:
    """One of our own; the first start may have made one of that name with another password."""
    command = f"from django.contrib.auth.models import User; u, _ = User.objects.get_or_create(username={NAME!r}); "
    command += f"u.is_staff = u.is_superuser = True; u.set_password({PASSWORD!r}); u.save()"
    done = processes.run("shell", "-c", command)
    assert done.returncode == 0, done.stderr


def _log_in(browser: Browser, url: str) -> None:
    browser.call("Page.addScriptToEvaluateOnNewDocument", source=SHARP)
    browser.open(f"{url}/admin/login/")
    browser.evaluate(
        f"""document.querySelector("[name=username]").value = {NAME!r};
            document.querySelector("[name=password]").value = {PASSWORD!r};
            document.querySelector("[name=password]").form.requestSubmit()"""
    )
    browser.settle(2)
    assert "/login/" not in browser.evaluate("location.pathname"), browser.text


def _take(browser: Browser, url: str, picture: Picture, folder: Path) -> Path:
    """The picture, as sharp as fits into MAX_BYTES."""
    is_phone = picture.width < 1024
    path = folder / f"{picture.name}.png"
    for scale in SCALES:
        browser.resize(picture.width, picture.height, scale, is_phone)
        browser.open(f"{url}{picture.address}", settle_s=1)
        if picture.link:
            browser.open(browser.evaluate(picture.link), settle_s=1)
        if picture.to:
            browser.evaluate(f"document.querySelector({picture.to!r}).scrollIntoView({{block: 'center'}})")
            browser.settle(0.5)
        browser.screenshot(path)
        if path.stat().st_size <= MAX_BYTES:
            break
    return path


if __name__ == "__main__":
    sys.exit(main())

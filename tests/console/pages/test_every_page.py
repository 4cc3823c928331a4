"""Every page in a real browser: nothing wider than its screen, no error, and what axe-core asks for."""

import hashlib
from urllib.parse import urljoin

import pytest
from django.test import Client
from django.urls import resolve
from pytest_django.live_server_helper import LiveServer

from tests.console.pages.site import addresses, main_pages, populate
from tests.support.pages import axe
from tests.support.pages.chromium import Browser

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("redis_client"),
]

NOWHERE = "/admin/no-such-page/"
WIDTHS = (390, 768, 1024, 1280, 1440)
# What sticks out, the innermost first; what a box of its own lets scroll does not.
STICKS_OUT = """(() => {
    const wide = document.documentElement.clientWidth, found = [];
    const isOut = document.documentElement.scrollWidth > wide;
    // On a phone nobody scrolls a table sideways, not even in a box of its own.
    const boxed = wide < 640 ? "table, .hh-card, #content" : "nothing";
    for (const element of document.querySelectorAll(isOut ? "body *" : boxed)) {
        const box = element.getBoundingClientRect();
        if (box.right > wide + 1 && box.width && element.checkVisibility()) found.push(element);
    }
    return found.filter((each) => !found.some((other) => other !== each && each.contains(other))).slice(0, 3)
        .map((each) => `${each.outerHTML.slice(0, 200)} to ${Math.round(each.getBoundingClientRect().right)}`)
        .concat(isOut ? [`scrollWidth ${document.documentElement.scrollWidth}`] : []);
})()"""

# What a thumb has to hit, or what iOS zooms into.
TOO_SMALL = """[...document.querySelectorAll("#main :is(button, input, select, textarea, .hh-button, .hh-toggle)")]
    .filter((each) => !["hidden", "checkbox", "radio", "file"].includes(each.type) && each.checkVisibility()
        && each.getBoundingClientRect().width > 1)
    .filter((each) => (each.closest("label, [role=search]") || each).getBoundingClientRect().height < 43.5
        || (each.matches("input, select, textarea") && parseFloat(getComputedStyle(each).fontSize) < 16))
    .map((each) => `${Math.round(each.getBoundingClientRect().height)} px: ${each.outerHTML.slice(0, 120)}`)"""
# The element with the focus, where nothing shows that it has it.
UNSEEN_FOCUS = """(() => {
    const element = document.activeElement, style = getComputedStyle(element);
    const around = getComputedStyle(element.closest(".focus-within\\\\:outline-2") || element);
    const isSeen = [style, around].some((each) => each.outlineStyle !== "none" && parseFloat(each.outlineWidth) >= 2);
    return isSeen || element === document.body ? [] : [element.outerHTML.slice(0, 120)];
})()"""


def log_in(browser: Browser, live_server: LiveServer) -> list[str]:
    """The addresses of all pages, in the browser of a superuser."""
    user = populate()
    client = Client()
    client.force_login(user)
    browser.set_cookie("sessionid", client.cookies["sessionid"].value, live_server.url)
    return addresses(user)


def test_axe_is_the_one_that_was_vendored() -> None:
    found = hashlib.sha256(axe.SCRIPT.read_bytes()).hexdigest()
    assert found in axe.SCRIPT.with_name("README.md").read_text()


def test_a_phone_can_install_the_pages(live_server: LiveServer, chromium: Browser) -> None:
    chromium.open(f"{live_server.url}/admin/login/")
    manifest = chromium.evaluate(
        """fetch(document.querySelector("link[rel=manifest]").href).then(async (answer) => ({
            type: answer.headers.get("content-type"), url: answer.url, ...(await answer.json())}))"""
    )
    assert manifest["type"].startswith("application/manifest+json")
    assert chromium.call("Page.getAppManifest")["errors"] == []
    sizes = chromium.evaluate(
        f"""Promise.all({[urljoin(manifest["url"], icon["src"]) for icon in manifest["icons"]]}.map(async (url) => {{
            const image = new Image(); image.src = url; await image.decode();
            return `${{image.naturalWidth}}x${{image.naturalHeight}}`;}}))"""
    )
    told = [icon["sizes"] for icon in manifest["icons"]]
    assert all(size in (found, "any") for size, found in zip(told, sizes, strict=True))
    assert {"192x192", "512x512"} <= set(sizes)
    assert any(icon.get("purpose") == "maskable" for icon in manifest["icons"])
    assert chromium.evaluate("fetch(document.querySelector('link[rel=apple-touch-icon]').href).then((a) => a.ok)")
    for shortcut in (manifest["start_url"], *(each["url"] for each in manifest["shortcuts"])):
        assert resolve(shortcut.partition("?")[0])
    assert chromium.errors == []


def test_no_page_is_wider_than_its_screen(live_server: LiveServer, chromium: Browser) -> None:
    wrong = []
    for address in log_in(chromium, live_server):
        chromium.open(f"{live_server.url}{address}", settle_s=0.1)
        for width in WIDTHS:
            chromium.resize(width, 900, is_phone=width < 1024)
            chromium.settle(0.1)
            wrong += [f"{address} at {width}: {found}" for found in chromium.evaluate(STICKS_OUT)]
            if width == WIDTHS[0]:
                wrong += [f"{address} is too small for a thumb: {found}" for found in chromium.evaluate(TOO_SMALL)]
    wrong += chromium.errors
    assert not wrong, "\n".join(wrong)


def test_the_keyboard_reaches_all_and_shows_where_it_is(live_server: LiveServer, chromium: Browser) -> None:
    form = next(each for each in log_in(chromium, live_server) if "/symbol/" in each and each.endswith("/change/"))
    for address in ("/admin/", "/admin/trading/trader/", form):
        chromium.open(f"{live_server.url}{address}")
        chromium.press("Tab")
        assert chromium.evaluate("document.activeElement.className") == "hh-skip"
        assert chromium.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
        chromium.press("Enter")
        chromium.press("Tab")
        assert chromium.evaluate("document.activeElement.closest('#content') !== null"), address
        unseen = []
        for _ in range(20):
            unseen += chromium.evaluate(UNSEEN_FOCUS)
            chromium.press("Tab")
        assert not unseen, f"{address}: {unseen}"
    # What Unfold lets only a pointer press.
    chromium.open(f"{live_server.url}/admin/trading/trader/")
    chromium.evaluate(
        "[...document.querySelectorAll('[role=button]')].find((e) => /Filters/.test(e.innerText)).focus()"
    )
    chromium.press("Enter")
    chromium.settle(0.5)
    assert chromium.evaluate("document.getElementById('changelist-filter').checkVisibility()")
    assert chromium.errors == []


@pytest.mark.parametrize(
    ("width", "scheme", "is_every"),
    [(1440, "light", True), (390, "dark", True), (1440, "dark", False), (390, "light", False)],
)
def test_every_page_can_be_used_by_everybody(
    width: int, scheme: str, is_every: bool, live_server: LiveServer, chromium: Browser
) -> None:
    """All pages on a desk by light and on a phone in the dark; the main ones on both in both."""
    chromium.resize(width, 900, is_phone=width < 1024)
    chromium.prefer(scheme)
    chromium.open(f"{live_server.url}/admin/login/", settle_s=0.2)
    wrong = [f"login: {found}" for found in axe.violations(chromium)]
    pages = log_in(chromium, live_server)
    for address in (*(pages if is_every else main_pages()), NOWHERE):
        chromium.open(f"{live_server.url}{address}", settle_s=0.2)
        wrong += [f"{address}: {found}" for found in axe.violations(chromium)]
    # The browser notes itself that there is no such page.
    wrong += [error for error in chromium.errors if NOWHERE not in error]
    assert not wrong, "\n".join(wrong)

"""What axe-core asks for, on all pages or on the main ones."""

from pytest_django.live_server_helper import LiveServer

from tests.console.pages.site import log_in, main_pages
from tests.support.pages import axe
from tests.support.pages.chromium import Browser

NOWHERE = "/admin/no-such-page/"


def wrong_on_pages(browser: Browser, live_server: LiveServer, width: int, scheme: str, is_every: bool) -> list[str]:
    """`scheme`: light or dark. `is_every`: all pages, else the main ones."""
    browser.resize(width, 900, is_phone=width < 1024)
    browser.prefer(scheme)
    browser.open(f"{live_server.url}/admin/login/", settle_s=0.2)
    wrong = [f"login: {found}" for found in axe.violations(browser)]
    pages = log_in(browser, live_server)
    for address in (*(pages if is_every else main_pages()), NOWHERE):
        browser.open(f"{live_server.url}{address}", settle_s=0.2)
        wrong += [f"{address}: {found}" for found in axe.violations(browser)]
    # The browser notes itself that there is no such page.
    return wrong + [error for error in browser.errors if NOWHERE not in error]

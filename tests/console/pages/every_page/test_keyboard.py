"""The keyboard reaches all, and shows where it is."""

import pytest
from pytest_django.live_server_helper import LiveServer

from tests.console.pages.site import log_in
from tests.support.pages.chromium import Browser

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("redis_client"),
]

# The element with the focus, where nothing shows that it has it.
UNSEEN_FOCUS = """(() => {
    const element = document.activeElement, style = getComputedStyle(element);
    const around = getComputedStyle(element.closest(".focus-within\\\\:outline-2") || element);
    const isSeen = [style, around].some((each) => each.outlineStyle !== "none" && parseFloat(each.outlineWidth) >= 2);
    return isSeen || element === document.body ? [] : [element.outerHTML.slice(0, 120)];
})()"""


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

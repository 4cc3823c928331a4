"""Nothing is wider than its screen, or too small for a thumb."""

import pytest
from pytest_django.live_server_helper import LiveServer

from tests.console.pages.site import log_in
from tests.support.pages.chromium import Browser

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("redis_client"),
]

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

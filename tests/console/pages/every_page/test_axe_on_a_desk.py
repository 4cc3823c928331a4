"""All pages on a desk can be used by everybody by light, and the main ones in the dark."""

import hashlib

import pytest
from pytest_django.live_server_helper import LiveServer

from tests.console.pages.every_page.axe_on import wrong_on_pages
from tests.support.pages import axe
from tests.support.pages.chromium import Browser

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("redis_client"),
]


def test_axe_is_the_one_that_was_vendored() -> None:
    found = hashlib.sha256(axe.SCRIPT.read_bytes()).hexdigest()
    assert found in axe.SCRIPT.with_name("README.md").read_text()


@pytest.mark.parametrize(("scheme", "is_every"), [("light", True), ("dark", False)])
def test_every_page_on_a_desk_can_be_used_by_everybody(
    scheme: str, is_every: bool, live_server: LiveServer, chromium: Browser
) -> None:
    wrong = wrong_on_pages(chromium, live_server, 1440, scheme, is_every)
    assert not wrong, "\n".join(wrong)

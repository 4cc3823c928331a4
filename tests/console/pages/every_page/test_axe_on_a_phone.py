"""All pages on a phone can be used by everybody in the dark, and the main ones by light."""

import pytest
from pytest_django.live_server_helper import LiveServer

from tests.console.pages.every_page.axe_on import wrong_on_pages
from tests.support.pages.chromium import Browser

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("redis_client"),
]


@pytest.mark.parametrize(("scheme", "is_every"), [("dark", True), ("light", False)])
def test_every_page_on_a_phone_can_be_used_by_everybody(
    scheme: str, is_every: bool, live_server: LiveServer, chromium: Browser
) -> None:
    wrong = wrong_on_pages(chromium, live_server, 390, scheme, is_every)
    assert not wrong, "\n".join(wrong)

"""A phone can install the pages as an app."""

from urllib.parse import urljoin

import pytest
from django.urls import resolve
from pytest_django.live_server_helper import LiveServer

from tests.support.pages.chromium import Browser

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("redis_client"),
]


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

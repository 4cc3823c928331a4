"""The web server of pages and streams in this process, and somebody who is logged in."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import User
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections
from django.test import Client

from console.live.stream import Stream
from hedgehog_project.web import serving
from hedgehog_project.web.serving import Application, healthz
from tests.support.pages.server import PageServer


@dataclass
class Site:
    server: PageServer
    stream: Stream
    user: User
    cookie: str  # of the user's session
    client: Client

    @property
    def url(self) -> str:
        return self.server.url


@pytest.fixture
def site(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    application = Application(StaticFilesHandler(WSGIHandler()), {"/healthz": healthz})
    stream = Stream(application.threads)
    application.answer("/admin/live/", stream)
    application.at_shutdown.append(stream.hub.close)
    user = User.objects.create_superuser("admin")
    client = Client()
    client.force_login(user)
    with PageServer(application) as server:
        yield Site(server, stream, user, client.cookies["sessionid"].value, client)
    assert stream.reader.wait_until_ended(5), "somebody still reads"
    # What its threads have connected to would keep the database from being emptied: each closes its own.
    together = threading.Barrier(serving.THREADS)

    def close_own() -> None:
        together.wait(5)
        connections.close_all()

    for _ in range(serving.THREADS):
        application.threads.submit(close_own)
    application.threads.shutdown()

"""GET /admin/live/?topics=sym.ETHUSDT,trader.17: server-sent events, on the event loop of the web server."""

import asyncio
import io
import json
import logging
import re
import time
from concurrent.futures import Executor
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings
from django.contrib.auth import get_user
from django.core.exceptions import DisallowedHost
from django.core.handlers.wsgi import WSGIRequest
from django.db import DatabaseError, InterfaceError, close_old_connections

from console import viewer_zone
from console.live.hub import Frame, Full, Hub, Page
from console.live.reader import SYMBOL, Reader, zoned
from console.live.state import values_of
from hedgehog_project.web.serving import Receive, Scope, Send, environ_of, respond, unsent

log = logging.getLogger(__name__)

# At most four frames a second; a beat at least so often; and permission is looked at again.
FRAME_S, BEAT_S, PERMISSION_S = 0.25, 2.0, 60.0
MAX_TOPICS = 60
TOPIC = re.compile(r"sym\.[A-Z0-9]{2,30}|trader\.[0-9]{1,18}")
# A page that has left so much unread is gone, or will ask for the whole state when it is back.
MAX_UNREAD = 256_000
NEEDS = "trading.view_symbol"


class Stream:
    """For web.serving.Application. `threads`: where what may block is done."""

    def __init__(self, threads: Executor, hub: Hub | None = None) -> None:
        self._threads = threads
        self.reader = Reader()
        self.hub = hub or Hub(self.reader.start)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = WSGIRequest(environ_of(scope, io.BytesIO(), 0))
        try:
            request.get_host()
        except DisallowedHost:
            await respond(send, 400, "Not a host of ours.\n")
            return
        topics = _topics(scope)
        if not topics:
            await respond(send, 400, "No topic.\n")
            return
        if not await self._in_thread(may_read, request):
            await respond(send, 403, "Not logged in, or no right to see symbols.\n")
            return
        zone = viewer_zone.zone(request.COOKIES.get(viewer_zone.COOKIE, "")).key
        page = Page(topics | {zoned(each, zone) for each in topics if each.startswith(SYMBOL)}, _loop())
        last_event_id = request.headers.get("Last-Event-ID", "")
        try:
            goes_on = self.hub.join(page, last_event_id)
        except Full:
            await respond(send, 503, "Too many pages are open: poll.\n")
            return
        gone = asyncio.ensure_future(_gone(receive))
        try:
            headers = [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"cache-control", b"no-store"),
                (b"x-accel-buffering", b"no"),
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await self._tell(page, request, scope, send, gone, topics if not goes_on else frozenset(), zone)
        finally:
            self.hub.leave(page)
            gone.cancel()
        await send({"type": "http.response.body", "body": b""})

    async def _tell(
        self,
        page: Page,
        request: WSGIRequest,
        scope: Scope,
        send: Send,
        gone: "asyncio.Future[None]",
        state_of: frozenset[str],
        zone: str,
    ) -> None:
        if state_of:
            # The frames from here on follow what it says.
            event_id, _ = self.hub.take(page)
            values = await self._in_thread(_state, state_of, zone)
            frame = Frame(values=values, changed=set(state_of))
            await _send(send, frame.as_json(), event_id, "state")
        else:
            page.wake()  # What it missed is there.
        looked_at = time.monotonic()
        beat_at = 0.0
        while not gone.done() and not self.hub.is_closing and unsent(scope) < MAX_UNREAD:
            now = time.monotonic()
            if now - looked_at >= PERMISSION_S:
                looked_at = now
                if not await self._in_thread(may_read, request):
                    await _send(send, {}, "", "end")
                    return
            if now - beat_at >= BEAT_S:
                beat_at = now
                self.hub.see_to_reader()
                await _send(send, {"problems": self.hub.problems}, "", "beat")
            if not await page.wait(max(0.0, beat_at + BEAT_S - time.monotonic())):
                continue
            event_id, frame = self.hub.take(page)
            if frame:
                await _send(send, frame.as_json(), event_id)
                await asyncio.sleep(FRAME_S)

    async def _in_thread(self, function: Any, *args: Any) -> Any:
        return await _loop().run_in_executor(self._threads, function, *args)


def may_read(request: WSGIRequest) -> bool:
    """Whether the session is still of somebody who may; asked anew each time."""
    close_old_connections()
    store = import_module(settings.SESSION_ENGINE).SessionStore
    request.session = store(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    try:
        user = get_user(request)
        return bool(user.is_active and user.is_staff and user.has_perm(NEEDS))
    except (DatabaseError, InterfaceError) as error:
        # Nobody is let in by a database that does not answer; the page polls, and comes back.
        log.warning("live pages: who reads could not be looked up: %s", error)
        return False


def _state(topics: frozenset[str], zone: str) -> Any:
    close_old_connections()
    try:
        return values_of(topics, viewer_zone.zone(zone))
    except (DatabaseError, InterfaceError):
        return {}


def _topics(scope: Scope) -> frozenset[str]:
    try:
        query = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=5)
    except ValueError:
        return frozenset()  # More fields than any page of ours asks with.
    named = [topic for text in query.get("topics", []) for topic in text.split(",")]
    return frozenset([topic for topic in named if TOPIC.fullmatch(topic)][:MAX_TOPICS])


async def _send(send: Send, what: Any, event_id: str, event: str = "") -> None:
    lines = [f"id: {event_id}"] if event_id else []
    lines += [f"event: {event}"] if event else []
    lines.append(f"data: {json.dumps(what, separators=(',', ':'))}")
    text = "\n".join(lines) + "\n\n"
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()

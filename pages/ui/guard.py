"""The guard in front of the app: every request and websocket is judged before Streamlit sees it."""

from __future__ import annotations

import sys
from collections.abc import Collection

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.runtime import Runtime, exists, get_instance

from vocabtrim_core.access import allowed_hosts, refusal
from vocabtrim_core.errors import InputError

BAD_INPUT = 2
HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'self'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
UNGUARDED = (
    "This way of starting the app leaves it open to every web page, so it shows nothing. Start it "
    "with `make app`, or with `streamlit run app.py` in its folder."
)


class HostGuard:
    """ASGI middleware: refuses foreign Host and Origin with 403, adds security headers."""

    in_front = False  # whether the server of this process has one

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        self.app, self.allowed = app, allowed
        HostGuard.in_front = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or open one websocket; see the ASGI specification."""
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        named: dict[bytes, list[bytes]] = {b"host": [], b"origin": []}
        for name, value in scope["headers"]:
            if name.lower() in named:
                named[name.lower()].append(value)
        websocket = scope["type"] == "websocket"
        why = refusal(named[b"host"], named[b"origin"], self.allowed, websocket=websocket)
        if why and websocket:
            return await send({"type": "websocket.close"})  # before it is accepted: 403
        if why:
            return await PlainTextResponse(f"{why}\n", 403, HEADERS)(scope, receive, send)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, with_headers)


def guard() -> Middleware:
    """The guard for `st.App`; a setting that is wrong ends the start with one sentence."""
    try:
        return Middleware(HostGuard, allowed=allowed_hosts())
    except InputError as error:
        print(error, file=sys.stderr)
        raise SystemExit(BAD_INPUT) from None


def require_guard() -> None:
    """Stop the script where a server serves it without the guard, as a bare page file would be.

    Streamlit's AppTest has no server: it puts a stand-in where the runtime would be.
    """
    if exists() and type(get_instance()) is Runtime and not HostGuard.in_front:
        st.error(UNGUARDED, icon=":material/lock:")
        st.stop()

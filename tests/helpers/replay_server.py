"""A server that replays bodies recorded from llama.cpp, vLLM or SGLang, and misbehaves on request.

tests/serving/recorded holds what the engines answered to the same eight prompt tokens. Its counters
grow with every answer by what that answer added to the engine's.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

RECORDED = Path(__file__).resolve().parents[1] / "serving" / "recorded"
PATHS = {"llama_cpp": "/completion", "vllm": "/v1/completions", "sglang": "/generate"}


class ReplayServer(ThreadingHTTPServer):
    """name: a key of PATHS.  misbehave: "" or one of the names in `_Handler.replay`.

    others: tokens that others generate during each answer.  missing: paths that answer 404.
    busy: whether a request of others is under way.
    """

    daemon_threads = True

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        recorded = json.loads((RECORDED / f"{name}.json").read_text("utf-8"))
        self.name, self.pages, self.tie = name, recorded["pages"], recorded["tie"]
        self.events: list[str] = recorded["events"]
        self.metrics: str = recorded["metrics"]
        self.misbehave, self.others, self.answered = "", 0, 0
        self.missing: set[str] = set()
        self.busy = False
        self.bodies: list[dict] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def counters(self) -> str:
        """The recorded page, as many times as answers were given."""

        def grown(match: re.Match[str]) -> str:
            value = float(match[2]) * self.answered
            generated = "generation_tokens" in match[1] or "tokens_predicted" in match[1]
            return f"{match[1]} {value + (self.others * self.answered if generated else 0)}"

        text = re.sub(r"(?m)^(\S+) (\S+)$", grown, self.metrics)
        return f"# HELP\n{text}llamacpp:requests_processing {int(self.busy)}\n"

    def handle_error(self, request, client_address) -> None:
        """Clients may leave."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ReplayServer

    def log_message(self, *args) -> None:
        pass

    def reply(self, body: str, status: int = 200, kind: str = "application/json") -> None:
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        fake = self.server
        if self.path in fake.missing:
            code = 501 if self.path == "/metrics" and fake.name == "llama_cpp" else 404
            self.reply('{"error": {"code": 501}}', code)
        elif self.path in fake.pages:
            self.reply(json.dumps(fake.pages[self.path]))
        elif self.path == "/metrics":
            self.reply(fake.counters(), kind="text/plain")
        elif self.path == "/health":
            self.reply("")
        else:
            self.reply('{"detail":"Not Found"}', 404)

    def do_POST(self) -> None:
        fake = self.server
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        fake.bodies.append({"path": self.path, **body})
        if self.path in fake.missing:
            self.reply('{"detail":"Not Found"}', 404)
        elif self.path == "/reset_prefix_cache":
            self.reply('{"success":true}')
        elif self.path == "/flush_cache":
            self.reply("busy" if fake.busy else "Cache flushed.", 400 if fake.busy else 200)
        elif self.path != PATHS[fake.name]:
            self.reply('{"detail":"Not Found"}', 404)
        elif body.get("stream"):
            self.replay(fake.misbehave)
        elif body.get("n_probs") or body.get("logprobs") or body.get("token_ids_logprob"):
            self.reply(json.dumps(fake.tie))
        else:
            self.reply(fake.events[-1])

    def replay(self, wrong: str) -> None:
        fake = self.server
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number, event in enumerate(fake.events):
            if number == 2 and wrong == "dies":
                self.close_connection = True
                self.connection.close()
                return
            if number == 2 and wrong == "stalls":
                time.sleep(3)
            if number == 2 and wrong == "garbage":
                event = "{not json at all"
            if number == 2 and wrong == "error":
                event = '{"error": {"message": "the slot is gone", "code": 500}}'
            if number == 2 and wrong == "cut":
                break
            self.piece(f"data: {event}\n\n".encode())
            if number == 2 and wrong in ("garbage", "error"):
                break  # nothing comes after it
        fake.answered += 1
        self.wfile.write(b"0\r\n\r\n")

    def piece(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


@contextmanager
def replaying(name: str) -> Iterator[ReplayServer]:
    """A server for the length of the block."""
    fake = ReplayServer(name)
    threading.Thread(target=fake.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield fake
    finally:
        fake.shutdown()
        fake.server_close()

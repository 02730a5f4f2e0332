"""A server that speaks SGLang's protocol over a real socket, and misbehaves on request.

Bodies follow those recorded from SGLang 0.5.14. As a script it stands in for
`python -m sglang.launch_server` (see `write_interpreter`).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SECRET = "sk-not-to-be-written-anywhere"
VERSION = "0.5.14"


def info(target: str = "models/tiny", draft: str = "", **changes) -> dict:
    """/server_info, the fields that matter and a secret among them."""
    speculation = {
        "speculative_algorithm": "EAGLE3" if draft else None,
        "speculative_draft_model_path": draft or None,
        "speculative_num_steps": 3 if draft else None,
        "speculative_eagle_topk": 1 if draft else None,
        "speculative_num_draft_tokens": 4 if draft else None,
    }
    return {
        "model_path": target,
        "tokenizer_path": target,
        "dtype": "auto",
        "device": "cuda",
        "tp_size": 1,
        "api_key": SECRET,
        "admin_api_key": SECRET,
        "mem_fraction_static": 0.75,
        "disable_radix_cache": False,
        "context_length": None,
        "max_running_requests": 1,
        **speculation,
        "version": VERSION,
        "internal_states": [{"last_gen_throughput": 0.0, "api_key": SECRET}],
        **changes,
    }


class FakeSglang(ThreadingHTTPServer):
    """answers: tokens per answer.  per_cycle: tokens accepted per verification.  Requests are kept.

    misbehave: "" or one of the names in `_generate`; busy: /flush_cache refuses so often.
    counts: whether there is /metrics, as with --enable-metrics; others: tokens that are generated
    for others during each answer.
    """

    daemon_threads = True
    request_queue_size = 64  # of the socket: many clients connect at once

    def __init__(self, port: int = 0, **about) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.info = info(**about)
        self.answers, self.per_cycle, self.pace = 12, 3, 0.0
        self.misbehave, self.misbehave_from, self.busy = "", 0, 0
        self.counts, self.others, self.tokens = False, 0, 0
        self.pages: dict[str, tuple[int, str, str]] = {}  # path -> status, content type, body
        self.requests: list[tuple[str, dict, dict]] = []
        self.lock = threading.Lock()
        self.now = self.most = 0  # requests under way
        self.key = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def generated(self) -> list[dict]:
        """Bodies of /generate so far."""
        return [body for path, body, _ in self.requests if path == "/generate"]

    def handle_error(self, request, client_address) -> None:
        """Clients may leave."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FakeSglang

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
        self.answer({})

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.answer(json.loads(self.rfile.read(length)) if length else {})

    def answer(self, body: dict) -> None:
        fake = self.server
        with fake.lock:
            fake.requests.append((self.path, body, dict(self.headers)))
            number = len(fake.generated)
        if fake.key and self.headers.get("Authorization") != f"Bearer {fake.key}":
            self.reply('{"error": "Unauthorized"}', 401)
        elif self.path in fake.pages:
            status, kind, text = fake.pages[self.path]
            self.reply(text, status, kind)
        elif self.path in ("/server_info", "/model_info"):
            self.reply(json.dumps(fake.info))
        elif self.path == "/health":
            self.reply("")
        elif self.path == "/flush_cache":
            fake.busy -= 1
            self.reply("Cache flushed." if fake.busy < 0 else "busy", 200 if fake.busy < 0 else 400)
        elif self.path == "/metrics" and fake.counts:
            labels = '{engine_type="unified",is_streaming="true",model_name="m"}'
            line = f"sglang:generation_tokens_total{labels} {fake.tokens:.1f}\n"
            self.reply("# HELP sglang\n" + (line if fake.tokens else ""), kind="text/plain")
        elif self.path == "/generate":
            with fake.lock:
                fake.now += 1
                fake.most = max(fake.most, fake.now)
            self.generate(body, fake.misbehave if number > fake.misbehave_from else "")
        else:
            self.reply("<html><body>Not found</body></html>", 404, "text/html")

    def generate(self, body: dict, wrong: str) -> None:
        fake = self.server
        if wrong == "html":
            self.reply("<html>Bad gateway</html>", 502, "text/html")
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        asked = body.get("input_ids") or body["text"]
        wanted = min(fake.answers + len(asked) % 3, body["sampling_params"]["max_new_tokens"])
        for n in range(1, wanted + 1):
            if fake.pace:
                time.sleep(fake.pace)
            self.event(self.chunk(n, n == wanted and wrong != "endless", wrong))
            if n == 2 and wrong == "dies":
                self.close_connection = True
                self.connection.close()
                return
            if n == 2 and wrong == "stalls":
                time.sleep(3)
            if n == 2 and wrong == "error":
                self.event({"error": {"message": "CUDA error: an illegal memory access"}})
                break
            if n == 2 and wrong == "garbage":
                self.piece(b"data: {not json at all\n\n")
                break
            if n == 2 and wrong == "cut":
                break
        with fake.lock:  # before the last word, after which the client asks again
            fake.now -= 1
            fake.tokens += wanted + fake.others
        if wrong != "cut":
            self.piece(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def chunk(self, n: int, last: bool, wrong: str) -> dict:
        fake = self.server
        meta: dict = {"id": "1", "prompt_tokens": 3, "completion_tokens": n, "finish_reason": None}
        if last:
            meta["finish_reason"] = {"type": "length", "length": n}
            if wrong == "abort":
                meta["finish_reason"] = {"type": "abort", "message": "the queue is full"}
            if fake.info["speculative_algorithm"] and n > 1 and wrong != "uncounted":
                full, rest = divmod(n - 1, fake.per_cycle)  # the first token is the prefill's
                cycles = full + (rest > 0)
                accepted = [0] * fake.per_cycle
                accepted[-1] = full
                accepted[rest - 1] += rest > 0
                meta |= {
                    "spec_verify_ct": cycles,
                    "spec_accept_length": n / cycles,
                    "spec_correct_drafts_histogram": accepted,
                }
        return {"text": "word " * n, "output_ids": list(range(n)), "meta_info": meta}

    def event(self, value: dict) -> None:
        self.piece(b"data: " + json.dumps(value).encode() + b"\n\n")

    def piece(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


@contextmanager
def serving(**about) -> Iterator[FakeSglang]:
    """A fake server for the length of the block."""
    fake = FakeSglang(**about)
    threading.Thread(target=fake.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield fake
    finally:
        fake.shutdown()
        fake.server_close()


def write_interpreter(folder: Path, mode: str = "") -> Path:
    """A `python` that has SGLang, as far as the launcher can tell, and notes how it was called.

    mode: "" or how it fails, see `main`.
    """
    path = folder / f"python-{mode or 'good'}"
    path.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "{mode}" "{folder}" "$@"\n', "utf-8"
    )
    path.chmod(0o755)
    return path


def write_nvidia_smi(folder: Path, reasons: str = "0x0000000000000004") -> Path:
    """An `nvidia-smi` with one GPU, for PATH."""
    path = folder / "nvidia-smi"
    line = f"NVIDIA H200, 580.65, 1410, 1980, 2619, 312.40, 700.00, 54, {reasons}"
    path.write_text(f'#!/bin/sh\necho "{line}"\n', "utf-8")
    path.chmod(0o755)
    return path


def main() -> None:
    """The interpreter: `-c` asks for the version, `-m sglang.launch_server` serves."""
    mode, folder, *argv = sys.argv[1:]
    if argv[0] == "-c":
        if mode == "without":
            sys.exit("ModuleNotFoundError: sglang")
        print(json.dumps({"sglang": VERSION}))
        return
    assert argv[:2] == ["-m", "sglang.launch_server"]
    with (Path(folder) / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(argv) + "\n")
    parser = argparse.ArgumentParser()
    for name in ("--model-path", "--speculative-draft-model-path"):
        parser.add_argument(name)
    parser.add_argument("--port", type=int)
    found, _ = parser.parse_known_args(argv[2:])
    if mode == "breaks":
        sys.exit("Traceback (most recent call last):\nValueError: max_position_embeddings is small")
    if mode == "hangs":
        time.sleep(60)
    fake = FakeSglang(
        found.port, target=found.model_path, draft=found.speculative_draft_model_path or ""
    )
    if mode == "dies":
        threading.Timer(1.0, _die).start()
        fake.pace = 0.2
    if mode == "slow":
        fake.pace = 0.05
    fake.serve_forever()


def _die() -> None:
    print("torch.OutOfMemoryError: CUDA out of memory.", file=sys.stderr, flush=True)
    os._exit(9)


if __name__ == "__main__":
    main()

"""A small target of a few seconds, conversations for it, and features captured from it."""

from __future__ import annotations

import json
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from helpers.small_target import train_small_target

from vocabtrim_core.corpora import Corpus, open_corpus
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.drafts.feature_sets import FeatureSet
from vocabtrim_core.drafts.features import capture
from vocabtrim_core.drafts.plan import SMALL_MAX_TOKENS
from vocabtrim_core.drafts.target import Target, load_target
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

WORDS = [
    *("open", "close", "read", "write", "the", "a", "file", "folder", "name", "value", "list"),
    *("table", "of", "with", "and", "returns", "sets", "path", "when", "is", "not", "error"),
]


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Tiny tensors are not worth a second thread, which would wait more than it works."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """120 short conversations with answers that follow a pattern."""
    rng = random.Random(0)
    lines = []
    for i in range(120):
        verb, noun = rng.choice(WORDS[:4]), rng.choice(WORDS[6:12])
        turns = [
            {"role": "user", "content": f"How do I {verb} the {noun} number {i}?"},
            {
                "role": "assistant",
                "content": f'Call {verb}_{noun}(). {{"name": "{noun}"}} '
                + " ".join(rng.choices(WORDS, k=rng.randint(2, 9))),
            },
        ]
        lines.append(json.dumps({"id": i, "conversations": turns * rng.choice((1, 1, 2))}))
    path = tmp_path_factory.mktemp("small-corpus") / "small.jsonl"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return open_corpus(path)


@pytest.fixture(scope="session")
def small(small_corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The small target's folder."""
    out = tmp_path_factory.mktemp("targets") / "small"
    return SimpleNamespace(folder=train_small_target(out, small_corpus, steps=150))


@pytest.fixture(scope="session")
def small_target(small: SimpleNamespace) -> Target:
    return load_target(small.folder)


@pytest.fixture(scope="session")
def small_recipe(small: SimpleNamespace) -> CountConfig:
    tokenizer = load_tokenizer(small.folder)
    return CountConfig(tokenizer, resolve_template(tokenizer), max_length=128)


@pytest.fixture(scope="session")
def small_features(
    small_target: Target, small_corpus: Corpus, small_recipe: CountConfig
) -> FeatureSet:
    return capture(
        small_target,
        small_corpus,
        small_recipe,
        held_out=0.2,
        device="cpu",
        max_tokens=SMALL_MAX_TOKENS,
    )


@pytest.fixture
def server():
    """A server of both APIs that answers with what it was asked; `plan` says how it fails."""
    state = SimpleNamespace(requests=[], fail=lambda n, body: None, lock=threading.Lock())

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args) -> None:
            pass

        def reply(self, value, status: int = 200) -> None:
            content = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            if self.path == "/v1/models":
                self.reply({"data": [{"id": "tiny"}]})
            elif self.path == "/model_info":
                self.reply({"model_path": "tiny"})
            else:
                self.reply(b"<html>not here</html>", 404)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with state.lock:
                state.requests.append((self.path, body))
                bad = state.fail(len(state.requests), body)
            if bad:
                self.reply(*bad)
            elif self.path == "/generate":
                why = {"type": "length" if "cut" in body["text"] else "stop"}
                meta = {"finish_reason": why, "completion_tokens": 9}
                self.reply({"text": f"generated {len(body['text'])}", "meta_info": meta})
            else:
                said = body["messages"][-1]["content"]
                message = {"role": "assistant", "content": f"About {said}"}
                why = {"finish_reason": "length" if "cut" in said else "stop"}
                if "unsaid" in said:  # a server that names no reason, but counts
                    why = {}
                tokens = body["max_tokens"] if "full" in said else 3
                usage = {"completion_tokens": tokens}
                self.reply({"choices": [{"message": message, **why}], "usage": usage})

    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{found.server_port}"
    yield state
    found.shutdown()
    found.server_close()

"""Which servers see a key of the environment: those that are of its engine, by a private way."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest
from helpers.recorded_server import bodies, replaying
from helpers.sglang_server import serving

from vocabtrim_core import server_addresses
from vocabtrim_core.drafts.completion_clients import Sampling, ServerAnswerer
from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.doctor import diagnose
from vocabtrim_core.serving.doctor.examination import Expected
from vocabtrim_core.serving.engines.identify import connect
from vocabtrim_core.serving.engines.process import ServerProcess

SECRETS = {
    "OPENAI_API_KEY": "of-openai",
    "SGLANG_API_KEY": "of-sglang",
    "VLLM_API_KEY": "of-vllm",
    "LLAMA_API_KEY": "of-llama",
}
KINDS = {"sglang": "sglang-trimmed", "vllm": "vllm-trimmed", "llama.cpp": "llama-trimmed"}
OWN = {"sglang": "of-sglang", "vllm": "of-vllm", "llama.cpp": "of-llama"}


@pytest.fixture(autouse=True)
def secrets(monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def sent_by(seen) -> set[str]:
    """The secrets in the headers of requests."""
    return {secret for secret in SECRETS.values() for headers in seen if secret in str(headers)}


@pytest.mark.parametrize("engine", KINDS)
def test_a_server_that_was_identified_gets_the_key_of_its_engine_alone(engine):
    with replaying(KINDS[engine]) as server:
        client = connect(server.url)
        assert sent_by(server.seen) == set()  # it was identified without one
        client.text("/metrics")
        assert sent_by(server.seen) == {OWN[engine]}


def test_a_server_that_tells_nothing_gets_none():
    with serving() as fake:
        fake.key = "of-sglang"  # it answers 401 to everything without it
        with pytest.raises(Exception, match="wants a key; name its engine with --engine"):
            connect(fake.url).read()
        assert sent_by(headers for _, _, headers in fake.requests) == set()
        assert connect(fake.url, engine="sglang").read().engine == "SGLang"
    for answers in ({}, {"/v1/models": {"data": [{"id": "m", "owned_by": "another"}]}}):
        with replaying(answers=answers) as server:
            with pytest.raises(Exception, match="server"):
                connect(server.url).read()
            assert sent_by(server.seen) == set()


def test_the_doctor_sends_none_to_a_server_that_tells_nothing():
    with serving() as fake:
        fake.key = "of-sglang"
        with pytest.raises(InputError, match="name its engine with --engine"):
            diagnose([fake.url])
        assert sent_by(headers for _, _, headers in fake.requests) == set()
        assert diagnose([fake.url], expected=Expected("sglang")).engine == "SGLang"
    with replaying(answers={"/metrics": 401}) as server:
        with pytest.raises(InputError, match="name its engine"):
            diagnose([server.url])
        assert sent_by(server.seen) == set()


@pytest.mark.parametrize(
    ("url", "goes"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://127.1.2.3:8000", True),
        ("http://localhost:8000", True),
        ("http://[::1]:8000", True),
        ("https://gpu.example", True),
        ("http://gpu.example", False),
        ("http://10.0.0.5:8000", False),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", False),
    ],
)
def test_a_key_goes_by_https_or_within_this_machine(url, goes):
    key, remedy = server_addresses.key_for(url, "VLLM_API_KEY")
    assert key == ("of-vllm" if goes else None)
    assert "of-vllm" not in remedy
    assert goes or "not sent over http to another machine" in remedy
    if not goes:
        with pytest.raises(InputError, match="--header are not sent over http"):
            connect(url, headers={"X-Key": "of-vllm"})


# --- what answers prompts -------------------------------------------------------------------------

MODELS = {"/v1/models": {"data": [{"id": "m"}]}, "/model_info": {"model_path": "m"}}


async def opened(answerer: ServerAnswerer) -> None:
    await answerer.open()
    await answerer.close()


def test_openais_key_goes_to_the_server_that_openais_url_names(monkeypatch):
    with replaying(answers=MODELS) as server:
        asyncio.run(opened(ServerAnswerer(server.url, Sampling())))
        assert sent_by(server.seen) == set()
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        asyncio.run(opened(ServerAnswerer(server.url, Sampling())))
        assert sent_by(server.seen) == {"of-openai"}
    assert server_addresses.openai_key_for("https://api.openai.com/v1")[0] is None
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert server_addresses.openai_key_for("https://api.openai.com/v1")[0] == "of-openai"
    for other in ("http://api.openai.com", "https://api.openai.com:8443", "https://openai.com"):
        assert server_addresses.openai_key_for(other)[0] is None


def test_sglangs_api_gets_sglangs_key():
    with replaying(answers=MODELS) as server:
        asyncio.run(opened(ServerAnswerer(server.url, Sampling(), api="sglang")))
        assert sent_by(server.seen) == {"of-sglang"}


def test_a_server_that_wants_a_key_is_a_sentence():
    with replaying(answers={"/v1/models": 401}) as server:
        with pytest.raises(InputError, match=r"wants a key; \$OPENAI_API_KEY is sent only to"):
            asyncio.run(opened(ServerAnswerer(server.url, Sampling())))
        with pytest.raises(InputError, match="must not hold a password"):
            asyncio.run(opened(ServerAnswerer("http://u:pass@127.0.0.1:1", Sampling())))


# --- servers that are started here ----------------------------------------------------------------


def test_servers_that_are_started_here_see_no_key(tmp_path):
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    server = ServerProcess([sys.executable, "-c", code], {"MADE": "1"}, tmp_path / "log")
    assert server.has_ended() or server.stop() is None
    server.stop()
    environment = json.loads((tmp_path / "log").read_text().splitlines()[1])
    assert environment["MADE"] == "1"
    assert not SECRETS.keys() & environment.keys()


def test_every_recording_tells_its_engine():
    for engine, name in KINDS.items():
        seen = bodies(name)
        assert "/metrics" in seen
        with replaying(name) as server:
            assert connect(server.url).engine == engine

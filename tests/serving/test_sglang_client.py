"""SGLang servers by URL, over real sockets: what they say, how they answer, how they fail."""

from __future__ import annotations

import json
import socket
import time

import pytest
from helpers.sglang_server import SECRET, info, serving

from vocabtrim_core.errors import Cancelled, InputError
from vocabtrim_core.serving.configurations import NO_SPECULATION
from vocabtrim_core.serving.engine import EngineError, Generation, Prompt
from vocabtrim_core.serving.engines import counters
from vocabtrim_core.serving.engines.servers import Servers
from vocabtrim_core.serving.engines.sglang import http as sglang_http
from vocabtrim_core.serving.engines.sglang.http import SglangHttp
from vocabtrim_core.serving.measurement import Configuration, Counted, Run

PROMPTS = [Prompt("a", (1, 2)), Prompt("bcd", (3, 4, 5)), Prompt("text alone")]
SHORT = Generation(20)


def nothing() -> None:
    """A check that lets go on."""


@pytest.fixture
def draft(tmp_path):
    """A draft folder as far as its size is concerned."""
    folder = tmp_path / "draft-13264"
    folder.mkdir()
    (folder / "config.json").write_text('{"vocab_size": 128256, "draft_vocab_size": 13264}')
    return folder


def closed_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{found.getsockname()[1]}"


# --- what servers say ----------------------------------------------------------------------------


def test_a_recorded_server_is_read(shared) -> None:
    body, _ = (shared / "reference/specforge_sglang/o_server_info.txt").read_text().split("\nHTTP")
    with serving() as fake:
        fake.info = json.loads(body)
        found = SglangHttp(fake.url).read()
    assert (found.version, found.target, found.tokenizer) == ("0.5.14", "exp/target", "exp/target")
    assert (found.algorithm, found.draft, found.steps) == ("", "", 0)
    assert found.arguments["attention_backend"] == "torch_native"
    assert found.arguments["disable_radix_cache"] is False


def test_configurations_come_from_the_servers(draft) -> None:
    with serving() as base, serving(draft=str(draft)) as trimmed, serving(draft="org/d") as other:
        servers = Servers(
            [("", base.url), ("13,264", f"{trimmed.url}/v1/"), ("mine", other.url)],
            vocab_size=128_256,
        )
        assert servers.configurations == (
            Configuration(NO_SPECULATION),
            Configuration("13,264", 13_264, str(draft), 3, 1, 4),
            Configuration("mine", None, "org/d", 3, 1, 4),
        )
        assert servers.label == "SGLang 0.5.14"
        assert (servers.target, servers.tokenizer) == ("models/tiny", "models/tiny")
        assert servers.settings["mem_fraction_static"] == 0.75
        (note,) = servers.notes
        assert "org/d" in note
        assert "is not known" in note


def test_a_draft_of_another_size_than_asked_for_is_refused(draft) -> None:
    with serving(draft=str(draft)) as trimmed:
        with pytest.raises(InputError, match=r"drafts 13,264 tokens.*but k = 4,380"):
            Servers([("4380", trimmed.url)])
        insisted = Servers([("4380", trimmed.url)], insist=True)
        assert insisted.configurations[0].k == 13_264
        assert "k = 4,380" in insisted.notes[0]
    # The server's own word is believed before any file, and a folder of the same name stands in.
    with serving(draft="/elsewhere/draft-13264") as remote:
        assert Servers([("", remote.url)], drafts=[draft]).configurations[0].k == 13_264
        remote.info["draft_vocab_size"] = 32_000
        assert Servers([("", remote.url)], drafts=[draft]).configurations[0].k == 32_000
    with serving() as base, pytest.raises(InputError, match="without a draft, but k = 4,380"):
        Servers([("4380", base.url)])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_path": "models/big"}, r"target: models/tiny at http.*models/big at http"),
        ({"tokenizer_path": "t"}, "tokenizer: models/tiny at .* t at"),
        ({"speculative_num_steps": 5}, "draft steps: 3 at .* 5 at"),
        ({"speculative_eagle_topk": 4}, "top-k: 1 at .* 4 at"),
        ({"speculative_num_draft_tokens": 8}, "draft tokens: 4 at .* 8 at"),
    ],
)
def test_different_servers_are_not_compared(change, words) -> None:
    with serving(draft="a/b") as one, serving(draft="a/c") as other:
        other.info |= change
        urls = [("one", one.url), ("other", other.url)]
        with pytest.raises(InputError, match=words):
            Servers(urls)
        assert words.split(":")[0].split(" ")[-1] in Servers(urls, insist=True).notes[0]


def test_other_differences_are_notes() -> None:
    with serving() as one, serving(version="0.4.9", mem_fraction_static=0.5) as other:
        servers = Servers([("a", one.url), ("b", other.url)])
        assert servers.versions == {"sglang": "0.5.14, 0.4.9"}
        assert "mem_fraction_static" not in servers.settings
        different, versions = servers.notes
        assert "mem_fraction_static" in different
        assert "0.5.14, 0.4.9" in versions
    with serving(version="0.4.9") as old:
        assert Servers([("", old.url)]).notes == (
            "The protocol is that of SGLang 0.5.14 and 0.5.23; the servers say 0.4.9.",
        )


def test_the_target_must_be_the_one_that_is_served() -> None:
    with serving(target="/models/Llama-3.1-8B") as fake:
        Servers([("", fake.url)], target="meta-llama/llama-3.1-8b")
        with pytest.raises(InputError, match=r"serves /models/Llama-3.1-8B, but the target is q/Q"):
            Servers([("", fake.url)], target="q/Q")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("gpu-host:30000", "is no http"),
        ("ftp://gpu-host", "is no http"),
        ("http://user:secret@gpu-host:30000", "must not hold a password"),
        ("http://gpu-host/?key=secret", "must not hold a password"),
        ("http://gpu host:x", "is no URL"),
    ],
)
def test_urls_are_checked(url, words) -> None:
    with pytest.raises(InputError, match=words) as caught:
        Servers([("", url)])
    assert "secret" not in str(caught.value)
    with pytest.raises(InputError, match="given twice"):
        Servers([("a", "http://x:1"), ("b", "http://x:1/")])


HTML = (404, "text/html", "<html><h1>nginx</h1></html>")


@pytest.mark.parametrize(
    ("pages", "words"),
    [
        ({"/server_info": HTML}, "HTTP 404 with an HTML page"),
        ({"/server_info": (200, "text/html", "<html>")}, "an HTML page, not JSON"),
        ({"/server_info": (200, "application/json", "[]")}, "no object"),
        ({"/server_info": (200, "application/json", '{"object": "list"}')}, "no sound model_path"),
        ({"/server_info": (500, "text/plain", "boom")}, "HTTP 500 with 'boom'"),
        ({"/health": (503, "text/plain", "")}, "but not ready"),
    ],
)
def test_what_is_no_sglang_server_is_said(pages, words) -> None:
    with serving() as fake:
        fake.pages = {"/model_info": HTML, **pages}
        with pytest.raises(InputError, match=words):
            Servers([("", fake.url)])


def test_an_older_name_of_server_info() -> None:
    with serving() as fake:
        old = json.dumps(info(target="models/old"))
        fake.pages = {
            "/server_info": HTML,
            "/get_server_info": (200, "application/json", old),
            "/model_info": HTML,
        }
        assert Servers([("", fake.url)]).target == "models/old"


def test_nobody_there() -> None:
    with pytest.raises(InputError, match="does not answer; check the URL"):
        Servers([("", closed_port())])
    with serving() as fake:
        gone = closed_port()
        servers = Servers([("", fake.url), ("4380", gone)])
        assert servers.configurations[1] == Configuration("4,380", 4_380, gone)
        with pytest.raises(EngineError, match="does not answer"):
            servers.use(servers.configurations[1], 1)
        servers.use(servers.configurations[0], 1)  # the others stand


def test_keys_are_sent_and_never_recorded() -> None:
    with serving() as fake:
        fake.key = "k3y"
        with pytest.raises(InputError, match=r"wants a key; put it into \$SGLANG_API_KEY"):
            Servers([("", fake.url)], engine="sglang")
        servers = Servers([("", fake.url)], headers={"Authorization": "Bearer k3y"})
        told = f"{servers.settings}{servers.notes}{servers.configurations}{servers.device}"
        assert SECRET not in told
        assert "k3y" not in told


# --- how they answer -----------------------------------------------------------------------------


def test_answers_are_counted_from_the_last_event() -> None:
    with serving(draft="a/b") as fake:
        servers = Servers([("", fake.url)])
        servers.use(servers.configurations[0], 1)
        servers.flush()
        answers, seconds = servers.answer(PROMPTS, SHORT, 1, nothing)
        # 12 tokens, and one more for each id beyond a multiple of three; three per cycle, but the
        # first token is the prefill's.
        assert [a.tokens for a in answers] == [14, 12, 13]
        assert [a.verified for a in answers] == [5, 4, 4]
        assert [a.accepted for a in answers] == [(1, 0, 4), (0, 1, 3), (0, 0, 4)]
        assert all(0 < a.first_token_s <= a.seconds <= seconds for a in answers)
        run = Run.of("k", 1, 0, answers, seconds)
        assert run.acceptance_length == pytest.approx((39 - 3) / 13)
        bodies = fake.generated
        assert [b.get("input_ids") or b["text"] for b in bodies] == [
            [1, 2],
            [3, 4, 5],
            "text alone",
        ]
        assert all(b["stream"] for b in bodies)
        assert bodies[0]["sampling_params"] == {
            "temperature": 0.0,
            "max_new_tokens": 20,
            "ignore_eos": False,
        }
        # Once before, and once after, when it refuses while it works for others.
        assert sum(path == "/flush_cache" for path, _, _ in fake.requests) == 2
        servers.close()


def test_requests_run_at_once_and_keep_their_order() -> None:
    prompts = [Prompt("p", tuple(range(n))) for n in range(1, 25)]
    with serving() as fake:
        fake.pace = 0.002
        http = SglangHttp(fake.url)
        answers, _ = http.answer(prompts, SHORT, 6, nothing)
        assert [a.tokens for a in answers] == [12 + n % 3 for n in range(1, 25)]
        assert 2 <= fake.most <= 6
        assert all(a.verified is None for a in answers)


def test_differing_answers_are_noted() -> None:
    with serving() as one, serving(draft="a/b") as other:
        servers = Servers([("x", one.url), ("y", other.url)])
        for each in servers.configurations:
            servers.use(each, 1)
            servers.answer(PROMPTS, SHORT, 1, nothing)
        assert "All 3 repeated answers equal" in servers.notes[-1]
        other.answers = 9
        servers.answer(PROMPTS, SHORT, 1, nothing)
        assert "3 of 6 repeated answers differ" in servers.notes[-1]


def test_a_server_that_counts_nothing_is_noted() -> None:
    with serving(draft="a/b") as fake:
        fake.misbehave = "uncounted"
        servers = Servers([("", fake.url)])
        servers.use(servers.configurations[0], 1)
        answers, _ = servers.answer(PROMPTS, SHORT, 1, nothing)
        assert answers[0].verified is None
        assert any("does not count verifications" in note for note in servers.notes)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("dies", "broke the connection off"),
        ("stalls", r"was silent for 0\.3 s"),
        ("error", "failed while it answered: .*illegal memory access"),
        ("garbage", "answers garbage"),
        ("cut", "broke an answer off"),
        ("endless", "broke an answer off"),
        ("abort", "aborted an answer: the queue is full"),
        ("html", "HTTP 502 with an HTML page"),
    ],
)
def test_failures_in_the_middle_are_sentences(wrong, words) -> None:
    with serving(draft="a/b") as fake:
        fake.misbehave, fake.misbehave_from = wrong, 1
        http = SglangHttp(fake.url, stall=0.3)
        with pytest.raises(EngineError, match=words):
            http.answer(PROMPTS, SHORT, 2, nothing)


def test_flushing_waits_for_others(monkeypatch) -> None:
    monkeypatch.setattr(sglang_http, "POLL_SECONDS", 0.01)
    with serving() as fake:
        fake.busy = 3
        SglangHttp(fake.url).flush()
        assert sum(path == "/flush_cache" for path, _, _ in fake.requests) == 4
        fake.busy = 1_000
        monkeypatch.setattr(sglang_http, "FLUSH_SECONDS", 0.05)
        with pytest.raises(EngineError, match="busy with others"):
            SglangHttp(fake.url).flush()


@pytest.mark.parametrize("draft", ["", "a/b"])
def test_tokens_for_others_are_counted_where_it_counts(draft) -> None:
    with serving(draft=draft) as fake:
        fake.counts = True
        http = SglangHttp(fake.url)
        answers, _ = http.answer(PROMPTS, SHORT, 2, nothing)  # the page has no counter before
        assert http.counters().tokens == sum(answer.tokens for answer in answers) == 39
        http.answer(PROMPTS, SHORT, 2, nothing)
        assert not http.notes
        assert http.counted() == Counted()  # verifications are those of the answers
        fake.others = 5
        with pytest.raises(EngineError, match="generated 54 tokens while it answered with 39"):
            http.answer(PROMPTS, SHORT, 2, nothing)


def test_without_metrics_it_is_said_that_others_are_not_seen() -> None:
    with serving(draft="a/b") as fake:
        fake.others = 5
        servers = Servers([("", fake.url)])
        servers.use(servers.configurations[0], 1)
        servers.answer(PROMPTS, SHORT, 1, nothing)
        (note,) = [note for note in servers.notes if "/metrics" in note]
        assert note.startswith(f"{fake.url} has no /metrics, so requests of others")
        assert note.endswith("start it with `--enable-metrics`.")


def test_a_server_that_works_on_is_working_for_others(monkeypatch) -> None:
    monkeypatch.setattr(counters, "SETTLE_SECONDS", 0.1)
    with serving(draft="a/b") as fake:
        http = SglangHttp(fake.url)
        fake.busy = 1  # it is only about to end its last request
        http.answer(PROMPTS, SHORT, 1, nothing)
        fake.busy = 10_000
        with pytest.raises(EngineError, match="works on requests of others"):
            http.answer(PROMPTS, SHORT, 1, nothing)


def test_stopping_does_not_wait_for_a_silent_server() -> None:
    asked = iter(range(100))

    def check() -> None:
        if next(asked) == 1:
            raise Cancelled("Stopped.")

    with serving() as fake:
        fake.misbehave = "stalls"
        began = time.monotonic()
        with pytest.raises(Cancelled):
            SglangHttp(fake.url).answer(PROMPTS, SHORT, 2, check)
        assert time.monotonic() - began < 2.5  # it is silent for three seconds


def test_a_server_that_was_restarted_otherwise_fails_its_run() -> None:
    with serving() as fake:
        servers = Servers([("", fake.url)])
        fake.info["mem_fraction_static"] = 0.3
        with pytest.raises(EngineError, match="restarted with other settings"):
            servers.use(servers.configurations[0], 1)

"""What is read of recorded servers and logs, against their own answers added up by hand."""

from __future__ import annotations

import json
import re

import pytest
from helpers.recorded_server import LOGS, NAMES, bodies, log, replaying

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.engine_reports import asking, llama_cpp, reading, sglang, vllm
from vocabtrim_core.serving.engine_reports.prometheus import ServerMetrics
from vocabtrim_core.serving.engine_reports.reading import (
    Bodies,
    engine_of,
    read_bodies,
    report_of_bodies,
    report_of_log,
    report_of_log_text,
)
from vocabtrim_core.serving.engine_reports.report import (
    DraftCounts,
    EngineReport,
    added_counts,
    joined,
)
from vocabtrim_core.serving.engines import recognition

ENGINE = {"llama": llama_cpp, "vllm": vllm, "sglang": sglang}


def engine(name: str):
    return ENGINE[name.partition("-")[0]]


def read(url: str) -> EngineReport:
    with reading.client(url) as http:
        return report_of_bodies(read_bodies(http))


def report_of(name: str) -> EngineReport:
    with replaying(name) as server:
        server.posted.append(("", {}))  # the counters after the answers
        return read(server.url)


@pytest.mark.parametrize("name", NAMES)
def test_a_server_is_recognised_by_its_answers(name):
    report = report_of(name)
    assert report.engine == engine(name).NAME
    assert report.speculative is (not name.endswith("plain"))
    assert report.target in ("target", "target.gguf")


@pytest.mark.parametrize("name", LOGS)
def test_a_log_is_recognised_by_its_lines(name):
    report = report_of_log(log(name))
    assert report.engine == engine(name).NAME
    assert report.speculative is (not name.endswith("plain"))
    assert report.source == f"{name}.log"


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("vllm")])
def test_counters_of_vllm_are_the_sums_of_its_answers(name):
    blocks = [answer["metrics"]["speculative_decoding"] for answer in bodies(name)["answers"]]
    if name.endswith("plain"):
        assert blocks == [None] * 12
        assert report_of(name).counts is None
        return
    counts = report_of(name).counts
    assert counts.verifications == sum(block["num_spec_steps"] for block in blocks)
    assert counts.accepted == sum(block["num_accepted_draft_tokens"] for block in blocks)
    assert counts.drafted == sum(block["num_draft_tokens"] for block in blocks)
    for position in range(3):
        hits = sum(sum(block["acceptance_histogram"][position + 1 :]) for block in blocks)
        assert counts.reached[position] == hits


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("llama")])
def test_counters_of_llama_cpp_are_the_sums_of_its_answers(name):
    timings = [answer["timings"] for answer in bodies(name)["answers"]]
    counts = report_of(name).counts
    if name.endswith("plain"):
        assert counts is None
        return
    assert counts.accepted == sum(timing["draft_n_accepted"] for timing in timings)
    assert counts.drafted == sum(timing["draft_n"] for timing in timings)
    # Every token but the first of an answer is accepted or one of the target's own.
    tokens = sum(timing["predicted_n"] - 1 for timing in timings)
    plain_steps = tokens - counts.accepted - counts.verifications
    assert 0 <= plain_steps <= len(timings)  # an answer may end with a step without a draft


def test_counters_of_sglang_are_those_of_its_answers():
    report = report_of("sglang-trimmed")
    # One request was the server's own, before the recorded three; it is in the log's first line.
    metas = [answer["meta_info"] for answer in bodies("sglang-trimmed")["answers"]]
    told = asking.sum_of([part for meta in metas if (part := asking.of_meta(meta))])
    assert (told.verifications, told.accepted, told.reached) == (11, 2, (2,))
    assert (report.counts.verifications, report.counts.accepted) == (15, 5)
    assert report.mean_length == pytest.approx(1 + 5 / 15)
    assert (report.steps, report.topk, report.draft_tokens) == (3, 1, 4)


@pytest.mark.parametrize(
    "name", ["vllm-trimmed", "vllm-no-d2t", "vllm-random", "llama-trimmed", "llama-random"]
)
def test_a_log_counts_what_the_counters_count(name):
    told, counted = report_of_log(log(name)).counts, report_of(name).counts
    assert told.estimated
    assert (told.accepted, told.drafted) == (counted.accepted, counted.drafted)
    assert told.verifications == pytest.approx(counted.verifications, rel=0.02)
    if told.reached:
        assert told.reached == pytest.approx(counted.reached, abs=3)


def test_a_log_of_sglang_counts_what_the_counters_count():
    told = report_of_log(log("sglang-trimmed"))
    assert (told.counts.verifications, told.counts.accepted) == (15, 5)
    assert (told.draft, told.method, told.steps) == ("draft-4096", "EAGLE3", 3)
    assert told.prefix_cache is True
    assert told.draft_bytes is None  # "-0.00 GB" is no size


def test_layers_rows_and_sizes_of_logs():
    report = report_of_log(log("vllm-trimmed"))
    assert (report.version, report.layers, report.prefix_cache) == ("0.32.0", (1, 14, 26), True)
    assert (report.draft, report.method, report.steps) == ("draft-4096", "eagle3", 3)
    assert report.draft_bytes == round(0.01 * 2**30)
    report = report_of_log(log("llama-verbose"))
    assert (report.layers, report.head_rows, report.vocab_size) == ((1, 14, 26), 4096, 49152)
    assert report.method == "eagle3"
    assert report_of_log(log("llama-trimmed")).layers is None


def test_a_url_and_a_log_add_up():
    both = joined(report_of("llama-trimmed"), report_of_log(log("llama-verbose")))
    assert both.head_rows == 4096
    assert both.counts.verifications == 577
    assert both.source.endswith(" and llama-verbose.log")
    with pytest.raises(InputError, match="one server"):
        joined(report_of("llama-trimmed"), report_of_log(log("vllm-trimmed")))


def naive_total(text: str, name: str) -> float:
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        if line.startswith((f"{name}{{", f"{name} "))
    )


@pytest.mark.parametrize("name", NAMES)
def test_metrics_are_sums_over_labels(name):
    text = bodies(name)["/metrics"]
    metrics = ServerMetrics.of(text)
    names = {re.match(r"[\w:]+", line)[0] for line in text.splitlines() if line[:1] not in "# "}
    assert names == set(metrics.samples)
    for metric in names:
        assert metrics.total(metric) == pytest.approx(naive_total(text, metric))


def test_metrics_of_several_engines_and_odd_values():
    metrics = ServerMetrics.of(
        'a_total{engine="0",position="0"} 3\na_total{engine="1",position="0"} 4.0\n'
        'a_total{engine="0",position="1"} 1 1700000000\nb NaN\nc{x="say \\"}\\""} 2\n# d 1\nno\n'
    )
    assert metrics.total("a_total") == 8
    assert metrics.positions("a_total") == (7, 1)
    assert metrics.label("c", "x") == 'say \\"}\\"'
    assert metrics.total("b") is None
    assert metrics.total("d") is None
    assert metrics.mean("a_total") == pytest.approx(8 / 3)


@pytest.mark.parametrize("name", ["vllm-trimmed", "llama-trimmed", "sglang-trimmed"])
def test_questions_are_asked_and_counted(name):
    done: list[int] = []
    with replaying(name) as server, reading.client(server.url) as http:
        seen = read_bodies(http)
        counts = asking.ask(http, engine_of(seen), reading.model_of(seen), 12, done.append)
    assert done == list(range(1, 13))
    path, question = server.posted[0]
    assert path == "/v1/chat/completions"
    if name.startswith("sglang"):  # whose recorded answers are of its own protocol
        assert [path for path, _ in server.posted] == [path, "/generate"] * 12
        assert counts.verifications == 4 * 11  # three recorded answers, replayed four times
        assert counts.reached == (4 * 2,)
        return
    assert question["messages"][0]["content"] in asking.QUESTIONS
    assert question["temperature"] == 0
    assert counts == report_of(name).counts


def test_a_model_without_a_chat_template_is_asked_plainly():
    answers = bodies("vllm-trimmed") | {"answers": 400}
    with replaying(answers=answers) as server, reading.client(server.url) as http:
        with pytest.raises(InputError, match="HTTP 400"):
            asking.ask(http, vllm, "m", 1)
        assert [path for path, _ in server.posted] == ["/v1/chat/completions", "/v1/completions"]


def test_counts_since_an_earlier_reading():
    now, then = DraftCounts(10, 4, 30, (3, 1)), DraftCounts(6, 1, 18, (1,))
    assert now.since(then) == DraftCounts(4, 3, 12, (2, 1))
    assert then.since(now) == then  # started again in between
    assert added_counts([]) is None
    assert added_counts([now, then]) == DraftCounts(16, 5, 48, (4, 1))
    assert added_counts([now, DraftCounts(2, 1)]) == DraftCounts(12, 5)


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({}, "is no server of SGLang, vLLM and llama.cpp"),
        ({"/v1/models": {"data": []}, "/metrics": "<html>hello</html>"}, "is no server of"),
        ({"/version": {"version": "1"}}, "is no server of"),
        ({"/server_info": 401, "/v1/models": 403}, "wants a key for /server_info and /v1/models"),
        ({"/props": {"default_generation_settings": 1, "build_info": 2}, "/slots": {"list": 5}},
         "looks like llama.cpp, but has a field of another kind"),
    ],
)  # fmt: skip
def test_other_servers_are_refused_in_a_sentence(answers, words):
    secret = "do-not-show-this"
    answers = {**answers, "/health": secret}
    with (
        replaying(answers=answers) as server,
        reading.client(server.url) as http,
        pytest.raises(InputError, match=words) as refusal,
    ):
        report_of_bodies(read_bodies(http))
    assert secret not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://user:pass@127.0.0.1:1", "must not hold a password"),
        ("http://127.0.0.1:1/?key=1", "must not hold a password or a query"),
        ("ftp://127.0.0.1:1", "no http"),
        ("http://", "no http"),
    ],
)
def test_addresses_with_secrets_are_refused(url, words):
    with pytest.raises(InputError, match=words) as refusal:
        reading.client(url)
    assert "pass@" not in str(refusal.value)


@pytest.mark.parametrize("wants_one", [True, False])
def test_a_key_goes_to_a_server_of_its_engine_that_wants_one(monkeypatch, wants_one):
    monkeypatch.setenv("VLLM_API_KEY", "secret-key")
    monkeypatch.setenv("SGLANG_API_KEY", "of-another")
    answers = bodies("vllm-trimmed") | ({"/v1/models": 401} if wants_one else {})
    with replaying(answers=answers) as server:
        http, seen = reading.connect(server.url)
        http.close()
        sent = {headers.get("Authorization") for headers in server.seen}
    assert sent == ({None, "Bearer secret-key"} if wants_one else {None})
    assert "secret-key" not in repr(report_of_bodies(seen))


def test_nobody_there(tmp_path):
    with pytest.raises(InputError, match="does not answer"):
        read("http://127.0.0.1:9")
    with pytest.raises(InputError, match="cannot be read: No such file"):
        report_of_log(tmp_path / "none.log")
    (tmp_path / "other.log").write_text("hello\nworld\n")
    with pytest.raises(InputError, match=r"other\.log is no log of SGLang, vLLM and llama\.cpp"):
        report_of_log(tmp_path / "other.log")


def test_a_body_that_does_not_end_is_left_out(monkeypatch):
    monkeypatch.setattr(reading, "MOST_BODY", 1000)
    answers = bodies("vllm-trimmed") | {"/server_info?config_format=json": "x" * 5000}
    answers |= {"/metrics": "", "/metrics before": ""}
    with replaying(answers=answers) as server, reading.client(server.url) as http:
        seen = read_bodies(http)
    assert "/server_info?config_format=json" not in seen.objects
    assert report_of_bodies(seen).engine == "vLLM"
    assert report_of_bodies(seen).speculative is None


TIMED = """\
slot print_timing: id  0 | task {task} | prompt eval time =  9.0 ms / 41 tokens ( 1 ms per token)
slot print_timing: id  0 | task {task} |        eval time =  9.0 ms / {tokens:5d} tokens ( 1 ms)
slot print_timing: id  0 | task {task} | draft acceptance = 0.5 ( {a:4d} accepted / {g:5d} {rest}
"""


@pytest.mark.parametrize("depth", [1, 3, 5])
@pytest.mark.parametrize("seed", range(6))
def test_verifications_of_llama_cpp_logs_are_found_again(depth, seed):
    """Answers drawn token by token, written as llama.cpp writes them, cut where a limit cuts."""
    import random

    generator = random.Random(seed)
    text, verifications, accepted = "", 0, 0
    for task in range(20):
        limit = generator.choice((2, 3, 4, 9, 64, 200))
        tokens, drafts, hits, drafted = 1, 0, 0, 0
        while tokens < limit:
            n = min(depth, limit - tokens)
            run = 0
            while run < n and generator.random() < 0.6:
                run += 1
            drafts, drafted, hits = drafts + 1, drafted + n, hits + run
            tokens += run + 1
        tokens = min(tokens, limit)
        rest = f"generated), mean len = {1 + hits / drafts:5.2f}"
        text += TIMED.format(task=task, tokens=tokens, a=hits, g=drafted, rest=rest)
        verifications, accepted = verifications + drafts, accepted + hits
    report = report_of_log_text("made.log", text)
    assert report.counts.accepted == accepted
    assert report.counts.verifications == pytest.approx(verifications, rel=0.03, abs=2)
    assert 1 <= report.counts.length <= depth + 1
    assert report.steps == depth


@pytest.mark.parametrize("name", ["vllm-trimmed", "llama-trimmed", "sglang-trimmed"])
def test_fields_of_other_kinds_are_no_traceback(name):
    """Every field of every body, one after the other, as something else."""
    seen = bodies(name)
    paths = [path for path in seen if path.startswith("/") and not path.startswith("/metrics")]
    metrics = ServerMetrics.of(seen["/metrics"])

    def objects() -> dict:
        copy = json.loads(json.dumps({path: seen[path] for path in paths}))
        return {p: v if isinstance(v, dict) else {"list": v} for p, v in copy.items()}

    def places(value, at=()):
        children = value.items() if isinstance(value, dict) else enumerate(value)
        for key, child in children:
            yield (*at, key)
            if isinstance(child, dict | list):
                yield from places(child, (*at, key))

    read_so_far = 0
    for place in places(objects()):
        for other in (None, [], {}, "x", -1, [None], {"a": []}, True):
            changed = objects()
            inside = changed
            for key in place[:-1]:
                inside = inside[key]
            inside[place[-1]] = other
            kept = {p: v for p, v in changed.items() if isinstance(v, dict)}
            try:
                report_of_bodies(Bodies("http://host", kept, metrics))
                read_so_far += 1
            except InputError as refusal:
                assert "http://host" in str(refusal)  # noqa: PT017
    assert read_so_far


def test_bodies_of_one_kind_do_not_look_like_another(monkeypatch):
    known = dict(recognition.KNOWN)
    for name in NAMES:
        seen = bodies(name)
        objects = {p: v if isinstance(v, dict) else {"list": v} for p, v in seen.items()
                   if p.startswith("/") and not isinstance(v, str)}  # fmt: skip
        metrics = ServerMetrics.of(seen["/metrics"])
        for other, marks in known.items():
            monkeypatch.setattr(recognition, "KNOWN", {other: marks})
            fits = other == engine(name).ENGINE
            assert recognition.recognise(objects, metrics.samples) == (other if fits else None)
        monkeypatch.setattr(recognition, "KNOWN", known)
        assert engine_of(Bodies("u", objects, metrics)) is engine(name)
        assert [m.NAME for m in reading.ENGINES if m.in_log(log(name).read_text("utf-8"))] == [
            engine(name).NAME
        ]

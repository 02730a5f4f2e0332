"""The doctor on recorded servers whose state is known, and on made ones for the rest."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from helpers.model_folders import V, draft_config, draft_tensors
from helpers.real_data import real_tokenizer, shared_corpus
from helpers.recorded_server import LOGS, NAMES, RECORDED, bodies, log, replaying
from scipy import stats

from vocabtrim_core.draft_kinds.aux_layers import KEY, MARK, NESTED, default, with_layers
from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.doctor import (
    Asked,
    Expected,
    RandomDraft,
    diagnose,
    draft_facts,
    examine,
)
from vocabtrim_core.serving.doctor import acceptance_questions as acceptance
from vocabtrim_core.serving.doctor.draft_facts import layers_fed
from vocabtrim_core.serving.doctor.random_draft import ASSUMED, share_interval
from vocabtrim_core.serving.engine_reports.reading import report_of_log
from vocabtrim_core.serving.engine_reports.report import DraftCounts, EngineReport

torch = pytest.importorskip("torch")
save_file = pytest.importorskip("safetensors.torch").save_file
K, TRAINED = 40, (1, 14, 26)
SOUND = EngineReport(
    "vLLM",
    "log",
    "0.32.0",
    speculative=True,
    method="eagle3",
    draft="draft",
    steps=3,
    topk=1,
    prefix_cache=False,
    counts=DraftCounts(1000, 900, 3000, (500, 270, 130)),
)


def write_draft(folder, ids=range(100, 100 + K), change=lambda config, tensors: None):
    """A draft folder whose config and tensors `change` may spoil."""
    ids = None if ids is None else list(ids)
    tensors = draft_tensors(ids)
    config = with_layers(draft_config(V if ids is None else len(ids)), TRAINED)
    change(config, tensors)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


def by_key(diagnosis):
    assert len({finding.key for finding in diagnosis.findings}) == len(diagnosis.findings)
    return {finding.key: finding for finding in diagnosis.findings}


def verdicts(diagnosis):
    return {key: (f.verdict, f.fault) for key, f in by_key(diagnosis).items()}


@pytest.fixture
def draft(tmp_path):
    return write_draft(tmp_path / "draft")


# --- recorded servers ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_recorded_servers(name):
    with replaying(name) as server:
        server.posted.append(("", {}))
        found = verdicts(diagnose([server.url]))
    if name.endswith("plain"):
        assert found.pop("loaded") == ("no", True)
        assert not any(fault for _, fault in found.values())
        return
    assert found["loaded"] == ("yes", False)
    if name.startswith("sglang"):  # 15 verifications tell nothing, and it has no positions
        assert found["acceptance"] == ("unknown", False)
        assert found["positions"] == ("unknown", False)
        assert found["scatter"] == ("no", False)
    else:
        works = not name.endswith("random")
        expected = ("yes", False) if works else ("no", True)
        assert found["acceptance"] == found["positions"] == expected
    assert found["k_plus_1"] == ("yes", False)
    assert found["rows"] == found["layers"] == ("unknown", False)


@pytest.mark.parametrize("name", LOGS)
def test_recorded_logs(name):
    found = verdicts(diagnose([str(log(name))]))
    if name.endswith("plain"):
        assert found["loaded"] == ("no", True)
        return
    assert found["loaded"] == ("yes", False)
    expected = {
        "vllm-trimmed": ("yes", False),
        "vllm-no-d2t": ("yes", False),
        "vllm-random": ("no", True),
        "llama-trimmed": ("yes", False),
        "llama-random": ("no", True),
        "llama-verbose": ("unknown", False),
        "sglang-trimmed": ("unknown", False),
    }
    assert found["acceptance"] == expected[name]


def test_a_draft_without_its_mapping_is_found_by_its_folder_not_by_its_acceptance(tmp_path):
    """As recorded: 3,117 of its 4,096 tokens have the row's own number, so it hardly shows."""
    folder = write_draft(tmp_path / "d", change=lambda config, tensors: tensors.pop("d2t"))
    diagnosis = diagnose([str(log("vllm-no-d2t"))], draft=folder)
    found = by_key(diagnosis)
    assert found["acceptance"].verdict == "yes"
    assert (found["rows"].verdict, found["rows"].fault) == ("no", True)
    assert "row numbers for token ids" in found["rows"].reason
    assert found["rows"] in diagnosis.faults


def test_answers_are_asked_for_where_nothing_was_verified():
    with replaying("vllm-trimmed") as server:
        before = by_key(diagnose([server.url]))
        assert before["acceptance"].verdict == "unknown"
        assert "--answers" in before["acceptance"].remedy
        seen: list[int] = []
        after = by_key(diagnose([server.url], asked=Asked(12, seen.append)))
    assert seen[-1] == 12
    assert after["acceptance"].verdict == "yes"
    assert "125 of 595 first drafted tokens were accepted: 21.0%" in after["acceptance"].reason
    with replaying("sglang-trimmed") as server:
        after = by_key(diagnose([server.url], asked=Asked(60)))
    assert after["positions"].verdict == "yes"  # only one position was ever reached


def test_sglang_is_asked_as_a_chat_and_tells_positions_beside_the_answer():
    """A question without its template ends some models' answers at once, with nothing drafted."""
    recorded = json.loads((RECORDED / "sglang.json").read_text("utf-8"))
    pages = {**recorded["pages"], "/metrics": recorded["metrics"]}
    with replaying(answers={**pages, "answers": [recorded["chat"]]}) as server:
        found = by_key(diagnose([server.url], asked=Asked(10)))
        assert {path for path, _ in server.posted} == {"/v1/chat/completions"}
        assert all(body["return_meta_info"] for _, body in server.posted)
    meta = recorded["chat"]["choices"][0]["meta_info"]
    histogram = [10 * count for count in meta["spec_correct_drafts_histogram"]]
    first = sum(histogram[1:])
    assert f"{first} of {sum(histogram)} first drafted tokens" in found["acceptance"].reason
    assert found["positions"].verdict == "yes"


def test_a_server_of_another_engine_is_recognised():
    with replaying("vllm-trimmed") as server:
        found = by_key(diagnose([server.url], expected=Expected(engine="sglang")))
        assert found["engine"].fault
        assert "It is vLLM 0.32.0" in found["engine"].reason
        assert not by_key(diagnose([server.url], expected=Expected("VLLM")))["engine"].fault
    with pytest.raises(InputError, match=r"--engine tgi is none of SGLang, vLLM and llama\.cpp"):
        examine(SOUND, expected=Expected("tgi"))


def test_url_and_log_together():
    with replaying("llama-trimmed") as server:
        server.posted.append(("", {}))
        found = by_key(diagnose([server.url, str(log("llama-verbose"))]))
    assert (found["rows"].verdict, found["trimmed"].verdict) == ("yes", "yes")
    assert "4,096 of 49,152" in found["trimmed"].reason
    assert found["positions"].verdict == "yes"


# --- the draft's files --------------------------------------------------------------------------


def test_a_sound_draft_has_no_fault(draft):
    diagnosis = examine(SOUND, draft_facts(draft))
    assert not diagnosis.faults
    assert not diagnosis.unknown
    assert diagnosis.summary == "The draft is really used, and nothing is wrong with it."
    found = by_key(diagnosis)
    assert f"{K} of {V} tokens (8.0%)" in found["trimmed"].reason
    assert "1, 14, 26" in found["layers"].reason


def _less_head(config, tensors):
    tensors["lm_head.weight"] = tensors["lm_head.weight"][:-1].clone()


def _absolute(config, tensors):
    tensors["d2t"] += torch.arange(K)


def _other_k(config, tensors):
    config["draft_vocab_size"] = K + 1


def _no_d2t(config, tensors):
    tensors.pop("d2t")


@pytest.mark.parametrize("change", [_less_head, _other_k, _no_d2t])
def test_a_head_that_does_not_fit_its_mapping_is_a_fault(tmp_path, change):
    folder = write_draft(tmp_path / "d", change=change)
    finding = by_key(examine(SOUND, draft_facts(folder)))["rows"]
    assert (finding.verdict, finding.fault) == ("no", True)
    assert finding.remedy


def test_absolute_ids_in_place_of_offsets_are_a_fault(tmp_path):
    # 100 + 99, ... run beyond V only for high ids: here the mapping leaves the vocabulary.
    folder = write_draft(tmp_path / "d", range(V - K, V), _absolute)
    assert by_key(examine(SOUND, draft_facts(folder)))["rows"].fault


def test_a_full_draft_is_not_trimmed(tmp_path):
    found = by_key(examine(SOUND, draft_facts(write_draft(tmp_path / "d", None))))
    assert (found["trimmed"].verdict, found["trimmed"].fault) == ("no", False)
    assert (found["rows"].verdict, found["scatter"].verdict) == ("yes", "no")


def test_another_size_than_expected_is_a_fault(draft):
    facts = draft_facts(draft)
    assert not by_key(examine(SOUND, facts, expected=Expected(k=K)))["trimmed"].fault
    finding = by_key(examine(SOUND, facts, expected=Expected(k=4380)))["trimmed"]
    assert finding.fault
    assert "Expected were 4,380" in finding.reason


GB = 1 << 30


@pytest.mark.parametrize("engine", ["SGLang", "vLLM", "llama.cpp"])
@pytest.mark.parametrize(("rows", "fault"), [(13_264, False), (128_256, True)])
def test_memory_tells_k_from_v(engine, rows, fault, draft):
    """An 8B target: 4,096 wide, bf16; a head of 13,264 rows is 0.11 GB, one of all 1.05 GB."""
    width, size, rest = 4096, 128_256, 0.6 * GB
    facts = replace(
        draft_facts(draft),
        k=13_264,
        rows=13_264,
        vocab_size=size,
        mapped=13_264,
        row_bytes=2 * width,
        other_bytes=round(rest),
    )
    embedding = 2 * width * size if engine == "SGLang" else 0
    measured = round((rest + 2 * width * rows + embedding) / GB * 100) / 100
    report = replace(SOUND, engine=engine, draft_bytes=round(measured * GB), byte_step=GB // 100)
    finding = by_key(examine(report, facts))["rows"]
    assert (finding.verdict, finding.fault) == (("no", True) if fault else ("yes", False))
    rough = by_key(examine(replace(report, byte_step=GB), facts))["rows"]
    assert "does not tell them apart" in rough.reason
    assert not rough.fault


def test_rows_of_a_log_and_of_a_folder_differ(draft):
    report = replace(SOUND, engine="llama.cpp", head_rows=K + 1, vocab_size=V)
    finding = by_key(examine(report, draft_facts(draft)))["rows"]
    assert finding.fault
    assert "41 rows, but the folder has 40" in finding.reason


def test_a_served_draft_of_another_name_is_said(draft):
    other = replace(SOUND, draft="/models/other.gguf")
    assert "make sure" in by_key(examine(other, draft_facts(draft)))["loaded"].reason
    same = replace(SOUND, draft="/models/draft.gguf")
    assert "make sure" not in by_key(examine(same, draft_facts(draft)))["loaded"].reason


def test_another_folder_of_the_same_name_is_said_where_both_are_here(draft, tmp_path):
    """Drafts of a run lie in k-K/draft each: the name alone does not tell them apart."""
    (tmp_path / "k-41").mkdir()
    served = write_draft(tmp_path / "k-41" / "draft", range(100, 141))
    report = replace(SOUND, draft=str(served))
    reason = by_key(examine(report, draft_facts(draft)))["loaded"].reason
    assert f"It names {served}" in reason
    assert f"The folder given is {draft}: make sure" in reason
    link = tmp_path / "link"
    link.symlink_to(served)
    assert "make sure" not in by_key(examine(report, draft_facts(link)))["loaded"].reason


def test_the_draft_that_the_server_names_is_read_where_it_is_here(draft, tmp_path):
    text = log("vllm-trimmed").read_text("utf-8").replace("model='draft-4096'", f"model='{draft}'")
    path = tmp_path / "server.log"
    path.write_text(text)
    found = by_key(diagnose([str(path)]))
    assert found["layers"].verdict == "yes"
    assert str(K) in found["trimmed"].reason
    (draft / "model.safetensors").write_bytes(b"no weights")
    assert by_key(diagnose([str(path)]))["layers"].verdict == "unknown"
    with pytest.raises(InputError):
        diagnose([str(path)], draft=draft)


# --- layers -------------------------------------------------------------------------------------


def test_every_engine_is_fed_what_our_exports_were_trained_on():
    config = with_layers({}, TRAINED)
    for engine in ("vLLM", "SGLang", "llama.cpp"):
        assert layers_fed(config, engine) == TRAINED


NESTED_ONLY, TOP_ONLY = {NESTED: {KEY: list(TRAINED)}}, {KEY: [2, 15, 27]}


@pytest.mark.parametrize(
    ("config", "engine", "fed"),
    [
        (NESTED_ONLY, "vLLM", (0, 13, 25)),  # measured: one layer too early
        (NESTED_ONLY, "SGLang", TRAINED),
        (NESTED_ONLY, "llama.cpp", None),
        (TOP_ONLY, "vLLM", TRAINED),
        (TOP_ONLY, "SGLang", None),
        (TOP_ONLY, "llama.cpp", TRAINED),
        ({}, "vLLM", None),
        ({NESTED: None, KEY: []}, "SGLang", None),
    ],
)
def test_layers_that_an_engine_reads(config, engine, fed):
    assert layers_fed(config, engine) == fed
    assert layers_fed(config, engine, 30) == (fed or default(30))


def _nested_only(config, tensors):
    config.pop(KEY)
    config.pop(MARK)


def test_layers_one_too_early_are_a_fault_in_vllm_alone(tmp_path):
    facts = draft_facts(write_draft(tmp_path / "d", change=_nested_only))
    finding = by_key(examine(SOUND, facts))["layers"]
    assert (finding.verdict, finding.fault) == ("no", True)
    assert "trained on layers 1, 14, 26, but vLLM feeds 0, 13, 25" in finding.reason
    sglang = replace(SOUND, engine="SGLang")
    assert by_key(examine(sglang, facts))["layers"].verdict == "yes"
    llama = replace(SOUND, engine="llama.cpp")
    assert by_key(examine(llama, facts))["layers"].fault  # takes a default of unknown layers
    known = Expected(target_layers=30)
    assert by_key(examine(llama, facts, expected=known))["layers"].verdict == "yes"
    assert by_key(examine(llama, facts, expected=Expected(target_layers=24)))["layers"].fault


def test_the_log_wins_over_what_config_json_should_give(draft):
    report = replace(SOUND, layers=(0, 13, 25))
    finding = by_key(examine(report, draft_facts(draft)))["layers"]
    assert finding.fault
    assert "says its log" in finding.reason


def _contradiction(config, tensors):
    config.pop(MARK)
    config[KEY] = [3, 15, 27]


def _no_layers(config, tensors):
    for name in (KEY, NESTED, MARK):
        config.pop(name)


def test_layers_that_nothing_settles(tmp_path):
    facts = draft_facts(write_draft(tmp_path / "a", change=_contradiction))
    assert by_key(examine(SOUND, facts))["layers"].fault
    facts = draft_facts(write_draft(tmp_path / "b", change=_no_layers))
    assert by_key(examine(SOUND, facts))["layers"].verdict == "unknown"


# --- acceptance against a random draft ----------------------------------------------------------


def test_random_drafts_against_draws(make_counts):
    """Each share again as a mean over draws of a proposal and of the token that comes."""
    rng = np.random.default_rng(7)
    counts = make_counts(np.sort(rng.zipf(1.3, 60).clip(max=4000))[::-1])
    ids = np.arange(0, 60, 2)
    random = RandomDraft.of(counts, None, ids)
    shares = counts.counts / counts.counts.sum()
    text = rng.choice(60, 400_000, p=shares)
    kept = shares[ids] / shares[ids].sum()
    uniform = rng.choice(ids, len(text))
    assert random.uniform == pytest.approx(np.mean(uniform == text), abs=0.003)
    frequent = rng.choice(ids, len(text), p=kept)
    assert random.by_frequency == pytest.approx(np.mean(frequent == text), abs=0.003)
    always = max(np.mean(text == i) for i in ids)
    assert random.most == pytest.approx(always, abs=0.02)
    assert random.uniform < random.by_frequency <= random.most


def test_random_drafts_of_the_k_most_frequent(make_counts):
    counts = make_counts([5, 0, 80, 10, 5])
    random = RandomDraft.of(counts, 2)
    assert random.uniform == pytest.approx((0.8 + 0.1) / 2)
    assert random.by_frequency == pytest.approx((0.8**2 + 0.1**2) / 0.9)
    assert random.most == pytest.approx(stats.beta.ppf(0.975, 81, 20))
    assert "by the 100 tokens" in random.sentence
    with pytest.raises(InputError):
        RandomDraft.of(counts, 6)


@pytest.mark.parametrize(("hits", "trials"), [(0, 10), (3, 10), (10, 10), (125, 595)])
def test_intervals_are_clopper_pearson(hits, trials):
    exact = stats.binomtest(hits, trials).proportion_ci(0.95, "exact")
    assert share_interval(hits, trials) == pytest.approx((exact.low, exact.high), abs=1e-9)
    assert share_interval(0, 0) == (0, 1)


DRAWS = 150


def drawn(rng, accept, steps, verifications) -> DraftCounts:
    """Verifications of a draft that is right with `accept` at every position."""
    right = rng.random((verifications, steps)) < accept
    reached = np.cumprod(right, axis=1).sum(axis=0)
    return DraftCounts(
        verifications, int(reached.sum()), verifications * steps, tuple(map(int, reached))
    )


@pytest.mark.parametrize("by_position", [True, False])
@pytest.mark.parametrize("steps", [1, 3, 5])
def test_random_drafts_do_not_pass_for_working_ones(steps, by_position):
    """The best draft that ignores the text passes in 2.5% of draws, one of use nearly always."""
    rng = np.random.default_rng(steps)
    random = RandomDraft.assumed(1000)

    def share_of(verdict: str, accept: float) -> float:
        found = 0
        for _ in range(DRAWS):
            counts = drawn(rng, accept, steps, 400)
            if not by_position:
                counts = replace(counts, reached=())
            found += (
                acceptance.working(replace(SOUND, steps=steps, counts=counts), random).verdict
                == verdict
            )
        return found / DRAWS

    assert share_of("yes", random.most) <= 0.06
    assert share_of("yes", 0.25) >= 0.97
    assert share_of("no", 0.02) >= 0.97
    assert share_of("no", 0.25) == 0


def test_positions_after_the_first_that_are_drafted_at_random():
    counts = DraftCounts(2000, 1030, 6000, (1000, 30, 0))
    finding = acceptance.shape(replace(SOUND, counts=counts), RandomDraft.assumed(1000))
    assert (finding.verdict, finding.fault) == ("no", True)
    assert "From token 2 on" in finding.reason
    assert "Draft 1 at a time" in finding.remedy
    assert (
        acceptance.working(replace(SOUND, counts=counts), RandomDraft.assumed(1)).verdict == "yes"
    )


def test_counts_that_no_chain_can_give():
    counts = DraftCounts(100, 90, 300, (30, 40, 20))
    assert acceptance.shape(replace(SOUND, counts=counts), RandomDraft.assumed(9)).fault


@pytest.mark.parametrize(
    ("report", "verdict", "fault"),
    [
        (SOUND, "yes", False),
        (replace(SOUND, counts=DraftCounts(100, 301, 300)), "no", True),
        (replace(SOUND, counts=DraftCounts(100, 300, 300)), "yes", False),
        (replace(SOUND, counts=None, mean_length=4.2), "no", True),
        (replace(SOUND, counts=None, mean_length=2.9), "yes", False),
        (replace(SOUND, draft_tokens=8), "no", True),
        (replace(SOUND, draft_tokens=4), "yes", False),
        (replace(SOUND, topk=4, draft_tokens=8, counts=None, mean_length=4.2), "yes", False),
        (replace(SOUND, steps=None), "unknown", False),
        (replace(SOUND, counts=None), "unknown", False),
    ],
)
def test_lengths_stay_within_k_plus_1(report, verdict, fault):
    finding = acceptance.within(report)
    assert (finding.verdict, finding.fault) == (verdict, fault)


def test_a_mean_without_counts_is_not_judged():
    report = replace(SOUND, counts=None, mean_length=2.4)
    found = by_key(examine(report))
    assert found["acceptance"].verdict == "unknown"
    assert "nothing bounds it" in found["acceptance"].reason


def test_simulated_acceptance_is_a_fault():
    found = by_key(examine(replace(SOUND, simulated="SGLANG_SIMULATE_ACC_LEN")))
    assert found["acceptance"].fault
    assert found["positions"].fault
    seen = bodies("vllm-trimmed")
    config = seen["/server_info?config_format=json"]["vllm_config"]["speculative_config"]
    config["rejection_sample_method"] = "synthetic"
    with replaying(answers=seen) as server:
        server.posted.append(("", {}))
        assert by_key(diagnose([server.url]))["acceptance"].fault


@pytest.mark.parametrize(
    "name", ["blend_train_20k", "function_calling_train", "ner_train", "math_l5", "humaneval"]
)
def test_the_assumption_holds_for_real_corpora(name):
    """Without counts, the most frequent token is taken to have at most ASSUMED of the text."""
    path = shared_corpus(name)
    tokenizer = real_tokenizer("llama-3.1")
    ids: Counter[int] = Counter()
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in islice(lines, 1000):
            for message in json.loads(line)["conversations"]:
                if message["role"] == "assistant":
                    ids.update(tokenizer.ids(message["content"]))
    assert max(ids.values()) / ids.total() < ASSUMED


# --- the engine ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "version", "full", "verdict", "fault"),
    [
        ("vLLM", "0.29.0", False, "yes", True),
        ("vLLM", "0.29.0", True, "yes", True),
        ("vLLM", "0.30.0", False, "yes", False),
        ("vLLM", "0.30.0rc1.dev3+cpu", True, "no", False),
        ("vLLM", "1.2.0", True, "no", False),
        ("vLLM", "", False, "unknown", False),
        ("SGLang", "0.5.23", False, "no", False),
        ("llama.cpp", "b0-unknown", False, "yes", False),
        ("llama.cpp", "b0-unknown", True, "no", False),
    ],
)
def test_the_scatter_over_all_tokens(tmp_path, engine, version, full, verdict, fault):
    facts = draft_facts(write_draft(tmp_path / "d", None if full else range(K)))
    finding = by_key(examine(replace(SOUND, engine=engine, version=version), facts))["scatter"]
    assert (finding.verdict, finding.fault) == (verdict, fault)


@pytest.mark.parametrize(("on", "verdict"), [(True, "yes"), (False, "no"), (None, "unknown")])
def test_the_prefix_cache_is_told_and_is_no_fault(on, verdict):
    finding = by_key(examine(replace(SOUND, prefix_cache=on)))["prefix_cache"]
    assert (finding.verdict, finding.fault) == (verdict, False)


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize("with_draft", [True, False])
def test_every_answer_says_why_and_every_fault_what_to_do(name, with_draft, draft):
    diagnosis = examine(report_of_log(log(name)), draft_facts(draft) if with_draft else None)
    assert len(diagnosis.findings) == 9
    for finding in diagnosis.findings:
        assert finding.question.endswith("?")
        assert finding.reason.endswith((".", "%)."))
        assert not finding.fault or finding.remedy.endswith(".")
        assert finding.words in ("yes", "no", "cannot be told from here")
    assert diagnosis.summary.endswith(".")


# --- bad input ----------------------------------------------------------------------------------


def test_bad_input_is_a_sentence(draft, make_counts):
    with pytest.raises(InputError, match="Name the URL"):
        diagnose([])
    with pytest.raises(InputError, match="a log cannot be asked"):
        diagnose([str(log("vllm-trimmed"))], asked=Asked(3))
    with pytest.raises(InputError, match=r"within 0\.\.1,000"):
        diagnose([str(log("vllm-trimmed"))], asked=Asked(-1))
    with pytest.raises(InputError, match="give counts of the target's tokenizer"):
        diagnose([str(log("vllm-trimmed"))], draft=draft, counts=make_counts([1, 2, 3]))
    with pytest.raises(InputError, match="more than the 3 of the counts"):
        diagnose([str(log("llama-verbose"))], counts=make_counts([1, 2, 3]))
    with pytest.raises(InputError, match="no model folder"):
        diagnose([str(log("vllm-trimmed"))], draft=draft / "none")

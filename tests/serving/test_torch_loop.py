"""The torch loop: the target's own words whatever the draft, and the cycles a simulation counts.

The simulation has no caches: it computes everything from the whole sequence again and again, with a
draft written down a second time.
"""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace

import pytest
from helpers.lazy import Lazy
from helpers.tiny_models import (
    AUX,
    H,
    full_layer,
    full_target,
    make_draft,
    make_target,
    without_gradients,
    write_folders,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vocabtrim_core.errors import Cancelled, InputError
from vocabtrim_core.serving.engine import EngineError, Generation, Prompt
from vocabtrim_core.serving.measurement import Configuration, Run

torch = Lazy("torch")
safetensors_torch = Lazy("safetensors.torch")
transformers = Lazy("transformers")
torch_loop = Lazy("vocabtrim_core.serving.torch_loop")
decoding = Lazy("vocabtrim_core.serving.torch_loop.decoding")
torch_target = Lazy("vocabtrim_core.serving.torch_loop.target")

TIE = 1e-3  # logits nearer than this may change places by rounding


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# --- by definition ------------------------------------------------------------------------------


@without_gradients
def simulated(model, draft, ids, new, steps, ends=frozenset()):
    """Answer, accepted histogram and drafted tokens of every cycle, by the definition of greedy
    chain speculation.
    """
    answer = [int(full_target(model, ids)[1][-1].argmax())]
    accepted, proposals = [0] * (steps + 1), []
    while len(answer) < new and answer[-1] not in ends:
        known = [*ids, *answer]
        aux, _ = full_target(model, known[:-1])
        tokens, hidden, drafted = known[1:], draft.fuse(aux), []
        for _ in range(steps):
            out = full_layer(draft, tokens, hidden)
            x = out[-1] * torch.rsqrt(out[-1].pow(2).mean() + 1e-6) * draft.norm.weight
            drafted.append(int(draft.ids[(draft.lm_head.weight @ x).argmax()]))
            tokens, hidden = [*tokens, drafted[-1]], torch.cat([hidden, out[-1:]])
        proposals.append(drafted)
        said = full_target(model, known + drafted)[1].argmax(-1)[len(known) - 1 :].tolist()
        agreed = next((i for i in range(steps) if drafted[i] != said[i]), steps)
        kept = 0
        for token in said[: agreed + 1]:
            if len(answer) == new or answer[-1] in ends:
                break
            answer.append(token)
            kept += 1
        accepted[min(agreed, kept)] += 1
    return answer, accepted, proposals


def greedy(model, ids, new, ends=()):
    """transformers' own greedy answer, and its nearest tie."""
    prompt = torch.tensor([ids])
    found = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=new,
        do_sample=False,
        eos_token_id=list(ends) or None,
        output_logits=True,
        return_dict_in_generate=True,
    )
    best = torch.cat(found.logits).topk(2).values
    return found.sequences[0, len(ids) :].tolist(), float((best[:, 0] - best[:, 1]).min())


def speculated(decoder, ids, new, ends=frozenset()):
    """The same three of the loop."""
    proposals, chain = [], decoder.draft.chain

    def recorded(*arguments):
        proposals.append((found := chain(*arguments))[1:].tolist())
        return found

    decoder.draft.chain = recorded
    found = decoder.decode(ids, new, ends=frozenset(ends))
    decoder.draft.chain = chain
    return list(found.tokens), list(found.accepted), proposals


def plain(model, ids, new, ends=frozenset()):
    return list(
        decoding.Decoder(torch_target.TorchTarget(model), None, 0)
        .decode(ids, new, ends=frozenset(ends))
        .tokens
    )


# --- losslessness -------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None, derandomize=True)
@given(data=st.data())
def test_every_draft_gives_the_targets_own_answer_in_the_cycles_of_a_simulation(data):
    draw = data.draw
    size = draw(st.integers(3, 40), "V")
    model = make_target(size, draw(st.integers(0, 10**6), "seed"), draw(st.sampled_from([1, 2, 4])))
    k = draw(st.one_of(st.just(1), st.just(size), st.integers(1, size)), "k")
    draft = make_draft(model, k, draw(st.integers(0, 10**6), "draft"), draw(st.booleans(), "fit"))
    ids = draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=12), "prompt")
    new, steps = draw(st.integers(1, 24), "new"), draw(st.integers(1, 6), "steps")
    expected, tie = greedy(model, ids, new)
    assume(tie > TIE)
    if draw(st.booleans(), "ends"):
        ends = frozenset(draw(st.lists(st.sampled_from(expected), max_size=2), "end"))
        expected, _ = greedy(model, ids, new, ends)
    else:
        ends = frozenset()
    found = speculated(
        decoding.Decoder(torch_target.TorchTarget(model), draft, steps), ids, new, ends
    )
    assert found[0] == plain(model, ids, new, ends) == expected
    assert found == simulated(model, draft, ids, new, steps, ends)


def test_a_good_draft_is_accepted_and_a_bad_one_is_not():
    model, ids, new = make_target(12, 0), [5, 2], 60
    lengths = []
    for fitted in (True, False):
        draft = make_draft(model, 12, 1, fitted)
        tokens, accepted, _ = speculated(
            decoding.Decoder(torch_target.TorchTarget(model), draft, 4), ids, new
        )
        assert tokens == greedy(model, ids, new)[0]
        lengths.append(new / sum(accepted))
    assert lengths[0] > 2 > lengths[1]


@pytest.mark.parametrize("right", [4, 2, 0])
def test_answers_end_within_accepted_tokens_as_anywhere(right):
    """With a draft that knows the answer, and is wrong from the token after `right` on."""
    model, ids = make_target(16, 1), [5, 2]
    draft = make_draft(model, 16, 1)
    whole = greedy(model, ids, 40)[0]
    known = torch.tensor(ids + whole + [0] * 8)

    def chain(aux, tokens, start, last, visible):
        at = int(start + last) + 1
        proposed = known[at : at + 5].clone()
        proposed[right + 1 :] = (proposed[right + 1 :] + 1) % 16
        return proposed

    draft.chain = chain
    decoder = decoding.Decoder(torch_target.TorchTarget(model), draft, 4)
    for n in range(1, 30):
        for new, ends in ((40, frozenset({whole[n - 1]})), (n, frozenset())):
            expected = whole[: whole.index(whole[n - 1]) + 1] if ends else whole[:n]
            found = decoder.decode(ids, new, ends=ends)
            assert list(found.tokens) == expected
            full, rest = divmod(len(expected) - 1, right + 1)
            accepted = [0] * 5
            accepted[right] = full
            accepted[rest] += rest > 0
            assert list(found.accepted) == accepted


def test_rejected_tokens_leave_nothing_behind():
    """Short and long answers in turn through the same caches."""
    model = make_target(24, 5)
    draft = make_draft(model, 12, 2, fitted=True)
    decoder = decoding.Decoder(torch_target.TorchTarget(model), draft, 3)
    decoder.reserve(80)
    for ids, new in (([1, 2, 3, 4, 5, 6], 70), ([7], 9), ([1, 2], 30), ([7], 9)):
        assert speculated(decoder, ids, new) == simulated(model, draft, ids, new, 3)


@pytest.mark.skipif(not importlib.util.find_spec("specforge"), reason="needs specforge")
def test_the_draft_computes_what_specforge_trains():
    """Its unrolled training steps draft the same tokens from the same states."""
    from specforge.modeling.draft.llama3_eagle import LlamaForCausalLMEagle3

    model, steps = make_target(30, 11), 4
    draft = make_draft(model, 17, 4)
    config = transformers.LlamaConfig(**{**model.config.to_dict(), "draft_vocab_size": 17})
    theirs = LlamaForCausalLMEagle3(config)
    weights = {n: t for n, t in draft.state_dict().items() if not n.startswith("rotary")}
    missing = theirs.load_state_dict(weights, strict=False).missing_keys
    assert set(missing) == {"embed_tokens.weight", "t2d", "d2t"}
    theirs.embed_tokens.weight.data = draft.embedding
    ids = [3, 8, 1, 22, 9, 4]
    with torch.inference_mode(), torch.compiler.set_stance("force_eager"):
        aux, _ = full_target(model, ids[:-1])
        n = len(ids) - 1
        mask = torch.full((n, n), torch.finfo(torch.float32).min).triu(1)[None, None]
        hidden, cache = theirs.project_hidden_states(aux[None]), [[], []]
        tokens, drafted = torch.tensor([ids[1:]]), []
        for _ in range(steps):
            hidden = theirs.backbone(
                theirs.embed_input_ids(tokens), hidden, cache, mask, torch.arange(n)[None]
            )
            drafted.append(int(draft.ids[theirs.compute_logits(hidden)[0, -1].argmax()]))
            tokens = torch.cat([tokens[:, 1:], torch.tensor([[drafted[-1]]])], 1)
        ours = _chain(draft, aux, ids, steps)
    assert ours == drafted


def _chain(draft, aux, ids, steps):
    """What the loop would draft after `ids`, whose pairs but the last it has read."""
    n = len(ids) - 1
    draft.reserve(n + steps + 1)
    draft.read(torch.tensor([ids[1:-1]]), draft.fuse(aux[None, :-1]), torch.arange(n - 1), n - 1)
    rows = torch.zeros(steps + 1, aux.shape[1])
    tokens = torch.zeros(steps + 1, dtype=torch.long)
    rows[0], tokens[0] = aux[-1], ids[-1]
    proposed = draft.chain(rows, tokens, torch.tensor([n - 1]), torch.tensor([0]), n + steps)
    assert proposed[0] == ids[-1]
    return proposed[1:].tolist()


# --- as an engine -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return write_folders(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def loop(folders):
    loop = torch_loop.TorchLoop(folders.target, device="cpu")
    yield loop
    loop.close()


PROMPTS = [Prompt("", (i, 3 * i + 1, 17)) for i in range(6)]


def test_runs_of_folders_are_lossless_and_add_up(loop, folders):
    texts, runs = [], []
    for configuration in (
        Configuration("plain"),
        Configuration("V", 40, str(folders.drafts[40]), 3, draft_tokens=4),
        Configuration("trimmed", 11, str(folders.drafts[11].parent), 2),
    ):
        loop.use(configuration, 1)
        answers, seconds = loop.answer(PROMPTS, Generation(20), 1, lambda: None)
        texts.append([loop.decode(p.ids, Generation(20)).tokens for p in PROMPTS])
        runs.append(Run.of(configuration.label, 1, 0, answers, seconds))
        assert all(0 < a.first_token_s <= a.seconds for a in answers)
    loop.use(Configuration("plain"))
    texts.append([loop.decode(p.ids, Generation(20)).tokens for p in PROMPTS])
    assert texts[0] == texts[1] == texts[2] == texts[3]
    assert [list(t) for t in texts[0]] == [
        greedy(folders.model, list(p.ids), 20, (38, 39))[0] for p in PROMPTS
    ]
    plain, whole, trimmed = runs
    assert plain.verified is None
    assert plain.accepted == ()
    for run, steps in ((whole, 3), (trimmed, 2)):
        assert len(run.accepted) == steps + 1
        assert sum(run.accepted) == run.verified
        assert 1 < run.acceptance_length <= steps + 1
        drafted = sum(j * cycles for j, cycles in enumerate(run.accepted))
        assert run.acceptance_length == pytest.approx(1 + drafted / run.verified)
    assert whole.tokens == plain.tokens
    assert loop.notes[-1].startswith("All ")


def test_an_answer_that_differs_is_said(folders):
    """Whatever breaks losslessness, rounding or a bug, shows in the notes."""
    loop = torch_loop.TorchLoop(folders.target, device="cpu", dtype="bfloat16")
    loop.use(Configuration("plain"))
    assert any("bfloat16" in note for note in loop.notes)
    for ids in ((1, 2), (3, 4)):
        loop.decode(ids, Generation(8))
    loop.use(Configuration("V", 40, str(folders.drafts[40]), 3))
    loop.decode((3, 4), Generation(8))
    assert not any("differ" in note for note in loop.notes)
    loop._decoder.target.forward = lambda ids, at, visible, rows, aux: (
        torch.zeros(1, rows, dtype=torch.long),
        torch.zeros(1, ids.shape[1], 3 * H).bfloat16(),
    )
    loop.decode((1, 2), Generation(8))
    assert "1 of 2 answers differ" in loop.notes[-1]


def test_end_tokens_end_an_answer_unless_ignored(loop, folders):
    loop.use(Configuration("trimmed", 11, str(folders.drafts[11]), 3))
    ends = {38, 39}
    long = {p: loop.decode(p.ids, Generation(50, ignore_eos=True)).tokens for p in PROMPTS}
    assert {len(tokens) for tokens in long.values()} == {50}
    for prompt, tokens in long.items():
        short = loop.decode(prompt.ids, Generation(50)).tokens
        assert short == tokens[: len(short)]
        assert len(short) == 50 or short[-1] in ends
        assert not ends & set(short[:-1])


def test_a_measurement_can_be_stopped(loop):
    loop.use(Configuration("plain"))

    def check():
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        loop.answer(PROMPTS, Generation(4), 1, check)


@pytest.mark.parametrize(
    ("configuration", "says"),
    [
        (Configuration("a", 11, "", 3), "needs a draft folder"),
        (Configuration("a", 11, "{}", 0), "1 step at least"),
        (Configuration("a", None, "", 2), "no k"),
        (Configuration("a", 11, "{}", 3, topk=4), "chains only"),
        (Configuration("a", 11, "{}", 3, draft_tokens=8), "chains only"),
        (Configuration("a", 40, "{}", 3), "drafts 11 tokens"),
        (Configuration("a", 11, "/nowhere", 3), "no draft at"),
    ],
)
def test_configurations_it_cannot_run(loop, folders, configuration, says):
    draft = configuration.draft.format(folders.drafts[11])
    with pytest.raises(InputError, match=says):
        loop.use(replace(configuration, draft=draft), 1)


def test_requests_it_cannot_answer(loop, folders):
    loop.use(Configuration("plain"))
    with pytest.raises(InputError, match="one sequence at a time"):
        loop.answer(PROMPTS, Generation(4), 8, lambda: None)
    with pytest.raises(InputError, match="one sequence at a time"):
        loop.use(Configuration("plain"), 2)
    with pytest.raises(InputError, match="greedily"):
        loop.decode((1,), Generation(4, temperature=0.7))
    with pytest.raises(InputError, match="made for 256"):
        loop.answer(PROMPTS, Generation(300), 1, lambda: None)
    for ids in ((40,), (-1,)):
        with pytest.raises(InputError, match=r"0\.\.39"):
            loop.answer([Prompt("", ids)], Generation(4), 1, lambda: None)
    with pytest.raises(EngineError, match="use"):
        torch_loop.TorchLoop(folders.target, device="cpu").decode((1,), Generation(4))
    with pytest.raises(InputError, match="dtype"):
        torch_loop.TorchLoop(folders.target, device="cpu", dtype="int4")


KEY = "eagle_aux_hidden_state_layer_ids"


@pytest.mark.parametrize(
    ("named", "read"),
    [
        ({"eagle_config": {KEY: [0, 2, 1]}}, (0, 2, 1)),  # SGLang, Model-Optimizer: layers from 0
        ({KEY: [1, 3, 2]}, (0, 2, 1)),  # vLLM, llama.cpp, speculators: the embedding is 0
        ({KEY: [1, 3, 2], "eagle_config": {KEY: [0, 2, 1]}}, (0, 2, 1)),
        ({KEY: [0, 2, 1], "vocabtrim_aux_layers": [0, 2, 1]}, (0, 2, 1)),
        ({}, AUX),
    ],
)
def test_layers_are_read_in_the_convention_of_their_place(loop, folders, tmp_path, named, read):
    """The same layers in any place draft the same; the order of three is part of it."""
    fields = json.loads((folders.drafts[11] / "config.json").read_text())
    del fields["eagle_config"]
    (tmp_path / "model.safetensors").symlink_to(folders.drafts[11] / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({**fields, **named}))
    loop.use(Configuration("x", 11, str(tmp_path), 3))
    assert loop._decoder._layers == read


def test_a_draft_of_all_tokens_needs_no_mapping(loop, folders, tmp_path):
    from safetensors.torch import load_file

    tensors = load_file(folders.drafts[40] / "model.safetensors")
    assert tensors.pop("d2t").tolist() == [0] * 40
    assert tensors.pop("t2d").all()
    safetensors_torch.save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    (tmp_path / "config.json").write_text((folders.drafts[40] / "config.json").read_text())
    found = []
    for folder in (folders.drafts[40], tmp_path):
        loop.use(Configuration("x", 40, str(folder), 3))
        loop.reserve(40)
        found.append(loop.decode((1, 4, 17), Generation(24)))
    assert found[0].tokens == found[1].tokens
    assert found[0].accepted == found[1].accepted


def test_a_draft_of_speculators_is_read(folders, loop, tmp_path):
    """Its layer's shape lies in a part of config.json; attention may add to the normed state."""
    from safetensors.torch import load_file

    fields = json.loads((folders.drafts[11] / "config.json").read_text())
    about = {
        "speculators_model_type": "eagle3",
        "architectures": ["Eagle3Speculator"],
        "draft_vocab_size": 11,
        KEY: [1, 2, 3],
        "norm_before_residual": True,
        "transformer_layer_config": fields,
    }
    del fields["eagle_config"], fields["draft_vocab_size"]
    tensors = load_file(folders.drafts[11] / "model.safetensors")
    named = {n.replace("midlayer.", "layers.0."): t for n, t in tensors.items()}
    named["layers.0.hidden_norm.weight"] = torch.linspace(0.5, 2, H)
    safetensors_torch.save_file(named, tmp_path / "model.safetensors", {"format": "pt"})
    (tmp_path / "config.json").write_text(json.dumps(about))
    loop.use(Configuration("x", 11, str(tmp_path), 3))
    draft = loop._decoder.draft
    draft.reserve(8)
    hidden = torch.randn(1, 5, H, generator=torch.Generator().manual_seed(0))
    read = draft.read(torch.tensor([[3, 1, 4, 1, 5]]), hidden, torch.arange(5), 5)
    wanted = full_layer(draft, [3, 1, 4, 1, 5], hidden[0], normed_residual=True)
    torch.testing.assert_close(read[0], wanted, rtol=1e-4, atol=1e-4)


def test_drafts_of_another_model_or_damaged_are_refused(loop, folders, tmp_path):
    from safetensors.torch import load_file

    good = load_file(folders.drafts[11] / "model.safetensors")
    fields = json.loads((folders.drafts[11] / "config.json").read_text())

    def use(tensors, **changes):
        safetensors_torch.save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
        (tmp_path / "config.json").write_text(json.dumps({**fields, **changes}))
        loop.use(Configuration("x", 11, str(tmp_path), 3))

    use(good)
    named = {n.replace("midlayer.", "layers.0."): t for n, t in good.items()}
    use(named)  # as SGLang renames it
    with pytest.raises(InputError, match="different models"):
        use(good, vocab_size=41)
    with pytest.raises(InputError, match="reads the layers"):
        use(good, eagle_config={"eagle_aux_hidden_state_layer_ids": [0, 1, 3]})
    with pytest.raises(InputError, match=r"norm\.weight is missing"):
        use({n: t for n, t in good.items() if n != "norm.weight"})
    with pytest.raises(InputError, match="asks for"):
        use(good, intermediate_size=64)

"""The Corpus page through Streamlit's AppTest: uploads, columns, roles, what is counted."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import APP
from helpers.lazy import Lazy
from helpers.real_data import new_home
from helpers.tokenizer_makers import byte_level, write_folder

from vocabtrim_core import workspace
from vocabtrim_core.corpora import open_corpus
from vocabtrim_core.corpora.uploads import list_uploads
from vocabtrim_core.counting.count import count
from vocabtrim_core.counts_store import StoredCounts, save_counts
from vocabtrim_core.errors import InputError
from vocabtrim_core.jobs import control as jobs
from vocabtrim_core.jobs.job import Job
from vocabtrim_core.jobs.progress import rate
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

testing = Lazy("streamlit.testing.v1")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """An empty workspace."""
    monkeypatch.setenv("VOCABTRIM_HOME", str(new_home(tmp_path / "home")))
    return tmp_path


@pytest.fixture(autouse=True)
def started(monkeypatch) -> list[tuple[list[str], str]]:
    """What the page starts, with its title, instead of starting it."""
    asked: list[tuple[list[str], str]] = []
    monkeypatch.setattr(
        jobs, "start", lambda argv, title, **more: asked.append((list(argv), title))
    )
    return asked


def opened(source: str) -> testing.AppTest:
    """The page, with conversations from one of the four places."""
    app = (
        testing.AppTest.from_file(str(APP), default_timeout=40)
        .run()
        .switch_page("pages/corpus.py")
        .run()
    )
    return app.segmented_control(key="corpus_source").set_value(source).run()


def reading(path: Path) -> testing.AppTest:
    """The page on a file."""
    app = opened("Path")
    return app.text_area(key="corpus_paths").set_value(str(path)).run()


def words(app: testing.AppTest) -> str:
    """All text of the page, without Markdown's escapes."""
    shown = (*app.markdown, *app.caption, *app.error, *app.info)
    return re.sub(r"\\(.)", r"\1", "\n".join(element.value for element in shown))


def shown(app: testing.AppTest, key: str) -> list[list[str]]:
    """The pieces of a marked text: text, kind, note."""
    found = [
        json.loads(e.proto.json) for e in app.get("bidi_component") if "pieces" in e.proto.json
    ]
    return next(each["pieces"] for each in found if key in each["alt"])


def chat(*answers: str, user: str = "user") -> bytes:
    """JSON lines, one conversation per answer."""
    rows = [
        {"messages": [{"role": user, "content": "Hi"}, {"role": "assistant", "content": answer}]}
        for answer in answers
    ]
    return "\n".join(map(json.dumps, rows)).encode()


def upload(app: testing.AppTest, name: str, content: bytes) -> testing.AppTest:
    """The page after a file was chosen in its uploader."""
    return app.file_uploader(key="corpus_file").set_value((name, content, "text/plain")).run()


def ended(state: str, **result) -> Job:
    """A count that has ended, with what it printed."""
    folder = workspace.folder("jobs") / "20260101-000000-count"
    folder.mkdir()
    (folder / "result.json").write_text(json.dumps(result))
    return Job(
        folder, ("count",), "Count chats", 0.0, (), state, 1, 1, "", {}, None, None, 0.0, 6.0, False
    )


# --- uploads ------------------------------------------------------------------------------------


def test_a_new_upload_is_the_one_that_is_read_and_counted(started):
    app = upload(opened("Upload"), "first.jsonl", chat("Ho"))
    app = upload(app, "second.jsonl", chat("He", "Ha"))
    keys = {each.label: each.key for each in list_uploads()}
    assert app.selectbox(key="corpus_upload").value == keys["second.jsonl"]
    assert "- second.jsonl," in words(app)
    app.button(key="count").click().run()
    argv, title = started[-1]
    assert keys["second.jsonl"] in argv[4]
    assert title.startswith("Count second")


def test_an_upload_keeps_its_name_in_errors_and_previews():
    app = upload(opened("Upload"), "my chats.jsonl", chat("Ho") + b"\n\n{]\n")
    assert "my chats.jsonl, line 3, column 2: not JSON" in words(app)
    app = upload(app, "good.jsonl", chat("Ho"))
    assert "good.jsonl, row 1:" in words(app)
    assert "data.jsonl" not in words(app)


def test_an_upload_is_removed_in_the_app():
    app = upload(opened("Upload"), "first.jsonl", chat("Ho"))
    app = upload(app, "second.jsonl", chat("He"))
    app.button(key="drop_upload").click().run()
    assert not app.exception
    assert [each.label for each in list_uploads()] == ["first.jsonl"]
    assert "- first.jsonl," in words(app)


# --- columns and roles --------------------------------------------------------------------------


def test_an_unknown_role_gets_a_field(home, started):
    file = home / "roles.jsonl"
    file.write_bytes(chat("Ho", user="Narrator"))
    app = reading(file)
    assert "unknown role 'Narrator' in 1 of 1 row" in words(app)
    assert "say which of them it is (“Columns”: roles.narrator=user)" in words(app)
    app.selectbox(key="role_narrator").set_value("user").run()
    assert not app.error
    app.button(key="count").click().run()
    assert started[-1][0][5:] == ["--map", "conversation=messages", "roles.narrator=user"]


def test_columns_chosen_by_hand_are_no_longer_doubted(home, started):
    file = home / "odd.jsonl"
    file.write_text(json.dumps({"id": "1", "ask": "Hi", "say": "Ho"}) + "\n")
    app = reading(file)
    assert "please check the columns" in words(app)
    field = {each.label: each for each in app.selectbox}
    field["Each row holds"].set_value("prompt_response").run()
    field = {each.label: each for each in app.selectbox}
    assert field["Prompt"].value != field["Response"].value
    field["Prompt"].set_value("ask")
    field["Response"].set_value("say").run()
    assert "please check the columns" not in words(app)
    assert "No column was recognised" not in words(app)
    app.button(key="count").click().run()
    assert started[-1][0][5:] == ["--map", "prompt=ask", "response=say"]


def test_another_column_of_messages_keeps_the_keys_it_has(home, started):
    said = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"}]
    file = home / "two.jsonl"
    file.write_text(json.dumps({"a": said, "b": said}) + "\n")
    app = reading(file)
    next(each for each in app.selectbox if each.label == "Conversation").set_value("b").run()
    assert not app.error
    app.button(key="count").click().run()
    assert started[-1][0][5:] == ["--map", "conversation=b", "role=from", "content=value"]


# --- hub ----------------------------------------------------------------------------------------


def test_prompts_without_answers_are_listed_and_explained():
    app = opened("Hub")
    app.selectbox(key="hub_preset").set_value("mt-bench").run()
    assert "Nothing to count here. Prompts only" in words(app)
    assert "count" not in [button.key for button in app.button]


def test_a_dataset_is_counted_at_its_revision(started):
    app = opened("Hub")
    app.selectbox(key="hub_preset").set_value("another dataset").run()
    app.text_input(key="hub_id").set_value("org/name")
    app.text_input(key="hub_revision").set_value("v2").run()
    app.button(key="count").click().run()
    assert started[-1][0][3:] == [
        "--dataset",
        "org/name",
        "--split",
        "train",
        "--dataset-revision",
        "v2",
    ]


# --- the tokenizer ------------------------------------------------------------------------------


def test_token_boundaries_show_before_anything_is_counted():
    app = opened("Path")
    app.selectbox(key="tok_preset").set_value("tekken").run()
    pieces = shown(app, "cut into its tokens")
    assert len(pieces) > 5
    assert {kind for _, kind, _ in pieces} == {"token"}
    assert f"{len(pieces)} tokens. Once a set is counted" in words(app)


def test_the_models_v_is_asked_for_where_no_config_says_it(home, shared, started):
    (home / "a.jsonl").write_text(
        json.dumps(
            {
                "messages": [
                    {"role": "user", "content": "Hi"},
                    {"role": "assistant", "content": "Yes"},
                ]
            }
        )
    )
    app = reading(home / "a.jsonl")
    assert not [field for field in app.number_input if field.label == "Model's V"]
    app.segmented_control(key="tok_source").set_value("Path").run()
    folder = shared / "data" / "tokenizers" / "qwen-151k"
    app.text_input(key="tok_path").set_value(str(folder)).run()
    app.selectbox(key="template").set_value("qwen").run()

    def field():
        return next(field for field in app.number_input if field.label == "Model's V")

    assert "models known with this tokenizer have 151,936 or 152,064" in "\n".join(
        each.value for each in app.warning
    )
    (known,) = (pills for pills in app.pills if pills.label.endswith("have V"))
    assert known.options == ["151,936", "152,064"]
    known.set_value(152_064).run()
    assert field().value == 152_064
    assert "V = 152,064 (given by hand)" in words(app)
    assert not any("models known" in each.value for each in app.warning)
    app.button(key="count").click().run()
    argv, _ = started[-1]
    assert argv[argv.index("--vocab-size") + 1] == "152064"
    field().set_value(7).run()
    assert "V must lie within 151,646..16,777,216" in words(app)
    assert not [button for button in app.button if button.key == "count"]


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{ raise_exception('never') }}", "its own, which cannot be used; choose a named one"),
        (None, "none found; choose a named one below"),
    ],
)
def test_a_template_that_raises_is_not_called_missing(home, template, told):
    folder = write_folder(
        home / "model", byte_level(["<s>"]), tokenizer_config={"chat_template": template}
    )
    app = opened("Path")
    app.segmented_control(key="tok_source").set_value("Path").run()
    app.text_input(key="tok_path").set_value(str(folder)).run()
    assert f"Chat template: {told}" in words(app)
    assert "V is 601, what the tokenizer holds" in app.warning[0].value


# --- what is counted ----------------------------------------------------------------------------


def test_the_title_of_a_count_says_what_is_counted(home, started):
    file = home / "chats.jsonl"
    file.write_bytes(chat("Ho"))
    app = reading(file)
    app.segmented_control(key="rule").set_value("reference")
    app.selectbox(key="template").set_value("qwen")
    app.number_input(key="max_length").set_value(2048)
    app.toggle(key="last_turn").set_value(True).run()
    app.button(key="count").click().run()
    assert started[-1][1] == (
        "Count chats: reference, last turn only, first 2,048 tokens, template qwen"
    )


def test_counted_sets_are_told_apart(make_counts):
    for narrower in (
        {},
        {"max_length": 512},
        {"last_turn_only": True},
        {"template": "qwen", "template_sha256": "q"},
    ):
        save_counts(make_counts([3, 1], **narrower))
    table = opened("Path").dataframe[0].value
    table = table[table["From"] == "counted here"]
    assert set(zip(table["Counted"], table["Template"], strict=True)) == {
        ("assistant", "llama3"),
        ("assistant, first 512 tokens", "llama3"),
        ("assistant, last turn only", "llama3"),
        ("assistant", "qwen"),
    }


def test_a_count_that_is_done_says_its_result_and_leads_to_explore(make_counts, monkeypatch):
    counts = make_counts(np.arange(128_256) % 7)
    save_counts(counts)
    save_counts(make_counts(np.arange(128_256) % 5))
    job = ended(
        "done",
        key=counts.key,
        tokens=counts.tokens,
        conversations=2,
        engine="gigatoken 1",
        proof={"sentence": "2 of 2 texts were encoded again", "details": ["All of it."]},
    )
    monkeypatch.setattr(jobs, "list_jobs", lambda: [job])
    app = opened("Path")
    assert f"{counts.tokens:,} tokens of 2 conversations" in words(app)
    assert "by gigatoken 1; 2 of 2 texts were encoded again." in words(app)
    assert any(element.help == "All of it." for element in app.markdown)
    app.button(key=f"explore_{job.id}").click().run()
    assert app.session_state["counts_key"] == counts.key
    assert app.title[0].value == "Explore"


def test_a_count_that_failed_can_only_be_tried_again(monkeypatch):
    job = ended("failed", error="chats has no conversation to count")
    monkeypatch.setattr(jobs, "list_jobs", lambda: [job])
    app = opened("Path")
    assert app.button(key=f"resume_counts_{job.id}").label == "Try again"
    assert "chats has no conversation to count" in words(app)


def test_the_length_limit_shows_in_the_preview_and_the_pre_flight(home):
    file = home / "chats.jsonl"
    file.write_bytes(chat("one two three four five six seven eight", "Ho"))
    app = reading(file)
    app.number_input(key="max_length").set_value(15).run()
    green = [text for text, kind, _ in shown(app, "Conversation of row 1") if kind == "counted"]
    assert len(green) == 1
    assert green[0].startswith("one two")
    assert "eight" not in green[0]
    app.session_state["look"] = "Corpus check"
    app.run()
    assert "1 of 2 conversations are longer :green-badge[measured]" in words(app)
    assert all("measured" in metric.label for metric in app.metric)


def test_the_pre_flight_counts_what_the_count_would(home):
    talk = [("user", "Hi"), ("assistant", "Ho " * 50), ("user", "Hi"), ("assistant", "He")]
    file = home / "chats.jsonl"
    file.write_text(json.dumps({"messages": [{"role": r, "content": c} for r, c in talk]}))
    app = reading(file)
    app.number_input(key="max_length").set_value(30)
    app.session_state["look"] = "Corpus check"
    app.run()
    assert "loses 100.00% of the counted tokens" not in words(app)
    app.toggle(key="last_turn").set_value(True).run()
    assert "loses 100.00% of the counted tokens" in words(app)


@pytest.mark.parametrize(
    ("narrower", "remedy"),
    [({"max_length": 3}, "raise the length limit"), ({}, "let the target model answer")],
)
def test_nothing_to_count_says_the_remedy_that_helps(home, narrower, remedy):
    file = home / "chats.jsonl"
    file.write_bytes(chat("Ho" if narrower else ""))
    tokenizer = load_tokenizer("llama-3.1")
    with pytest.raises(InputError, match=rf"no conversation to count .*; {remedy}"):
        count(open_corpus(file), tokenizer, resolve_template(tokenizer), **narrower)


# --- progress -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MB_per_s", 73.2, "73 MB/s"),
        ("rows_per_s", 12_345.0, "12,345 rows/s"),
        ("steps_per_s", 2.25, "2.2 steps/s"),
        ("regret", 0.000004, "regret 0.000004"),
        ("regret", 0.0, "regret 0"),
        ("answers", 1200, "answers 1,200"),
    ],
)
def test_rates_as_people_read_them(name, value, said):
    assert rate(name, value) == said


def test_sets_that_differ_in_what_narrows_them_have_their_own_labels(make_counts):
    from pages.ui.state import label

    def stored(counts, **more):
        return StoredCounts(counts.key, Path("x.npz"), 0.0, counts, **more)

    plain = make_counts([3, 1], template="tokenizer")
    assert label(stored(plain)) == "corpus · tiny · assistant · 4 tokens"
    assert label(stored(plain, shipped=True)).startswith("corpus · shipped · tiny · ")
    narrow = make_counts([3, 1], last_turn_only=True, max_length=2048)
    assert label(stored(narrow)) == (
        "corpus · tiny · assistant, last turn only, first 2,048 tokens · template llama3 · 4 tokens"
    )


# --- before anything starts ---------------------------------------------------------------------


def test_rows_without_answers_switch_the_button_off_and_are_said(home):
    file = home / "asked.jsonl"
    row = {"messages": [{"role": "user", "content": "Hi"}]}
    file.write_text((json.dumps(row) + "\n") * 200)
    app = reading(file)
    assert app.button(key="count").disabled
    assert "no assistant text in 200 of 200 rows (asked.jsonl:1, " in words(app)
    assert not app.exception
    file.write_bytes(chat("Ho"))
    assert not app.run().button(key="count").disabled


def test_a_file_that_is_not_recognised_switches_the_button_off_until_its_columns_are_chosen(home):
    file = home / "odd.jsonl"
    file.write_text(json.dumps({"id": "1", "ask": "Hi", "say": "Ho"}) + "\n")
    app = reading(file)
    assert app.button(key="count").disabled
    assert "columns found: id (text), ask (text), say (text)" in words(app).replace("`", "")
    next(each for each in app.selectbox if each.label == "Each row holds").set_value(
        "prompt_response"
    ).run()
    field = {each.label: each for each in app.selectbox}
    field["Prompt"].set_value("ask")
    field["Response"].set_value("say").run()
    assert not app.button(key="count").disabled


def test_what_is_not_counted_is_said_before_the_count(home, started):
    talk = [
        {"role": "user", "content": [{"type": "image", "url": "u"}]},
        {"role": "assistant", "content": "No", "weight": 0},
        {"role": "assistant", "content": "Ho"},
    ]
    file = home / "pairs.jsonl"
    file.write_text(json.dumps({"rejected": talk[:1], "prompt": talk[:1], "chosen": talk[1:]}))
    app = reading(file)
    assert "Answers in `rejected` are not counted." in words(app)
    app.session_state["look"] = "Corpus check"
    app.run()
    assert "1 rows: a part of type image was dropped (pairs.jsonl:1)" in words(app)
    assert "1 rows: an assistant turn is not counted: its `weight` is 0" in words(app)
    app.button(key="count").click().run()
    assert "--map" not in started[-1][0]


def test_a_path_into_objects_stays_chosen(home, started):
    file = home / "log.jsonl"
    body = {"choices": [{"message": {"role": "assistant", "content": "Ho"}}]}
    file.write_text(json.dumps({"custom_id": "1", "response": {"body": body}}) + "\n")
    app = reading(file)
    field = {each.label: each.value for each in app.selectbox}
    assert (field["Prompt"], field["Response"]) == ("", "response.body.choices.0.message")
    assert not app.button(key="count").disabled
    app.button(key="count").click().run()
    assert "--map" not in started[-1][0]


# --- spans, samples, the trainer ----------------------------------------------------------------

CALL = {"id": "a", "type": "function", "function": {"name": "depth", "arguments": '{"of": "Como"}'}}
RICH = [
    {"role": "user", "content": "How deep is it?"},
    {"role": "assistant", "content": None, "reasoning_content": "Look.", "tool_calls": [CALL]},
    {"role": "tool", "content": "425 m", "tool_call_id": "a"},
    {"role": "assistant", "content": "It is 425 m deep."},
]


def rich(home: Path, *rows: list[dict]) -> Path:
    """A file of conversations with calls, results and reasoning."""
    file = home / "rich.jsonl"
    file.write_text("\n".join(json.dumps({"messages": row}) for row in rows))
    return file


def green(app: testing.AppTest, key: str) -> str:
    """What of a marked text is counted."""
    return "".join(text for text, kind, _ in shown(app, key) if kind == "counted")


def test_where_a_turn_ends_and_how_many_rows_may_be_refused_go_into_the_command(home, started):
    file = home / "chats.jsonl"
    file.write_bytes(chat("Ho"))
    app = reading(file)
    app.button(key="count").click().run()
    assert not {"--span-end", "--max-refused"} & set(started[-1][0])
    app.selectbox(key="template").set_value("qwen")
    app.segmented_control(key="span_end").set_value("template")
    app.number_input(key="most_refused").set_value(12.5).run()
    assert "With all that the template writes for the turn" in words(app)
    app.button(key="count").click().run()
    argv, title = started[-1]
    assert argv[argv.index("--span-end") + 1] == "template"
    assert argv[argv.index("--max-refused") + 1] == "0.125"
    assert title == "Count chats: assistant, turns to the template's end, template qwen"
    commands = [code.value for code in app.code]
    assert any(
        "count " in c and "--span-end template" in c and "--max-refused 0.125" in c
        for c in commands
    )
    assert any("spans " in c and "--span-end template" in c for c in commands)
    assert green(app, "Conversation of row 1") == "Ho<|im_end|>↵\n"
    app.segmented_control(key="rule").set_value("content").run()
    assert "span_end" not in [each.key for each in app.segmented_control]
    app.button(key="count").click().run()
    assert "--span-end" not in started[-1][0]


def test_samples_with_calls_and_reasoning_are_highlighted(home):
    app = reading(rich(home, RICH))
    counted = green(app, "Tool call sample, counted spans")
    assert "two berths" in counted
    assert "They cost 28 euros.<|eot_id|>" in counted
    assert "12:05" not in counted.replace("at 12:05 from", "")
    assert "Tool call sample. Tool calls: counted. Tool results: not counted." in words(app)
    assert "Reasoning: not written by the chat template." in words(app)
    assert green(app, "Conversation of row 1").count("<|eot_id|>") == 2
    assert "1 turn: reasoning that the chat template does not write." in words(app)


def test_the_trainer_stands_beside_with_a_warning_where_it_differs(home):
    app = reading(rich(home, RICH))
    assert app.selectbox(key="specforge_template").options == ["llama3"]
    assert "llama3**: SpecForge computes the loss on the counted text" in app.success[0].value
    app.selectbox(key="template").set_value("qwen").run()
    said = "\n".join(each.value for each in app.warning)
    assert "The newline after the stop token has loss" in said
    assert app.selectbox(key="specforge_template").value == "qwen"
    assert green(app, "First conversation: loss in SpecForge").endswith("deep.<|im_end|>↵\n")
    assert green(app, "First conversation: counted spans").endswith("deep.<|im_end|>")
    app.segmented_control(key="specforge_sample").set_value("Reasoning sample").run()
    assert "two berths" in green(app, "Reasoning sample: loss in SpecForge")
    app.segmented_control(key="span_end").set_value("template").run()
    assert not app.warning
    app.selectbox(key="template").set_value("mistral").run()
    assert not app.exception
    assert "SpecForge has no template with the headers of this chat template" in words(app)


def test_the_pre_flight_says_what_the_template_refuses_and_does_not_write(home):
    two_calls = [RICH[0], {**RICH[1], "tool_calls": [CALL, CALL]}, *RICH[2:]]
    app = reading(rich(home, RICH, RICH, two_calls))
    app.selectbox(key="template").set_value("llama3")
    app.session_state["look"] = "Corpus check"
    app.run()
    assert "Reasoning that the chat template does not write: in 2 turns" in words(app)
    (refused,) = (each.value for each in app.warning if "refuses" in each.value)
    assert "refuses 1 of 3 conversations rendered" in refused
    assert "about 33.3% of all" in refused
    assert "at most 1.0% may be" in refused
    assert "rich.jsonl\\:3" in refused
    assert app.button(key="count").disabled
    (said,) = (each.value for each in app.error if "the template refuses" in each.value)
    assert "1 of 3 conversations rendered (rich.jsonl" in said
    assert "more than the 1.0% that may be left out" in said
    app.number_input(key="most_refused").set_value(50.0).run()
    assert not app.button(key="count").disabled
    assert not [each for each in app.warning if "refuses" in each.value]
    assert "they would be left out" in words(app)
    app.session_state["look"] = "Counted spans"
    app.run()
    assert "The chat template refuses this conversation: " in words(app)


def test_a_count_that_is_done_says_what_it_left_out(make_counts, monkeypatch):
    counts = make_counts([3, 1])
    save_counts(counts)
    job = ended(
        "done",
        key=counts.key,
        tokens=4,
        conversations=2,
        engine="e",
        proof={"sentence": "equal"},
        skips=[{"reason": "no assistant text", "rows": 2, "places": ["a.jsonl:4"]}],
        notes=[{"note": "images", "times": 7, "places": ["a.jsonl:9"]}],
    )
    monkeypatch.setattr(jobs, "list_jobs", lambda: [job])
    said = words(opened("Path"))
    assert "2 rows skipped: no assistant text (a.jsonl:4)" in said
    assert "7 times not counted: images (a.jsonl:9)" in said


def test_a_counted_set_says_how_far_its_turns_go_and_what_is_not_in_it(make_counts):
    from vocabtrim_core.counts import EARLIER_VERSION, TokenCounts

    made = make_counts(np.arange(1, 300))
    corpus = {**made.provenance.corpora[0], "notes": [["images", 7, ["a.jsonl:9"]]]}
    expected = {
        "stop": "through the stop token",
        "template": "through all that the template writes for the turn",
        EARLIER_VERSION: "counted by an earlier version, spans found by strings around turns",
    }
    for span_end, told in expected.items():
        about = replace(made.provenance, span_end=span_end, corpora=(corpus,))
        stored = TokenCounts(made.counts, 2, 0, about)
        save_counts(stored)
        app = testing.AppTest.from_file(str(APP), default_timeout=40)
        app.query_params["counts"] = stored.key
        app = app.run().switch_page("pages/explore.py").run()
        assert f"**Turns**: {told}" in words(app)
        assert "**Left out**: 7 times images (a.jsonl:9)" in words(app)

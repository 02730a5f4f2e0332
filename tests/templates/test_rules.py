"""What each counting rule counts of a rendered conversation, and what thoughts become."""

from __future__ import annotations

import pytest
from helpers.rendering import needs_rendering
from helpers.template_kit import THOUGHTFUL, TWO_TURNS, counted, fast_ids, reference_ids, user
from helpers.template_samples import SAMPLES

from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.chat_template import HEADLESS
from vocabtrim_core.templates.presets import NAMED
from vocabtrim_core.templates.spans import SPAN_ENDS


def test_rules_on_a_rendered_conversation(sample):
    _, template = sample("CHATML")
    text = template.render(TWO_TURNS)
    assert counted(template, TWO_TURNS, "assistant") == ["One.<|im_end|>", "Two.<|im_end|>"]
    assert counted(template, TWO_TURNS, "content") == ["One.", "Two."]
    assert counted(template, TWO_TURNS, "all") == [text]
    assert counted(template, TWO_TURNS, "reference") == ["One.", "Two.<|im_end|>\n"]
    assert counted(template, TWO_TURNS, "assistant", last_turn_only=True) == ["Two.<|im_end|>"]


def test_the_line_break_after_the_stop_token_counts_where_it_is_asked_for(sample):
    _, template = sample("CHATML", span_end="template")
    assert counted(template, TWO_TURNS, "assistant") == ["One.<|im_end|>\n", "Two.<|im_end|>\n"]
    assert counted(template, TWO_TURNS, "content") == ["One.", "Two."]


def test_reference_counts_what_stands_between_two_user_turns(sample):
    _, template = sample("CHATML")
    chat = [
        *TWO_TURNS[:2],
        {"role": "tool", "content": "42"},
        {"role": "assistant", "content": "It is 42."},
        *TWO_TURNS[2:],
    ]
    first, last = counted(template, chat, "reference")
    middle = "One.<|im_end|>\n<|im_start|>tool\n42<|im_end|>\n<|im_start|>assistant\nIt is 42."
    assert (first, last) == (middle, "Two.<|im_end|>\n")
    assert counted(template, chat, "content") == ["One.", "It is 42.", "Two."]


def test_text_that_is_already_rendered(sample):
    _, template = sample("CHATML")
    text = template.render(TWO_TURNS) + "<|im_start|>assistant\ncut off"
    spans = template.find_spans(text, "assistant")
    assert text[slice(*spans[-1])] == "cut off"
    assert len(spans) == 3


@pytest.mark.parametrize("span_end", SPAN_ENDS)
@pytest.mark.parametrize("name", [name for name in (*SAMPLES, *NAMED) if name != "BARE"])
def test_rendered_text_has_the_turns_of_its_messages(sample, name, span_end):
    """Markers alone find in rendered text what the messages tell."""
    _, template = sample(name, span_end=span_end)
    if template.masks:
        pytest.skip("marks are not in rendered text")
    chats = [TWO_TURNS, TWO_TURNS[:2], user("One.\n", "two, three", "(4)"), TWO_TURNS[:3]]
    chats.append([*TWO_TURNS[:3], TWO_TURNS[3] | {"reasoning_content": "hm"}])
    for chat in chats:
        for rule in ("assistant", "content"):
            text, spans = template.spans(chat, rule)
            found = template.find_spans(text, rule)
            assert [text[a:b] for a, b in found] == [text[a:b] for a, b in spans]
            assert not [
                note for note, _ in template.read_text(text, rule).notes if "header" in note
            ]


@pytest.mark.parametrize("written", ["assistant name=bob\n", "assistant\r\n", "assistant "])
def test_an_answer_whose_header_is_written_otherwise_is_noted(sample, written):
    _, template = sample("CHATML")
    text = template.render(TWO_TURNS)
    other = text.replace("assistant\n", written, 1)
    assert other != text
    found, spans, notes = template.read_text(other, "assistant")
    assert [found[a:b] for a, b in spans] == ["Two.<|im_end|>"]
    assert [(times, "header is not written" in note) for note, times in notes] == [(1, True)]
    assert not template.read_text(other, "all").notes


@pytest.mark.parametrize(
    ("name", "stray"),
    [
        ("CHATML", "An answer.<|im_end|>\n"),  # as a model writes it
        ("R1", "An answer.</s>"),
        ("CHANNELS", "<|channel|>final<|message|>An answer.<|return|>"),
    ],
)
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_text_that_no_header_opens_is_noted(sample, name, stray, place):
    _, template = sample(name)
    cut = {"first": 0, "middle": 2, "last": len(TWO_TURNS)}[place]
    before, after = (template.render(c) if c else "" for c in (TWO_TURNS[:cut], TWO_TURNS[cut:]))
    assert template.read_text(before + stray + after, "assistant").notes == ((HEADLESS, 1),)
    assert not template.read_text(before + after, "assistant").notes


def test_an_unknown_rule(sample):
    with pytest.raises(InputError, match="no counting rule answers; choose one of assistant, con"):
        sample("CHATML")[1].spans(TWO_TURNS, "answers")


# --- thoughts -----------------------------------------------------------------------------------


def test_thoughts_can_be_left_out(sample):
    _, template = sample("CHATML")
    chat = user(THOUGHTFUL, "No.")
    assert counted(template, chat, "content") == [THOUGHTFUL, "No."]
    assert counted(template, chat, "content", reasoning=False) == ["Yes.", "No."]
    headless = user("hm\n</think>\n\nYes.")  # the opening tag was part of the prompt
    assert counted(template, headless, "content", reasoning=False) == ["Yes."]
    whole = counted(template, chat, "all", reasoning=False)
    assert "".join(whole) == template.render(user("Yes.", "No."))


def test_reasoning_fields(sample):
    _, template = sample("THINKING")
    chat = user("Yes.", reasoning_content="hm")
    assert counted(template, chat, "content") == ["<think>\nhm\n</think>\n\nYes."]
    assert counted(template, chat, "content", reasoning=False) == ["Yes."]


def test_reasoning_in_a_turn_of_its_own(sample):
    _, template = sample("CHANNELS")
    chat = user("Yes.", reasoning_content="hm")
    thought = "analysis<|message|>hm<|end|><|start|>assistant<|channel|>"
    answer = "final<|message|>Yes.<|return|>"
    assert counted(template, chat, "assistant") == [thought + answer]
    assert counted(template, chat, "assistant", reasoning=False) == [answer]


def test_an_empty_thought_that_the_template_writes_is_counted(sample):
    """It is not in the generation prompt, so the model would have to write it."""
    tokenizer, template = sample("THINKING")
    text = template.render(TWO_TURNS)
    assert text.count("<think>\n\n</think>\n\n") == 1  # in the last turn, which has no thought
    assert counted(template, TWO_TURNS, "content") == ["One.", "<think>\n\n</think>\n\nTwo."]
    for rule in ("assistant", "content", "reference"):
        rendered = reference_ids(tokenizer, template, TWO_TURNS, rule)
        assert fast_ids(tokenizer, template, TWO_TURNS, rule) == rendered
    tokenizer, chatml = sample("CHATML")  # it writes what stands in the content, empty or not
    chat = user("<think>\n\n</think>\n\nYes.")
    assert counted(chatml, chat, "content") == [chat[1]["content"]]
    assert fast_ids(tokenizer, chatml, chat, "assistant") == reference_ids(
        tokenizer, chatml, chat, "assistant"
    )


def test_contents_with_thoughts_are_rendered_where_it_matters(sample):
    assert not needs_rendering(sample("CHATML")[1], THOUGHTFUL)
    assert needs_rendering(sample("CHATML")[1], THOUGHTFUL, reasoning=False)
    assert needs_rendering(sample("THINKING")[1], THOUGHTFUL)
    assert needs_rendering(sample("R1")[1], "hm</think>Yes.")

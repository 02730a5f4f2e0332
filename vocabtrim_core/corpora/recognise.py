"""Which columns hold the conversation: the guess made from a file's first rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from vocabtrim_core.corpora.column_names import (
    ALTERNATING,
    CALLS,
    DOMAINS,
    IDENTITY,
    INPUTS,
    INSTRUCTIONS,
    OUTPUTS,
    PROMPTS,
    REJECTED,
    RESPONSES,
    SYSTEMS,
    TEXTS,
    TOOLS,
    UNREAD,
    WINNERS,
    all_of_type,
    all_text,
    columns_named,
    first_named,
    has_chat_marks,
    is_label,
)
from vocabtrim_core.corpora.message_paths import (
    CONVERSATIONS,
    HISTORY,
    KEYS,
    chats_among,
    ends_open,
    find_message_paths,
    list_of_calls,
    list_of_pairs,
    list_of_texts,
)
from vocabtrim_core.corpora.response_items import are_items
from vocabtrim_core.corpora.schema import ColumnMapping, from_text, one_of_several, value_at
from vocabtrim_core.corpora.speaker_labels import labelled_turns
from vocabtrim_core.corpora.unrecognised import explain_unrecognised


@dataclass(frozen=True, slots=True)
class Recognition:
    """A guess which columns hold the conversation.

    Attributes:
        mapping: The guessed mapping; its shape is "" where nothing was recognised.
        sure: Whether exactly one reading of the file fits.
        candidates: Field of `ColumnMapping` and the columns that would fit it, for each field.
        notes: Remarks to show, one sentence each.
        advice: What to map or to change where nothing was recognised, as a sentence.
    """

    mapping: ColumnMapping
    sure: bool
    candidates: tuple[tuple[str, tuple[str, ...]], ...] = ()  # field of Mapping -> columns
    notes: tuple[str, ...] = ()
    advice: str = ""


def recognise(columns: Sequence[str], sample: Sequence[dict[str, Any]]) -> Recognition:
    """Guess the mapping from a file's columns and its first rows.

    Args:
        columns: Names of the columns, in the file's order.
        sample: The first rows; a row may lack columns.

    Returns:
        The guess of the first reading that fits, else one without a shape and with advice.
    """
    return _Guess(columns, sample).recognition()


class _Guess:
    """What the columns of a file hold, and the attempts to make a mapping of them."""

    def __init__(self, columns: Sequence[str], sample: Sequence[dict[str, Any]]) -> None:
        self.columns, self.sample = columns, sample
        self.rejected = columns_named(REJECTED, columns)
        columns_left = [name for name in columns if name not in self.rejected]
        self.chats = chats_among(columns_left, sample)
        self.texts = [
            name
            for name in columns_left
            if all_of_type(sample, name, str)
            and name not in self.chats
            and not IDENTITY.fullmatch(name)
        ]
        if columns_named(PROMPTS, self.texts) and columns_named(RESPONSES, self.texts):
            for name in columns_named(HISTORY, self.chats):
                del self.chats[name]
        self.lists = [name for name in columns_left if list_of_texts(sample, name)]
        self.histories = [name for name in columns_left if list_of_pairs(sample, name)]
        self.nested = find_message_paths(
            [name for name in columns_left if name not in self.chats], sample
        )
        self.base = ColumnMapping(
            domain=next((n for n in columns_named(DOMAINS, self.texts) if is_label(sample, n)), ""),
            system=first_named(SYSTEMS, [name for name in columns_left if all_text(sample, name)]),
            tools=first_named(TOOLS, columns),
        )
        self.candidates = (
            ("conversation", (*self.chats, *self.nested.chats)),
            *((f, tuple(self.texts)) for f in ("prompt", "response", "text", "domain")),
        )

    def recognition(self) -> Recognition:
        """The result of the first attempt that fits the columns."""
        attempts = (
            self._two_answers,
            self._pair_of_chats,
            self._conversation,
            self._pair,
            self._inside,
            self._pair_inside,
            self._labelled_texts,
            self._text,
        )
        guess = next(filter(None, (attempt() for attempt in attempts)), None)
        if guess is None:
            note, advice = explain_unrecognised(self.columns, self.sample, self.texts)
            guess = Recognition(ColumnMapping(), False, notes=(note,), advice=advice)
        mapping = self._instructed(guess.mapping)
        joined = {n: v for n in mapping.joined if (v := getattr(mapping, n)) in self.columns}
        marked = {name: one_of_several(column) for name, column in joined.items()}
        guess = replace(guess, mapping=replace(mapping, **marked))
        if self.rejected and guess.mapping.shape:
            names = ", ".join(f"`{name}`" for name in self.rejected)
            guess = replace(guess, notes=(*guess.notes, f"Answers in {names} are not counted."))
        return replace(guess, candidates=self.candidates)

    def _instructed(self, mapping: ColumnMapping) -> ColumnMapping:
        """The mapping, with the system message beside items of OpenAI's Responses API."""
        paths = (mapping.conversation, mapping.prompt, mapping.response)
        if mapping.system or not any(self._has_items(path) for path in paths if path):
            return mapping
        column = first_named(INSTRUCTIONS, self.texts)
        paths_beside = (self._beside(path, INSTRUCTIONS) for path in paths if "." in path)
        return replace(mapping, system=column or next(filter(None, paths_beside), ""))

    def _has_items(self, path: str) -> bool:
        return any(are_items(from_text(value_at(row, path))) for row in self.sample)

    def _mapping(self, keys: tuple[str, str] | None = None, **columns: str) -> ColumnMapping:
        role, content = keys or ("role", "content")
        return replace(self.base, role=role, content=content, **columns)

    def _two_answers(self) -> Recognition | None:
        """Arena pairs: two conversations or responses and a column that names the winner."""
        usable = {*self.chats, *self.texts, *self.lists}
        firsts = [
            name
            for name in self.columns
            if name.lower().endswith("_a") and name in usable and f"{name[:-1]}b" in usable
        ]
        bases = (*CONVERSATIONS, *RESPONSES)
        first = next((name for name in firsts if name[:-2].lower() in bases), "")
        if not first:
            return None
        pair, keys = _both(first), self.chats.get(first)
        winner = first_named(WINNERS, self.columns)
        if winner.lower().endswith("_a"):
            winner = _both(winner)
        prompt = first_named(PROMPTS, [*self.texts, *self.lists])
        if not winner or not (keys or prompt):
            field = "conversation" if keys else "response"
            prompt_option = f" prompt={prompt}" * bool(prompt and not keys)
            return Recognition(
                ColumnMapping(),
                False,
                notes=(f"`{first}` has a twin, and no column names a winner.",),
                advice=f"Map the one to read: {field}={first}{prompt_option}.",
            )
        note = (
            f"Of two answers the one that `{winner}` names is counted; rows without a winner, "
            "such as ties, are skipped."
        )
        if keys:
            mapping = self._mapping(keys, shape="conversation", conversation=pair, winner=winner)
        else:
            mapping = self._mapping(
                shape="prompt_response", prompt=prompt, response=pair, winner=winner
            )
        return Recognition(mapping, True, notes=(note,))

    def _pair_of_chats(self) -> Recognition | None:
        """A prompt and a response of which at least the response is messages or a message."""
        answers = {n: keys for n, keys in self.chats.items() if n.lower() in RESPONSES}
        answers |= {n: k for n, k in self.nested.answers.items() if n.lower() in RESPONSES}
        opened = {n: keys for n, keys in self.chats.items() if ends_open(self.sample, n, keys)}
        prompt = first_named((*CONVERSATIONS, *PROMPTS), opened) or first_named(PROMPTS, self.chats)
        texts = first_named(RESPONSES, self.texts)
        response = first_named(RESPONSES, answers)
        if opened and not response and not texts:  # logs: messages beside OpenAI's choices
            answers = self.nested.answers
            response = next(iter(answers), "")
        if not prompt and response:
            prompt = first_named(PROMPTS, self.texts)
        if prompt and (response or (prompt in self.chats and texts)) and prompt != response:
            keys = self.chats.get(prompt) or answers[response]
            mapping = self._mapping(
                keys, shape="prompt_response", prompt=prompt, response=response or texts
            )
            return self._labelled(mapping)
        return None

    def _conversation(self) -> Recognition | None:
        """One column of lists of messages, or of lists of texts by user and assistant in turn."""
        if self.chats:
            named = columns_named(CONVERSATIONS, self.chats)
            best = (named or list(self.chats))[0]
            others = ", ".join(name for name in self.chats if name != best)
            notes = (f"Also lists of messages: {others}.",) if others else ()
            mapping = self._mapping(self.chats[best], shape="conversation", conversation=best)
            return Recognition(mapping, not others or len(named) == 1, notes=notes)
        if listed := first_named(ALTERNATING, self.lists):
            note = f"The texts in `{listed}` are read as user and assistant in turn."
            mapping = self._mapping(shape="conversation", conversation=listed)
            return Recognition(mapping, True, notes=(note,))
        return None

    def _pair(self) -> Recognition | None:
        """A prompt and a response column, or tool calls in place of the response."""
        prompts = columns_named(PROMPTS, self.texts) or columns_named(PROMPTS, self.lists)
        responses = columns_named(RESPONSES, self.texts) or columns_named(RESPONSES, self.lists)
        calls = [
            name for name in columns_named(CALLS, self.columns) if list_of_calls(self.sample, name)
        ][:1]
        if not prompts or not (responses or calls):
            return None
        prompt = prompts[0]
        if prompt == "instruction" and "input" in prompts:
            prompt, prompts = "instruction+input", [p for p in prompts if p != "input"]
        mapping = self._mapping(
            shape="prompt_response",
            prompt=prompt,
            response="".join(responses[:1]),
            calls="".join(calls),
            history=first_named(HISTORY, self.histories),
        )
        others = [f"response: {', '.join(responses[1:])}"] * (len(responses) > 1)
        others += [f"prompt: {', '.join(prompts[1:])}"] * (len(prompts) > 1)
        notes = (f"Other columns would fit as {'; '.join(others)}.",) if others else ()
        if mapping.history:
            notes += (f"The turns in `{mapping.history}` come before the prompt and count too.",)
        unread = [
            n
            for n in columns_named(UNREAD, self.columns)
            if n != mapping.history and any(r.get(n) for r in self.sample)
        ]
        if unread:
            notes += (f"Text in `{'`, `'.join(unread)}` is not read and not counted.",)
        guess = self._labelled(mapping)
        return replace(guess, sure=not others, notes=(*notes, *guess.notes))

    def _labelled(self, mapping: ColumnMapping) -> Recognition:
        """The mapping of a pair; with KTO's boolean `label`, rows where it is false are skipped."""
        label = first_named(("label",), self.columns)
        if label and all_of_type(self.sample, label, bool) and not mapping.winner:
            note = f"Answers whose `{label}` is false are to be avoided: their rows are skipped."
            return Recognition(replace(mapping, winner=label), True, notes=(note,))
        return Recognition(mapping, True)

    def _inside(self) -> Recognition | None:
        """Messages inside objects: wrapped conversations, logs of requests and responses."""
        nested = self.nested
        chats = {**self.chats, **nested.chats}
        prompt, answer = next(iter(chats), ""), next(iter(nested.answers), "")
        if not prompt and not answer:
            return None
        paths = {
            field: self._beside(prompt, names)
            for field, names in (("tools", TOOLS), ("system", SYSTEMS))
        }
        extra_columns = {field: path for field, path in paths.items() if path}
        keys = chats.get(prompt) or nested.answers[answer]
        prompt = prompt or first_named(PROMPTS, self.texts)
        if not answer and prompt in chats and ends_open(self.sample, prompt, chats[prompt]):
            answer = first_named(RESPONSES, self.texts)
        if not answer:
            mapping = self._mapping(
                keys, shape="conversation", conversation=prompt, **extra_columns
            )
            return Recognition(mapping, True)
        mapping = self._mapping(
            keys, shape="prompt_response", prompt=prompt, response=answer, **extra_columns
        )
        note = "The prompts are not in this file: every answer follows an empty user turn."
        return Recognition(mapping, True, notes=() if prompt else (note,))

    def _pair_inside(self) -> Recognition | None:
        """A question and an answer, each a text in an object, as in datasets of LangSmith."""
        prompt, response = (
            next(filter(None, (self._text_in(column, names) for column in columns)), "")
            for columns, names in (
                (columns_named(INPUTS, self.columns), PROMPTS),
                (columns_named(OUTPUTS, self.columns), RESPONSES),
            )
        )
        if not prompt or not response:
            return None
        return Recognition(
            self._mapping(shape="prompt_response", prompt=prompt, response=response), True
        )

    def _text_in(self, column: str, names: Sequence[str]) -> str:
        """The path of a text in an object, by its name or because it is the only one."""
        objects = [from_text(row[column]) for row in self.sample if row.get(column) is not None]
        if not objects or not all(isinstance(inner, dict) for inner in objects):
            return ""
        keys = dict.fromkeys(key for inner in objects for key in inner)
        texts = [key for key in keys if all_of_type(objects, key, str)]
        only = texts[0] if len(texts) == 1 else ""
        return f"{column}.{name}" if (name := first_named(names, texts) or only) else ""

    def _beside(self, path: str, names: Sequence[str]) -> str:
        """The path of a filled value with one of these names in the object around the messages."""
        parent = path.rpartition(".")[0]
        values = [from_text(value_at(row, parent)) for row in self.sample if parent]
        objects = [value for value in values if isinstance(value, dict)]
        filled = dict.fromkeys(key for inner in objects for key in inner if inner[key])
        return f"{parent}.{name}" if (name := first_named(names, filled)) else ""

    def _labelled_texts(self) -> Recognition | None:
        """Texts in which a label at the beginning of a line names the speaker."""
        names = [
            name
            for name in self.texts
            if all(labelled_turns(row[name], *KEYS) for row in self.sample if row.get(name))
        ]
        if not names:
            return None
        best = (columns_named((*CONVERSATIONS, *RESPONSES, *TEXTS), names) or names)[0]
        note = f"The texts in `{best}` are cut where a line begins with a label such as USER:."
        return Recognition(
            self._mapping(shape="conversation", conversation=best), True, notes=(note,)
        )

    def _text(self) -> Recognition | None:
        """A column of rendered conversations."""
        marked = [name for name in self.texts if has_chat_marks(self.sample, name)]
        text = first_named(TEXTS, self.texts) or (marked[0] if len(marked) == 1 else "")
        if not text:
            return None
        notes = () if text in marked else (f"No chat template marks were seen in `{text}`.",)
        domain = self.base.domain if self.base.domain != text else ""
        mapping = ColumnMapping("text", text=text, domain=domain)
        return Recognition(mapping, text in marked and text in TEXTS, notes=notes)


def _both(first: str) -> str:
    """Two columns, NAME_a and NAME_b, as one field of a mapping names them."""
    return "+".join(one_of_several(name) for name in (first, f"{first[:-1]}b"))

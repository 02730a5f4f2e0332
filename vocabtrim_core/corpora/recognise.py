"""Which columns hold the conversation: the guess made from a file's first rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from vocabtrim_core.corpora.items import are_items
from vocabtrim_core.corpora.labelled import labelled_turns
from vocabtrim_core.corpora.parts import system_text
from vocabtrim_core.corpora.places import (
    CONVERSATIONS,
    HISTORY,
    KEYS,
    chats_among,
    ends_open,
    find_places,
    list_of_calls,
    list_of_pairs,
    list_of_texts,
)
from vocabtrim_core.corpora.schema import ColumnMapping, from_text, unread_because, value_at
from vocabtrim_core.corpora.seen import odd_messages
from vocabtrim_core.corpora.skips import remedy_of

# Names in order of preference; a guess is sure when exactly one of a row's columns fits.
ALTERNATING = (*CONVERSATIONS, "data")  # as UltraChat calls its lists of texts
PROMPTS = ("prompt", "instruction", "question", "query", "problem", "input", "user")
RESPONSES = ("response", "output", "answer", "completion", "chosen", "solution", "assistant")
UNREAD = (*HISTORY, "reasoning", "reasoning_content", "thinking")  # beside a prompt: said
REJECTED = ("rejected", "rejected_response", "rejected_messages", "reject")
CALLS = ("answers", "function_calls", "tool_calls", "calls")  # beside a query: xLAM
SYSTEMS = ("system", "system_prompt", "systeminstruction", "system_instruction")
INSTRUCTIONS = ("instructions",)  # beside items of OpenAI's Responses, the system message
TOOLS = ("tools", "functions", "toolconfig", "tool_config")
TEXTS = ("text",)
DOMAINS = ("domain", "category", "subject", "source", "task", "dataset")
WINNERS = ("winner", "preference", "winner_model_a")
IDENTITY = re.compile(r"(.*[_-])?(id|ids|uuid|guid|idx|index|hash|md5|sha\d*|url|timestamp)", re.I)
CHAT_MARKS = (
    "<|im_start|>",
    "<|start_header_id|>",
    "<|header_start|>",
    "<start_of_turn>",
    "[INST]",
    "<|assistant|>",
    "<\uff5cAssistant\uff5c>",
    "<|start|>",
)


@dataclass(frozen=True, slots=True)
class Recognition:
    """A guess: the mapping, whether it is sure, what else would fit, and remarks to show.

    advice: what to map, or to change, where nothing was recognised.
    """

    mapping: ColumnMapping
    sure: bool
    candidates: tuple[tuple[str, tuple[str, ...]], ...] = ()  # field of Mapping -> columns
    notes: tuple[str, ...] = ()
    advice: str = ""


def recognise(columns: Sequence[str], sample: Sequence[dict[str, Any]]) -> Recognition:
    """Guess the mapping from a file's columns and its first rows."""
    return _Guess(columns, sample).made()


class _Guess:
    """What the columns of a file hold, and the tries to make a mapping of them."""

    def __init__(self, columns: Sequence[str], sample: Sequence[dict[str, Any]]) -> None:
        self.columns, self.sample = columns, sample
        self.rejected = _fitting(REJECTED, columns)
        kept = [name for name in columns if name not in self.rejected]
        self.chats = chats_among(kept, sample)
        self.texts = [
            name
            for name in kept
            if _all(sample, name, str) and name not in self.chats and not IDENTITY.fullmatch(name)
        ]
        if _fitting(PROMPTS, self.texts) and _fitting(RESPONSES, self.texts):
            for name in _fitting(HISTORY, self.chats):
                del self.chats[name]
        self.lists = [name for name in kept if list_of_texts(sample, name)]
        self.histories = [name for name in kept if list_of_pairs(sample, name)]
        self.nested = find_places([name for name in kept if name not in self.chats], sample)
        self.base = ColumnMapping(
            domain=next((n for n in _fitting(DOMAINS, self.texts) if _is_label(sample, n)), ""),
            system=_first(SYSTEMS, [name for name in kept if _all_text(sample, name)]),
            tools=_first(TOOLS, columns),
        )
        self.candidates = (
            ("conversation", (*self.chats, *self.nested.chats)),
            *((f, tuple(self.texts)) for f in ("prompt", "response", "text", "domain")),
        )

    def made(self) -> Recognition:
        """The first try that finds something."""
        tries = (
            self._two_answers,
            self._pair_of_chats,
            self._conversation,
            self._pair,
            self._inside,
            self._labelled_texts,
            self._text,
        )
        found = next((guess for attempt in tries if (guess := attempt())), None)
        if found is None:
            found = self._nothing()
        found = replace(found, mapping=self._instructed(found.mapping))
        if self.rejected and found.mapping.shape:
            names = ", ".join(f"`{name}`" for name in self.rejected)
            found = replace(found, notes=(*found.notes, f"Answers in {names} are not counted."))
        return replace(found, candidates=self.candidates)

    def _instructed(self, mapping: ColumnMapping) -> ColumnMapping:
        """With the system message that stands beside the items of OpenAI's Responses."""
        paths = (mapping.conversation, mapping.prompt, mapping.response)
        if mapping.system or not any(self._has_items(path) for path in paths if path):
            return mapping
        named = _first(INSTRUCTIONS, self.texts)
        beside = (self._beside(path, INSTRUCTIONS) for path in paths if "." in path)
        return replace(mapping, system=named or next(filter(None, beside), ""))

    def _has_items(self, path: str) -> bool:
        return any(are_items(from_text(value_at(row, path))) for row in self.sample)

    def _mapping(self, keys: tuple[str, str] | None = None, **found: str) -> ColumnMapping:
        role, content = keys or ("role", "content")
        return replace(self.base, role=role, content=content, **found)

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
        both, keys = f"{first}+{first[:-1]}b", self.chats.get(first)
        winner = _first(WINNERS, self.columns)
        if winner.lower().endswith("_a"):
            winner = f"{winner}+{winner[:-1]}b"
        prompt = _first(PROMPTS, [*self.texts, *self.lists])
        if not winner or not (keys or prompt):
            field = "conversation" if keys else "response"
            more = f" prompt={prompt}" * bool(prompt and not keys)
            return Recognition(
                ColumnMapping(),
                False,
                notes=(f"`{first}` has a twin, and no column names a winner.",),
                advice=f"Map the one to read: {field}={first}{more}.",
            )
        note = (
            f"Of two answers the one that `{winner}` names is counted; rows without a winner, "
            "such as ties, are skipped."
        )
        if keys:
            mapping = self._mapping(keys, shape="conversation", conversation=both, winner=winner)
        else:
            mapping = self._mapping(
                shape="prompt_response", prompt=prompt, response=both, winner=winner
            )
        return Recognition(mapping, True, notes=(note,))

    def _pair_of_chats(self) -> Recognition | None:
        """A prompt and a response of which at least the response is messages or a message."""
        answers = {n: keys for n, keys in self.chats.items() if n.lower() in RESPONSES}
        answers |= {n: k for n, k in self.nested.answers.items() if n.lower() in RESPONSES}
        opened = {n: keys for n, keys in self.chats.items() if ends_open(self.sample, n, keys)}
        prompt = _first((*CONVERSATIONS, *PROMPTS), opened) or _first(PROMPTS, self.chats)
        texts = _first(RESPONSES, self.texts)
        response = _first(RESPONSES, answers)
        if opened and not response and not texts:  # logs: messages beside OpenAI's choices
            answers = self.nested.answers
            response = next(iter(answers), "")
        if not prompt and response:
            prompt = _first(PROMPTS, self.texts)
        if prompt and (response or (prompt in self.chats and texts)) and prompt != response:
            keys = self.chats.get(prompt) or answers[response]
            mapping = self._mapping(
                keys, shape="prompt_response", prompt=prompt, response=response or texts
            )
            return self._labelled(mapping)
        return None

    def _conversation(self) -> Recognition | None:
        if self.chats:
            named = _fitting(CONVERSATIONS, self.chats)
            best = (named or list(self.chats))[0]
            others = ", ".join(name for name in self.chats if name != best)
            notes = (f"Also lists of messages: {others}.",) if others else ()
            mapping = self._mapping(self.chats[best], shape="conversation", conversation=best)
            return Recognition(mapping, not others or len(named) == 1, notes=notes)
        if listed := _first(ALTERNATING, self.lists):
            note = f"The texts in `{listed}` are read as user and assistant in turn."
            mapping = self._mapping(shape="conversation", conversation=listed)
            return Recognition(mapping, True, notes=(note,))
        return None

    def _pair(self) -> Recognition | None:
        """A prompt and a response column, or tool calls in place of the response."""
        prompts = _fitting(PROMPTS, self.texts) or _fitting(PROMPTS, self.lists)
        responses = _fitting(RESPONSES, self.texts) or _fitting(RESPONSES, self.lists)
        calls = [
            name for name in _fitting(CALLS, self.columns) if list_of_calls(self.sample, name)
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
            history=_first(HISTORY, self.histories),
        )
        others = [f"response: {', '.join(responses[1:])}"] * (len(responses) > 1)
        others += [f"prompt: {', '.join(prompts[1:])}"] * (len(prompts) > 1)
        notes = (f"Other columns would fit as {'; '.join(others)}.",) if others else ()
        if mapping.history:
            notes += (f"The turns in `{mapping.history}` come before the prompt and count too.",)
        held = [
            n
            for n in _fitting(UNREAD, self.columns)
            if n != mapping.history and any(r.get(n) for r in self.sample)
        ]
        if held:
            notes += (f"Text in `{'`, `'.join(held)}` is not read and not counted.",)
        found = self._labelled(mapping)
        return replace(found, sure=not others, notes=(*notes, *found.notes))

    def _labelled(self, mapping: ColumnMapping) -> Recognition:
        """The mapping of a pair; of KTO's rows those whose label is true."""
        label = _first(("label",), self.columns)
        if label and _all(self.sample, label, bool) and not mapping.winner:
            note = f"Answers whose `{label}` is false are to be avoided: their rows are skipped."
            return Recognition(replace(mapping, winner=label), True, notes=(note,))
        return Recognition(mapping, True)

    def _inside(self) -> Recognition | None:
        """Messages inside of objects: wrapped conversations, logs of requests and responses."""
        found = self.nested
        chats = {**self.chats, **found.chats}
        prompt, answer = next(iter(chats), ""), next(iter(found.answers), "")
        if not prompt and not answer:
            return None
        beside = {
            field: self._beside(prompt, names)
            for field, names in (("tools", TOOLS), ("system", SYSTEMS))
        }
        more = {field: path for field, path in beside.items() if path}
        keys = chats.get(prompt) or found.answers[answer]
        prompt = prompt or _first(PROMPTS, self.texts)
        if not answer and prompt in chats and ends_open(self.sample, prompt, chats[prompt]):
            answer = _first(RESPONSES, self.texts)
        if not answer:
            mapping = self._mapping(keys, shape="conversation", conversation=prompt, **more)
            return Recognition(mapping, True)
        mapping = self._mapping(
            keys, shape="prompt_response", prompt=prompt, response=answer, **more
        )
        note = "The prompts are not in this file: every answer follows an empty user turn."
        return Recognition(mapping, True, notes=() if prompt else (note,))

    def _beside(self, path: str, names: Sequence[str]) -> str:
        """A value of one of these names in the object that holds the messages."""
        parent = path.rpartition(".")[0]
        objects = [from_text(value_at(row, parent)) for row in self.sample if parent]
        keys = dict.fromkeys(k for each in objects if isinstance(each, dict) for k in each)
        held = [key for key in keys if any(each.get(key) for each in objects if each)]
        return f"{parent}.{named}" if (named := _first(names, held)) else ""

    def _labelled_texts(self) -> Recognition | None:
        """Texts in which labels at the beginning of lines say who speaks."""
        names = [
            name
            for name in self.texts
            if all(labelled_turns(row[name], *KEYS) for row in self.sample if row.get(name))
        ]
        if not names:
            return None
        best = (_fitting((*CONVERSATIONS, *RESPONSES, *TEXTS), names) or names)[0]
        note = f"The texts in `{best}` are cut where a line begins with a label such as USER:."
        return Recognition(
            self._mapping(shape="conversation", conversation=best), True, notes=(note,)
        )

    def _text(self) -> Recognition | None:
        marked = [name for name in self.texts if _is_marked(self.sample, name)]
        text = _first(TEXTS, self.texts) or (marked[0] if len(marked) == 1 else "")
        if not text:
            return None
        notes = () if text in marked else (f"No chat template marks were seen in `{text}`.",)
        domain = self.base.domain if self.base.domain != text else ""
        mapping = ColumnMapping("text", text=text, domain=domain)
        return Recognition(mapping, text in marked and text in TEXTS, notes=notes)

    def _nothing(self) -> Recognition:
        prompts = _fitting(PROMPTS, self.texts)
        others = [name for name in self.texts if name not in prompts]
        odd = next(filter(None, (odd_messages(self.sample, n) for n in self.columns)), "")
        if prompts and not others:
            note, advice = (
                "There are prompts but no responses.",
                ("Answer them with the target model first, and give a file with both."),
            )
        elif why := next(filter(None, (_unread(self.sample, name) for name in self.texts)), ""):
            remedy = remedy_of(why)
            note, advice = f"{why}.", f"{remedy[:1].upper()}{remedy[1:]}."
        elif odd:
            note, advice = "No column was recognised.", f"Map the keys of its objects: {odd}."
        elif len(self.texts) > 1:
            note = "There are prompts but no responses." * bool(prompts)
            prompt = prompts[0] if prompts else self.texts[0]
            other = next(name for name in self.texts if name != prompt)
            advice = f"Map a prompt and a response, for example prompt={prompt} response={other}."
        else:
            note = "No column was recognised."
            advice = (
                'Write every row as {"messages": [{"role": "user", "content": "…"}, '
                '{"role": "assistant", "content": "…"}]}'
            )
            if self.texts:
                advice += f", or map text={self.texts[0]} if that holds rendered conversations"
            advice += "."
        return Recognition(
            ColumnMapping(), False, notes=(note or "No column was recognised.",), advice=advice
        )


def _all(sample: Sequence[dict[str, Any]], name: str, kind: type) -> bool:
    values = [row.get(name) for row in sample if row.get(name) is not None]
    return bool(values) and all(isinstance(value, kind) for value in values)


def _all_text(sample: Sequence[dict[str, Any]], name: str) -> bool:
    """Texts, parts of text, or an object that holds these."""
    values = [row[name] for row in sample if row.get(name)]
    return bool(values) and all(system_text(value) is not None for value in values)


def _is_marked(sample: Sequence[dict[str, Any]], name: str) -> bool:
    return any(mark in (row.get(name) or "") for row in sample for mark in CHAT_MARKS)


def _unread(sample: Sequence[dict[str, Any]], name: str) -> str:
    """Why texts that look like lists of messages were not read as such; "" where none does."""
    why = next(filter(None, (unread_because(row.get(name) or "") for row in sample)), "")
    return f"`{name}` {why}" if why else ""


def _is_label(sample: Sequence[dict[str, Any]], name: str) -> bool:
    """Few short values: a domain, not an id. One row is no evidence either way."""
    values = [row[name] for row in sample if row.get(name)]
    few = len(set(values)) <= max(1, len(values) // 2)
    return (
        bool(values) and all(len(v) <= 80 for v in values) and (few or name.lower() in DOMAINS[:3])
    )


def _first(names: Sequence[str], among: Any) -> str:
    return next(iter(_fitting(names, among)), "")


def _fitting(names: Sequence[str], among: Any) -> list[str]:
    """The columns that have one of the names, in any case, most preferred first."""
    return [column for name in names for column in among if column.lower() == name]

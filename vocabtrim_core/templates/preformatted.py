"""Assistant turns in text that was rendered before, found by the template's markers alone.

A turn begins after the text that opens an answer and ends with the first stop token, or where
another role begins. A stop token that the template writes only inside a conversation (Harmony's
<|end|> after reasoning) does not stop the model when its own next message follows at once, so such
a turn goes on.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from vocabtrim_core.templates.spans import any_of
from vocabtrim_core.templates.turns import Turn, turn_with_stop


@dataclass(frozen=True, slots=True)
class Markers:
    """The strings around turns.

    Attributes:
        headers: Texts that open an answer.
        stops: Stop tokens.
        soft: Stop tokens that do not stop the model when a header follows.
        roles: Texts that open a turn of any role.
        specials: Texts of special tokens, one of which may be a stop token that the template writes
            only with other settings.
        answer: Text with which a plain answer begins after its header (Harmony: its channel); such
            an answer ends with any stop token.
        results: Texts that close the result of a tool; a turn without a header may begin there
            (DeepSeek V3: a second call).
        trailer: Text after every conversation.
    """

    headers: tuple[str, ...]
    stops: tuple[str, ...]
    soft: tuple[str, ...]
    roles: tuple[str, ...]
    specials: tuple[str, ...]
    answer: str = ""
    results: tuple[str, ...] = ()
    trailer: str = ""

    def turns(self, text: str) -> list[Turn]:
        """The assistant turns of a rendered text.

        Args:
            text: The text.

        Returns:
            The turns, in order, each with message -1.
        """
        turns: list[Turn] = []
        start: int | None = None
        after_header = 0  # position after the last header
        after_result: int | None = None  # after the last result, if nothing was opened since
        text = text.removesuffix(self.trailer)

        def close(begin: int, tail: int) -> None:
            turn = turn_with_stop(text, -1, begin, tail, self.stops)
            if turn.stop == turn.end and (last := self._special_at_end(text, begin, tail)):
                turn = turn._replace(stop=last[0], end=last[1])
            turns.append(turn)

        for match in _pattern(self).finditer(text):
            marker = match[0]
            if start is None:
                if marker in self.headers:
                    start, after_header, after_result = match.end(), match.end(), None
                elif marker in self.results:
                    after_result = match.end()
                elif marker in self.roles:
                    after_result = None
                elif after_result is not None and marker not in self.soft:
                    close(after_result, match.end() + text.startswith("\n", match.end()))
                    after_result = None
            elif marker in self.stops and marker not in self.soft:
                close(start, match.end() + text.startswith("\n", match.end()))
                start = None
            elif marker in self.headers:
                goes_on = text[after_header : match.start()].rstrip().endswith(self.soft or ("\0",))
                if not goes_on or (self.answer and text.startswith(self.answer, after_header)):
                    close(start, match.start())
                    start = match.end()
                after_header = match.end()
            elif marker in self.roles:
                close(start, match.start())
                start = None
        if start is not None:
            close(start, len(text))
        return turns

    def unread_headers(self, text: str) -> int:
        """Count the places where an answer's header stands without the white space at its end.

        Such a turn is not found: another program wrote it, with a name after the role or with other
        line ends.

        Args:
            text: The text.

        Returns:
            Their number.
        """
        bare = tuple(header.rstrip() for header in self.headers)
        if bare == self.headers:
            return 0
        places = (match.start() for match in _bare_pattern(bare).finditer(text))
        return sum(not text.startswith(self.headers, at) for at in places)

    def without_header(self, text: str) -> int:
        """Count the stop tokens behind text that no header opens, of an answer or another role.

        So ends an answer as a model generates it (Harmony: <|channel|>final…), and a turn of a role
        that the chat template does not know.

        Args:
            text: The text.

        Returns:
            Their number.
        """
        count, since, opened_by = 0, 0, ""
        for match in _pattern(self).finditer(text.removesuffix(self.trailer)):
            marker, openers = match[0], (*self.headers, *self.results)
            if marker in openers or marker in self.roles:
                opened_by = marker
            elif not opened_by:
                count += bool(text[since : match.start()].strip())
            elif marker not in self.soft or opened_by not in openers:
                opened_by = ""
            since = match.end()
        return count

    def _special_at_end(self, text: str, start: int, tail: int) -> tuple[int, int] | None:
        """Where a special token ends a turn that has no known stop token."""
        end = start + len(text[start:tail].rstrip())
        token = next((t for t in self.specials if text.endswith(t, start, end)), None)
        return (end - len(token), end) if token else None


@functools.lru_cache
def _pattern(markers: Markers) -> re.Pattern[str]:
    units = (*markers.headers, *markers.stops, *markers.roles, *markers.results)
    return re.compile(any_of(units) or "(?!)")


@functools.lru_cache
def _bare_pattern(headers: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(any_of(headers) or "(?!)")

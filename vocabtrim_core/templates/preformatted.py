"""Turns in text that was rendered before: by the template's own markers alone.

A turn begins behind the text that opens an answer and ends with the first stop token, or where
another role begins. A stop token that the template writes only inside a conversation (Harmony's
<|end|> behind a thought) does not stop the model when its own next message follows at once, so such
a turn goes on.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from vocabtrim_core.templates.spans import any_of
from vocabtrim_core.templates.turns import Turn, ended


@dataclass(frozen=True, slots=True)
class Markers:
    """The strings around turns.

    headers: open an answer.  stops: stop tokens.  soft: of these, those that do not stop the model
    when a header follows.  roles: open a turn of any role.  specials: texts of special tokens, one
    of which may be a stop token that only other settings of the template write.
    answer: what a plain answer begins with behind its header (Harmony: its channel): it has stopped
    with any stop token.  results: close the result of a tool; a turn that no header opens may begin
    there (DeepSeek V3: a second call).  trailer: stands behind every conversation.
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
        """The assistant turns of a rendered text, in order."""
        found: list[Turn] = []
        start: int | None = None
        said = 0  # behind the last header
        behind: int | None = None  # the last result, where nothing else was opened since
        text = text.removesuffix(self.trailer)

        def close(begin: int, tail: int) -> None:
            turn = ended(text, -1, begin, tail, self.stops)
            if turn.stop == turn.end and (last := self._special_at_end(text, begin, tail)):
                turn = turn._replace(stop=last[0], end=last[1])
            found.append(turn)

        for match in _pattern(self).finditer(text):
            what = match[0]
            if start is None:
                if what in self.headers:
                    start, said, behind = match.end(), match.end(), None
                elif what in self.results:
                    behind = match.end()
                elif what in self.roles:
                    behind = None
                elif behind is not None and what not in self.soft:
                    close(behind, match.end() + text.startswith("\n", match.end()))
                    behind = None
            elif what in self.stops and what not in self.soft:
                close(start, match.end() + text.startswith("\n", match.end()))
                start = None
            elif what in self.headers:
                goes_on = text[said : match.start()].rstrip().endswith(self.soft or ("\0",))
                if not goes_on or (self.answer and text.startswith(self.answer, said)):
                    close(start, match.start())
                    start = match.end()
                said = match.end()
            elif what in self.roles:
                close(start, match.start())
                start = None
        if start is not None:
            close(start, len(text))
        return found

    def _special_at_end(self, text: str, start: int, tail: int) -> tuple[int, int] | None:
        """Where a special token ends a turn that has no known stop token."""
        end = start + len(text[start:tail].rstrip())
        token = next((t for t in self.specials if text.endswith(t, start, end)), None)
        return (end - len(token), end) if token else None


@functools.lru_cache
def _pattern(markers: Markers) -> re.Pattern[str]:
    units = (*markers.headers, *markers.stops, *markers.roles, *markers.results)
    return re.compile(any_of(units) or "(?!)")

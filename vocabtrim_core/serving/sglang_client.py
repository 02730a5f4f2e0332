"""SGLang servers that run somewhere already, one per configuration, attached by their URLs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.configurations import NO_SPECULATION, asked_k, told_apart
from vocabtrim_core.serving.engine import EngineError, Generation, Prompt
from vocabtrim_core.serving.measurement import Answer, Configuration
from vocabtrim_core.serving.sglang_http import STALL_SECONDS, SglangHttp, checked_url
from vocabtrim_core.serving.sglang_server_info import (
    RECORDED,
    Served,
    Value,
    differences,
    draft_size,
    read,
    shared_arguments,
)


class SglangServers:
    """Servers by URL; see `Attached`. Asked on creation what they are.

    urls: (name, URL) each; a name that is a number is the k its draft should have, any other one
    is the configuration's label, and "" asks for a label by what the server says.
    drafts: folders of the same drafts, where those the servers name cannot be read here.
    target: what they should serve, "" for whatever it is.  headers: sent, never recorded.
    insist: compare servers that differ, with a note. A server that does not answer fails its runs;
    InputError when none does, when they differ, or when a draft has another k than it should.
    """

    alternates = True

    def __init__(
        self,
        urls: Sequence[tuple[str, str]],
        *,
        drafts: Sequence[str | Path] = (),
        target: str = "",
        vocab_size: int | None = None,
        toy: bool = False,
        headers: Mapping[str, str] | None = None,
        stall: float = STALL_SECONDS,
        insist: bool = False,
    ) -> None:
        if not urls:
            raise InputError("Give the URL of at least one server.")
        addresses = [checked_url(url) for _, url in urls]
        if len(set(addresses)) < len(addresses):
            raise InputError("The same server was given twice; give each URL once.")
        self.vocab_size, self.toy = vocab_size, toy
        self._servers = [SglangHttp(url, headers=headers, stall=stall) for url in addresses]
        served = [self._ask(server) for server in self._servers]
        self._served = [each for each in served if isinstance(each, Served)]
        if not self._served:
            raise InputError(f"No server can be measured: {served[0]}")
        self._notes = _refusals(self._served, target, insist)
        self.configurations = tuple(
            self._configuration(name, server, each, drafts, insist)
            for (name, _), server, each in zip(urls, self._servers, served, strict=True)
        )
        self.configurations = told_apart(self.configurations)
        labels = (each.label for each in self.configurations)
        self._at = dict(zip(labels, zip(self._servers, served, strict=True), strict=True))
        self._now: tuple[SglangHttp, Served] | None = None
        self._first: dict[tuple[Prompt, Generation], bytes] = {}
        self._compared = self._differed = 0
        self._silent: set[str] = set()  # servers that speculate without counting

    @staticmethod
    def _ask(server: SglangHttp) -> Served | EngineError:
        try:
            return read(server)
        except EngineError as error:
            return error

    def _configuration(
        self,
        name: str,
        server: SglangHttp,
        served: Served | EngineError,
        drafts: Sequence[str | Path],
        insist: bool,
    ) -> Configuration:
        told = asked_k(name, self.vocab_size)
        if isinstance(served, EngineError):  # its runs will fail and say why
            label = name if name and told is None else ""
            return Configuration(label or (f"{told:,}" if told else server.url), told, server.url)
        if not served.algorithm:
            if told is not None:
                raise InputError(
                    f"{server.url} serves without a draft, but k = {told:,} was asked for there."
                )
            return Configuration(name or NO_SPECULATION)
        k = served.draft_vocab_size or _size_of(served.draft, drafts)
        if told is not None and k is not None and told != k:
            sentence = (
                f"{server.url} drafts {k:,} tokens (its draft is {served.draft}), but k = "
                f"{told:,} was asked for there."
            )
            if not insist:
                raise InputError(sentence)
            self._notes.append(sentence)
        k = k or told
        if k is None:
            self._notes.append(
                f"How many tokens {served.draft} at {server.url} drafts is not known; give its "
                "URL as K=URL, or its folder with --draft."
            )
        label = (
            name if name and told is None else f"{k:,}" if k else PurePosixPath(served.draft).name
        )
        return Configuration(
            label, k, served.draft or server.url, served.steps, served.topk, served.draft_tokens
        )

    # --- as an attached engine ---------------------------------------------------------------

    @property
    def target(self) -> str:
        """The model as the servers call it."""
        return self._served[0].target

    @property
    def tokenizer(self) -> str:
        """Path or id of the tokenizer the servers use."""
        return self._served[0].tokenizer

    @property
    def label(self) -> str:
        return f"SGLang {self.versions['sglang']}"

    @property
    def device(self) -> str:
        hosts = dict.fromkeys(urlsplit(each.url).hostname or "" for each in self._served)
        return f"{self._served[0].arguments.get('device') or 'GPU'} of {', '.join(hosts)}"

    @property
    def versions(self) -> Mapping[str, str]:
        return {"sglang": ", ".join(dict.fromkeys(each.version for each in self._served))}

    @property
    def settings(self) -> Mapping[str, Value]:
        """Launch arguments that all servers share."""
        return shared_arguments(self._served)[0]

    @property
    def notes(self) -> tuple[str, ...]:
        notes = list(self._notes)
        if other := shared_arguments(self._served)[1]:
            notes.append(f"The servers were launched with different values of {', '.join(other)}.")
        versions = self.versions["sglang"]
        if ", " in versions:
            notes.append(f"The servers run different versions of SGLang: {versions}.")
        elif versions != RECORDED:
            notes.append(f"The protocol is that of SGLang {RECORDED}; the servers say {versions}.")
        notes += [
            f"{url} speculates, but does not count verifications, so its acceptance length is not "
            "known."
            for url in sorted(self._silent)
        ]
        if self._compared:
            notes.append(
                f"{self._differed:,} of {self._compared:,} repeated answers differ from the same "
                "prompt's first; greedy answers can, where two tokens are nearly tied."
            )
        return tuple(notes)

    def use(self, configuration: Configuration, concurrency: int) -> None:
        """Check that the server is there and still the one that was asked."""
        server, known = self._at[configuration.label]
        now = read(server)
        if isinstance(known, Served) and now != known:
            raise EngineError(f"{server.url} was restarted with other settings meanwhile.")
        if isinstance(known, EngineError):
            raise EngineError(f"{known} It answers now: measure again.")
        self._now = server, now

    def flush(self) -> None:
        self._ready()[0].flush()

    def answer(
        self,
        prompts: Sequence[Prompt],
        generation: Generation,
        concurrency: int,
        check: Callable[[], None],
    ) -> tuple[list[Answer], float]:
        server, served = self._ready()
        answers, seconds = server.answer(prompts, generation, concurrency, check)
        if served.algorithm and all(a.verified is None for a in answers if a.tokens > 1):
            self._silent.add(server.url)
        for asked, digest in server.said.items():
            first = self._first.setdefault(asked, digest)
            if first is not digest:
                self._compared += 1
                self._differed += first != digest
        server.said.clear()
        return answers, seconds

    def _ready(self) -> tuple[SglangHttp, Served]:
        if self._now is None:
            raise EngineError("No configuration is in use; call `use` first.")
        return self._now

    def close(self) -> None:
        """Close the connections; the servers go on."""
        for server in self._servers:
            server.close()


def _refusals(served: Sequence[Served], target: str, insist: bool) -> list[str]:
    """Why the servers should not be compared, as notes; InputError unless the user insists."""
    found = differences(served)
    asked, serves = PurePosixPath(target).name, PurePosixPath(served[0].target).name
    if target and asked.lower() != serves.lower():
        found.insert(0, f"{served[0].url} serves {served[0].target}, but the target is {target}.")
    if found and not insist:
        raise InputError(f"{found[0]} Insist (--insist) to compare them all the same.")
    return found


def _size_of(draft: str, drafts: Sequence[str | Path]) -> int | None:
    """k by the draft's config.json, on this machine under its own path or among `drafts`."""
    same = [path for path in drafts if Path(path).name == PurePosixPath(draft).name]
    sizes = (draft_size(path) for path in (draft, *same) if path)
    return next((size for size in sizes if size), None)

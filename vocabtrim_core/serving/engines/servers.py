"""Servers that already run, one per configuration, given by their URLs; of any engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from vocabtrim_core.errors import InputError
from vocabtrim_core.server_addresses import checked_url
from vocabtrim_core.serving.configurations import (
    NO_SPECULATION,
    draft_size,
    parse_k,
    with_unique_labels,
)
from vocabtrim_core.serving.engine import EngineError, Generation, Prompt
from vocabtrim_core.serving.engines.connection import STALL_SECONDS
from vocabtrim_core.serving.engines.http import EngineHttp
from vocabtrim_core.serving.engines.identify import CLIENTS, connect
from vocabtrim_core.serving.engines.repeated import RepeatedAnswers
from vocabtrim_core.serving.engines.served import Served, Value, differences, shared_arguments
from vocabtrim_core.serving.measurement import Answer, Configuration, Counted
from vocabtrim_core.wording import listed


class Servers:
    """Servers by URL, as an `Attached` engine. Their settings are read on creation.

    The runs on a server that does not answer fail; the other servers are measured.

    Args:
        urls: (name, URL) of each server. A name that is a number is the k of its draft, any other
            name is the configuration's label; "" takes the label from the server's settings.
        engine: The engine that they must be, None for any.
        drafts: Local folders of the servers' drafts, for their sizes.
        target: Name or path of the target that they must serve, "" for any.
        vocab_size: V of the target, None where unknown.
        headers: HTTP headers of every request; never recorded.
        stall: Seconds without a byte after which a request fails.
        insist: Whether differences between the servers are noted instead of refused.
        across_engines: Whether servers of different engines may be compared.

    Attributes:
        configurations: One for each server, with unique labels.

    Raises:
        InputError: No server answers, servers differ, a draft has another k than it should, or a
            URL is not valid or given twice.
    """

    alternates = True

    def __init__(
        self,
        urls: Sequence[tuple[str, str]],
        *,
        engine: str | None = None,
        drafts: Sequence[str | Path] = (),
        target: str = "",
        vocab_size: int | None = None,
        headers: Mapping[str, str] | None = None,
        stall: float = STALL_SECONDS,
        insist: bool = False,
        across_engines: bool = False,
    ) -> None:
        if not urls:
            raise InputError("Give the URL of at least one server.")
        addresses = [checked_url(url) for _, url in urls]
        if len(set(addresses)) < len(addresses):
            raise InputError("The same server was given twice; give each URL once.")
        self.vocab_size = vocab_size
        self._servers = [
            connect(url, engine=engine, headers=headers, stall=stall) for url in addresses
        ]
        served = [self._read(server) for server in self._servers]
        self._served = [settings for settings in served if isinstance(settings, Served)]
        if not self._served:
            raise InputError(f"No server can be measured: {served[0]}")
        self._notes = _refusals(self._served, target, insist, across_engines)
        self.configurations = tuple(
            self._configuration(name, server, settings, drafts, insist)
            for (name, _), server, settings in zip(urls, self._servers, served, strict=True)
        )
        self.configurations = with_unique_labels(self.configurations)
        labels = (configuration.label for configuration in self.configurations)
        self._by_label = dict(zip(labels, zip(self._servers, served, strict=True), strict=True))
        self._in_use: tuple[EngineHttp, Served] | None = None
        self._repeated = RepeatedAnswers()
        self._uncounted: set[str] = set()  # servers that do not report verifications

    @staticmethod
    def _read(server: EngineHttp) -> Served | EngineError:
        try:
            return server.read()
        except EngineError as error:
            return error

    def _configuration(
        self,
        name: str,
        server: EngineHttp,
        served: Served | EngineError,
        drafts: Sequence[str | Path],
        insist: bool,
    ) -> Configuration:
        named_k = parse_k(name, self.vocab_size)
        if isinstance(served, EngineError):  # its runs will fail with this error
            label = name if name and named_k is None else ""
            return Configuration(
                label or (f"{named_k:,}" if named_k else server.url), named_k, server.url
            )
        if not served.algorithm:
            if named_k is not None:
                raise InputError(
                    f"{server.url} serves without a draft, but k = {named_k:,} was asked for there."
                )
            return Configuration(name or NO_SPECULATION)
        k = served.draft_vocab_size or _size_of(served.draft, drafts)
        draft = served.draft or server.url
        if named_k is not None and k is not None and named_k != k:
            sentence = (
                f"{server.url} drafts {k:,} tokens (its draft is {draft}), but k = "
                f"{named_k:,} was asked for there."
            )
            if not insist:
                raise InputError(sentence)
            self._notes.append(sentence)
        k = k or named_k
        if k is None:
            self._notes.append(
                f"How many tokens {served.draft or 'the draft'} at {server.url} drafts is not "
                "known; give its URL as K=URL, or its folder with --draft."
            )
        label = name if name and named_k is None else f"{k:,}" if k else PurePosixPath(draft).name
        return Configuration(label, k, draft, served.steps, served.topk, served.draft_tokens)

    # --- as an attached engine ---------------------------------------------------------------

    @property
    def target(self) -> str:
        """Name or path of the target, as the servers report it."""
        return self._served[0].target

    @property
    def tokenizer(self) -> str:
        """Path or id of the tokenizer that the servers use."""
        return self._served[0].tokenizer

    @property
    def label(self) -> str:
        """See `Attached.label`."""
        return listed([f"{title} {versions}" for title, versions in self._versions().items()])

    @property
    def device(self) -> str:
        """Kind of device and the hosts of the servers."""
        hosts = dict.fromkeys(urlsplit(served.url).hostname or "" for served in self._served)
        names = ("device", "device_type")
        told = (self._served[0].arguments.get(name) for name in names)
        return f"{next(filter(None, told), 'a device')} of {', '.join(hosts)}"

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions of each engine, as {"sglang": "A, B"}."""
        names = {client.title: name for name, client in CLIENTS.items()}
        return {names[title]: versions for title, versions in self._versions().items()}

    def _versions(self) -> Mapping[str, str]:
        titles = dict.fromkeys(served.engine for served in self._served)
        return {
            title: ", ".join(dict.fromkeys(s.version for s in self._served if s.engine == title))
            for title in titles
        }

    @property
    def settings(self) -> Mapping[str, Value]:
        """Launch arguments that all servers share, by name."""
        return shared_arguments(self._served)[0]

    @property
    def notes(self) -> tuple[str, ...]:
        """See `Attached.notes`."""
        notes = list(self._notes)
        if names := shared_arguments(self._served)[1]:
            notes.append(f"The servers were launched with different values of {', '.join(names)}.")
        recorded = {client.title: client.recorded for client in CLIENTS.values()}
        for title, versions in self._versions().items():
            if ", " in versions:
                notes.append(f"The servers run different versions of {title}: {versions}.")
            elif recorded[title] and versions not in recorded[title]:
                notes.append(
                    f"The protocol is that of {title} {listed(recorded[title])}; the servers say "
                    f"{versions}."
                )
        notes += [note for server in self._servers for note in server.notes]
        notes += [
            f"{url} speculates, but does not count verifications, so its acceptance length is not "
            "known."
            for url in sorted(self._uncounted)
        ]
        return *notes, *self._repeated.notes()

    @property
    def answered(self) -> int:
        """See `Attached.answered`."""
        return self._in_use[0].answered if self._in_use else 0

    def use(self, configuration: Configuration, concurrency: int) -> None:
        """Check that the server answers and has the same settings as before.

        Args:
            configuration: One of `configurations`.
            concurrency: Unused; see `Attached.use`.

        Raises:
            EngineError: It does not answer, or has other settings now.
        """
        server, earlier = self._by_label[configuration.label]
        served = server.read()
        if isinstance(earlier, Served) and served != earlier:
            raise EngineError(f"{server.url} was restarted with other settings meanwhile.")
        if isinstance(earlier, EngineError):
            raise EngineError(f"{earlier} It answers now: measure again.")
        self._in_use = server, served

    def flush(self) -> None:
        """See `Attached.flush`."""
        self._ready()[0].flush()

    def answer(
        self,
        prompts: Sequence[Prompt],
        generation: Generation,
        concurrency: int,
        check: Callable[[], None],
    ) -> tuple[list[Answer], float]:
        """See `Attached.answer`."""
        server, served = self._ready()
        answers, seconds = server.answer(prompts, generation, concurrency, check)
        counts = [server.counted().verified, *(a.verified for a in answers if a.tokens > 1)]
        if served.algorithm and all(count is None for count in counts):
            self._uncounted.add(server.url)
        self._repeated.add(server)
        return answers, seconds

    def counted(self) -> Counted:
        """See `Attached.counted`."""
        return self._ready()[0].counted()

    def _ready(self) -> tuple[EngineHttp, Served]:
        if self._in_use is None:
            raise EngineError("No configuration is in use; call `use` first.")
        return self._in_use

    def close(self) -> None:
        """Close the connections; the servers keep running."""
        for server in self._servers:
            server.close()


def _refusals(
    served: Sequence[Served], target: str, insist: bool, across_engines: bool
) -> list[str]:
    """Reasons not to compare the servers, as notes; InputError for the first unless `insist`."""
    engines = dict.fromkeys(settings.engine for settings in served)
    if len(engines) > 1 and not across_engines:
        raise InputError(
            f"The servers are of different engines ({listed(list(engines))}), whose times and "
            "kernels differ by more than the draft; compare them all the same with "
            "--across-engines."
        )
    reasons = differences(served)
    expected, actual = PurePosixPath(target).name, PurePosixPath(served[0].target).name
    if target and expected.lower() != actual.lower():
        reasons.insert(0, f"{served[0].url} serves {served[0].target}, but the target is {target}.")
    if reasons and not insist:
        raise InputError(f"{reasons[0]} Insist (--insist) to compare them all the same.")
    return reasons


def _size_of(draft: str, drafts: Sequence[str | Path]) -> int | None:
    """k from the draft's config.json: at its own path, or in a folder of the same name."""
    same_name = [path for path in drafts if Path(path).name == PurePosixPath(draft).name]
    sizes = (draft_size(path) for path in (draft, *same_name) if path)
    return next((size for size in sizes if size), None)

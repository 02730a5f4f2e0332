"""A tokenizer from a preset, a folder, a tokenizer.json or a hub id; remote code never runs.

Everything is built from tokenizer.json alone. V is the model's own vocabulary size (`config.json`),
because that is the number of rows of its LM head and of every exported mapping.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocabtrim_core import json_text
from vocabtrim_core.errors import InputError, rust_panics
from vocabtrim_core.model_config import CONFIG
from vocabtrim_core.tokenizers import files as files
from vocabtrim_core.tokenizers import text as token_text
from vocabtrim_core.tokenizers.presets import PRESETS, Preset
from vocabtrim_core.tokenizers.vocab_size import RequestedSize, VocabSize

if TYPE_CHECKING:
    import tokenizers
    from transformers import PreTrainedTokenizerFast

__all__ = ["PRESETS", "Preset", "Tokenizer", "load_tokenizer"]

PACKED = "zstd"  # compression of a tokenizer.json in memory
TRIAL = "Caf\u00e9 42!\n\t\u4e2d\u6587 \U0001f600"  # a tokenizer that fails on this is not usable
NEW_LINE = "\n"
HUB_FILES = [
    "tokenizer.json",
    "tokenizer_config.json",
    "config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "chat_template.json",
    "additional_chat_templates/*.jinja",
    "generation_config.json",
    "LICENSE*",
    "README.md",
]


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """A tokenizer, with what is known about its model. Compared and hashed by content.

    Attributes:
        name: A short name for people.
        source: Where it was read from: preset name, path, or hub id with its commit.
        licence: The licence of the model, as far as its files say.
        vocab_size: V.
        specials: Id -> text of the special tokens.
        special_tokens: Role (`bos_token`, …) -> text, for chat templates.
        chat_template: The Jinja template of conversations; None where the model has none.
        fingerprint: Hex sha256 of `json`.
        tool_template: The template of conversations with tools, where it is another one.
        stop_tokens: Texts of the tokens that end generation.
        warnings: Sentences for the user.
        vocab_size_from: Where V comes from, one of the constants of `vocab_size`.
    """

    name: str
    source: str
    licence: str = field(compare=False)
    vocab_size: int
    specials: dict[int, str] = field(repr=False, compare=False)
    special_tokens: dict[str, str] = field(repr=False, hash=False)
    chat_template: str | None = field(repr=False)
    fingerprint: str
    tool_template: str | None = field(default=None, repr=False)
    stop_tokens: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=(), compare=False)
    vocab_size_from: str = field(default="", compare=False)
    _cache: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def backend(self) -> tokenizers.Tokenizer:
        """HF tokenizer of the text alone: no truncation, padding, or tokens of a post-processor.

        Without a post-processor, offsets refer to the text as given, blanks included.
        """
        return self._cache["backend"]

    @property
    def json(self) -> str:
        """Text of tokenizer.json; held compressed, since it can take 20 MB and is rarely read."""
        import pyarrow as pa

        packed, length = self._cache["json"]
        return pa.decompress(packed, length, PACKED, asbytes=True).decode()

    @property
    def hf(self) -> PreTrainedTokenizerFast:
        """The transformers tokenizer, with this chat template."""
        if "hf" not in self._cache:
            from transformers import PreTrainedTokenizerFast

            self._cache["hf"] = PreTrainedTokenizerFast(
                tokenizer_object=_parse(self.json, self.source),
                chat_template=self.chat_template,
                clean_up_tokenization_spaces=False,
                **self.special_tokens,
            )
        return self._cache["hf"]

    def ids(self, text: str) -> list[int]:
        """Return the token ids of a text, without any added tokens."""
        return self.backend.encode(text, add_special_tokens=False).ids

    def pieces(self, text: str) -> list[tuple[str, int]]:
        """Split a text into the pieces that its tokens stand for; the pieces join to the text.

        Args:
            text: Any text.

        Returns:
            (piece, id) per token. Where several ids make up one character the first has it and the
            others have ""; text that the tokenizer drops (a normalizer may) joins the next token.
        """
        encoding = self.backend.encode(text, add_special_tokens=False)
        pieces, done = [], 0
        for id_, (_, end) in zip(encoding.ids, encoding.offsets, strict=True):
            pieces.append((text[done:end], id_))
            done = max(done, end)
        if pieces and done < len(text):
            pieces[-1] = (pieces[-1][0] + text[done:], pieces[-1][1])
        return pieces

    def token(self, i: int) -> str:
        """Return the display text of one id, as `tokens` does."""
        return self.tokens([i])[0]

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """Return the display text of each id.

        Args:
            ids: Token ids, 0 or more.

        Returns:
            The text of each; bytes as <0xE2 0x96> where they are not UTF-8, and <id 151700> where
            an id has no token (V is often padded).
        """
        if "table" not in self._cache:
            added = {i: t.content for i, t in self.backend.get_added_tokens_decoder().items()}
            byte_level = "ByteLevel" in repr(self.backend.decoder)
            self._cache["table"] = added, token_text.byte_of_letter() if byte_level else None
        added, bytes_of = self._cache["table"]
        return [token_text.display(i, self.backend, added, bytes_of) for i in map(int, ids)]


def load_tokenizer(
    spec: str | Path,
    *,
    revision: str | None = None,
    config: str | Path | None = None,
    vocab_size: int | None = None,
) -> Tokenizer:
    """Load a tokenizer by preset name, folder, path of a tokenizer.json, or hub id (`org/name`).

    Args:
        spec: The name, path or id; presets come first, then paths that exist.
        revision: Branch, tag or commit of a hub id.
        config: A config.json to take V from, instead of the one beside the tokenizer.
        vocab_size: V itself, instead of any config's; excludes `config`.

    Returns:
        The tokenizer.

    Raises:
        InputError: There is no such tokenizer, a file of it is unusable, it cannot be downloaded,
            or V is given twice or does not fit.
    """
    if config is not None and vocab_size is not None:
        raise InputError("V is given twice, as a config.json and as a number; give one of them.")
    text = str(spec)
    size = RequestedSize(config, vocab_size)
    if text in PRESETS:
        return _preset(PRESETS[text], size)
    path = Path(text).expanduser()
    if path.is_dir():
        if not (path / "tokenizer.json").is_file():
            raise InputError(
                f"The folder {path} has no tokenizer.json; save the model's fast tokenizer there "
                "(`AutoTokenizer.from_pretrained(…).save_pretrained(folder)`)."
            )
        return _from_files(path / "tokenizer.json", path.resolve().name, str(path), size)
    if path.is_file():
        name = path.resolve().parent.name if path.name == "tokenizer.json" else path.stem
        return _from_files(path, name, str(path), size)
    if isinstance(spec, str) and re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", text):
        return _from_hub(text, revision, size)
    raise InputError(
        f"There is no tokenizer {text}: give a preset ({', '.join(PRESETS)}), a folder or file "
        "that exists, or a hub id such as Qwen/Qwen3-8B."
    )


# --- sources ------------------------------------------------------------------------------------


def _preset(preset: Preset, given: RequestedSize) -> Tokenizer:
    return _tokenizer(
        preset.build(),
        name=preset.name,
        source=preset.name,
        licence=preset.licence,
        special_tokens=preset.special_tokens,
        templates={"default": preset.template()},
        size=lambda backend: given.of(backend, preset.name, preset=preset.vocab_size),
    )


def _from_files(file: Path, name: str, source: str, given: RequestedSize) -> Tokenizer:
    """Build a tokenizer from tokenizer.json and the files beside it."""
    folder = file.parent
    config = files.read_object(folder / "tokenizer_config.json")
    return _tokenizer(
        files.read_text(file),
        name=name,
        source=source,
        licence=files.licence(folder),
        special_tokens=files.special_tokens(folder, config),
        templates=files.chat_templates(folder, config),
        folder=folder,
        size=lambda backend: given.of(backend, source, beside=folder / CONFIG),
    )


def _from_hub(repo: str, revision: str | None, given: RequestedSize) -> Tokenizer:
    """Download the few small files of a hub repository into the hub cache; none is executed."""
    from huggingface_hub import errors as hub
    from huggingface_hub import snapshot_download

    where = f"{repo}@{revision}" if revision else repo
    try:
        folder = Path(snapshot_download(repo, revision=revision, allow_patterns=HUB_FILES))
    except hub.GatedRepoError:
        reason = "is gated; accept its licence on the hub and run `hf auth login`"
    except hub.RevisionNotFoundError:
        reason = "has no such revision; give a branch, tag or commit of it"
    except hub.RepositoryNotFoundError:
        reason = "does not exist on the hub, or is private; check the name, or run `hf auth login`"
    except Exception as error:
        offline = isinstance(error, hub.LocalEntryNotFoundError | ConnectionError)
        cause = "no connection to the hub" if offline else str(error).partition("\n")[0].rstrip(".")
        reason = (
            f"cannot be downloaded: {cause}; check the internet connection, or give a folder that "
        )
        reason += "holds the model's tokenizer.json"
    else:
        if not (folder / "tokenizer.json").is_file():
            raise InputError(
                f"The hub model {where} has no tokenizer.json; only fast tokenizers can be read."
            )
        return _from_files(folder / "tokenizer.json", repo, f"{repo}@{folder.name}", given)
    raise InputError(f"The hub model {where} {reason}.")


# --- building -----------------------------------------------------------------------------------


def _tokenizer(
    text: str,
    *,
    name: str,
    source: str,
    licence: str,
    special_tokens: dict[str, str],
    templates: dict[str, str],
    size: Callable[[tokenizers.Tokenizer], VocabSize],
    folder: Path | None = None,
) -> Tokenizer:
    """Build a Tokenizer from the text of tokenizer.json and what is known about the model."""
    import pyarrow as pa

    backend, raw = _backend(text, source), text.encode()
    packed = pa.compress(raw, PACKED, asbytes=True)
    warnings: list[str] = []
    present = {role: t for role, t in special_tokens.items() if backend.token_to_id(t) is not None}
    if missing := sorted(set(special_tokens.values()) - set(present.values())):
        warnings.append(
            f"{', '.join(missing)}: named as special tokens, but not in tokenizer.json; left out."
        )
    eos_texts = [present["eos_token"]] if "eos_token" in present else []
    stops = files.stop_tokens(folder, backend) if folder else ()
    vocab_size = size(backend)
    return Tokenizer(
        name=name,
        source=source,
        licence=licence,
        vocab_size=vocab_size.size,
        vocab_size_from=vocab_size.origin,
        specials={
            i: token.content
            for i, token in sorted(backend.get_added_tokens_decoder().items())
            if token.special
        },
        special_tokens=present,
        chat_template=templates.get("default", next(iter(templates.values()), None)),
        tool_template=templates.get("tool_use"),
        stop_tokens=tuple(dict.fromkeys((*eos_texts, *stops))),
        fingerprint=hashlib.sha256(raw).hexdigest(),
        warnings=(*warnings, *vocab_size.warnings),
        _cache={"backend": backend, "json": (packed, len(raw))},
    )


def _backend(text: str, source: str) -> tokenizers.Tokenizer:
    """Return the HF tokenizer of a tokenizer.json, reduced to what turns text into ids."""
    backend = _parse(text, source)
    if getattr(backend.model, "dropout", None):
        raise InputError(
            f"{source} drops merges at random (its model.dropout is set), so no count of its "
            "tokens is exact; set model.dropout to null, as for inference."
        )
    backend.no_truncation()
    backend.no_padding()
    backend.post_processor = None  # pyright: ignore[reportAttributeAccessIssue]
    try:
        with rust_panics():
            backend.encode(TRIAL, add_special_tokens=False)
    except Exception as error:  # what Rust raises is a bare Exception
        raise InputError(
            f"{source} holds no tokenizer that can be used: `tokenizers` fails on ordinary text "
            f"({str(error).partition(NEW_LINE)[0]}); give the model's tokenizer.json."
        ) from error
    return backend


def _parse(text: str, source: str) -> tokenizers.Tokenizer:
    import tokenizers

    try:
        with rust_panics():
            return tokenizers.Tokenizer.from_str(text)
    except Exception as error:  # the Rust parser raises a bare Exception
        reason = f"`tokenizers` {tokenizers.__version__} cannot read it ({error})"
        try:
            content = json_text.loads(text)
        except ValueError as broken:
            reason = f"it is not JSON ({broken})"
        else:
            if not (isinstance(content, dict) and isinstance(content.get("model"), dict)):
                reason = "it is JSON, but has no `model`"
        raise InputError(
            f"{source} holds no tokenizer: {reason}; give a tokenizer.json."
        ) from error

"""A tokenizer from a preset, a folder, a tokenizer.json or a hub id; never any remote code.

tokenizer.json is the one source every engine is built from. V is the model's own vocabulary size
(`config.json`), because that is the number of rows of its LM head and of every mapping exported.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import CONFIG
from vocabtrim_core.tokenizers import files as files
from vocabtrim_core.tokenizers import text as token_text
from vocabtrim_core.tokenizers.presets import PRESETS, Preset
from vocabtrim_core.tokenizers.vocab_size import Given, VocabSize

if TYPE_CHECKING:
    import tokenizers
    from transformers import PreTrainedTokenizerFast

__all__ = ["PRESETS", "Preset", "Tokenizer", "load_tokenizer"]

PACKED = "zstd"  # how a tokenizer.json is kept in memory
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
    """A tokenizer and what the app says about it. Compared and hashed by content.

    vocab_size: V.  vocab_size_from: where it comes from, one of `vocab_size`'s words.
    specials: id -> text of the special tokens.
    special_tokens: `bos_token` … -> text, what a chat template may refer to.
    chat_template, tool_template: of conversations without and with tools, where they differ.
    stop_tokens: texts of the tokens that end generation.
    fingerprint: sha256 of `json`.
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
    _kept: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def backend(self) -> tokenizers.Tokenizer:
        """HF tokenizer of the text alone: no truncation, padding, or tokens of a post-processor.

        Without a post-processor offsets are those of the text, blanks included.
        """
        return self._kept["backend"]

    @property
    def json(self) -> str:
        """Text of tokenizer.json; kept compressed, for it takes 20 MB and is seldom asked for."""
        import pyarrow as pa

        packed, length = self._kept["json"]
        return pa.decompress(packed, length, PACKED, asbytes=True).decode()

    @property
    def hf(self) -> PreTrainedTokenizerFast:
        """The transformers tokenizer, with this chat template."""
        if "hf" not in self._kept:
            from transformers import PreTrainedTokenizerFast

            self._kept["hf"] = PreTrainedTokenizerFast(
                tokenizer_object=_parse(self.json, self.source),
                chat_template=self.chat_template,
                clean_up_tokenization_spaces=False,
                **self.special_tokens,
            )
        return self._kept["hf"]

    def ids(self, text: str) -> list[int]:
        """Ids of a text, nothing added."""
        return self.backend.encode(text, add_special_tokens=False).ids

    def pieces(self, text: str) -> list[tuple[str, int]]:
        """(piece of the text, id) per token; the pieces join to the text.

        Where several ids make up one character the first holds it and the others hold "";
        what the tokenizer drops (a normalizer may) stands with the token after it.
        """
        encoding = self.backend.encode(text, add_special_tokens=False)
        pieces, at = [], 0
        for id_, (_, end) in zip(encoding.ids, encoding.offsets, strict=True):
            pieces.append((text[at:end], id_))
            at = max(at, end)
        if pieces and at < len(text):
            pieces[-1] = (pieces[-1][0] + text[at:], pieces[-1][1])
        return pieces

    def token(self, i: int) -> str:
        """Display text of an id: its text, or its bytes as <0xE2 0x96> where they are no text."""
        return self.tokens([i])[0]

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """Display text of each id; one without a token (V is often padded) shows as <id 151700>."""
        if "table" not in self._kept:
            added = {i: t.content for i, t in self.backend.get_added_tokens_decoder().items()}
            byte_level = "ByteLevel" in repr(self.backend.decoder)
            self._kept["table"] = added, token_text.byte_of_letter() if byte_level else None
        added, bytes_of = self._kept["table"]
        return [token_text.display(i, self.backend, added, bytes_of) for i in map(int, ids)]


def load_tokenizer(
    spec: str | Path,
    *,
    revision: str | None = None,
    config: str | Path | None = None,
    vocab_size: int | None = None,
) -> Tokenizer:
    """A tokenizer by preset name, folder, tokenizer.json path or hub id (`org/name`).

    config: a config.json to take V from, instead of the one beside the tokenizer.
    vocab_size: V itself, above any config; config and vocab_size exclude each other.
    InputError in one sentence when it cannot be had.
    """
    if config is not None and vocab_size is not None:
        raise InputError("V is given twice, as a config.json and as a number; give one of them.")
    text = str(spec)
    size = Given(config, vocab_size)
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


def _preset(preset: Preset, given: Given) -> Tokenizer:
    return _tokenizer(
        preset.build(),
        name=preset.name,
        source=preset.name,
        licence=preset.licence,
        special_tokens=preset.special_tokens,
        templates={"default": preset.chat_template},
        size=lambda backend: given.of(backend, preset.name, preset=preset.vocab_size),
    )


def _from_files(file: Path, name: str, source: str, given: Given) -> Tokenizer:
    """From tokenizer.json and whatever stands beside it."""
    folder = file.parent
    about = files.read_object(folder / "tokenizer_config.json")
    return _tokenizer(
        files.read_text(file),
        name=name,
        source=source,
        licence=files.licence(folder),
        special_tokens=files.special_tokens(folder, about),
        templates=files.chat_templates(folder, about),
        folder=folder,
        size=lambda backend: given.of(backend, source, beside=folder / CONFIG),
    )


def _from_hub(repo: str, revision: str | None, given: Given) -> Tokenizer:
    """The few small files of a hub repository, kept in the hub cache. Nothing of it is executed."""
    from huggingface_hub import errors as hub
    from huggingface_hub import snapshot_download

    where = f"{repo}@{revision}" if revision else repo
    try:
        folder = Path(snapshot_download(repo, revision=revision, allow_patterns=HUB_FILES))
    except hub.GatedRepoError:
        why = "is gated; accept its licence on the hub and run `hf auth login`"
    except hub.RevisionNotFoundError:
        why = "has no such revision; give a branch, tag or commit of it"
    except hub.RepositoryNotFoundError:
        why = "does not exist on the hub, or is private; check the name, or run `hf auth login`"
    except Exception as error:
        offline = isinstance(error, hub.LocalEntryNotFoundError | ConnectionError)
        said = "no connection to the hub" if offline else str(error).partition("\n")[0].rstrip(".")
        why = f"cannot be downloaded: {said}; check the internet connection, or give a folder that "
        why += "holds the model's tokenizer.json"
    else:
        if not (folder / "tokenizer.json").is_file():
            raise InputError(
                f"The hub model {where} has no tokenizer.json; only fast tokenizers can be read."
            )
        return _from_files(folder / "tokenizer.json", repo, f"{repo}@{folder.name}", given)
    raise InputError(f"The hub model {where} {why}.")


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
    """A Tokenizer from the text of tokenizer.json and what is known about it."""
    import pyarrow as pa

    backend, raw = _backend(text, source), text.encode()
    packed = pa.compress(raw, PACKED, asbytes=True)
    warnings: list[str] = []
    known = {role: t for role, t in special_tokens.items() if backend.token_to_id(t) is not None}
    if missing := sorted(set(special_tokens.values()) - set(known.values())):
        warnings.append(
            f"{', '.join(missing)}: named as special tokens, but not in tokenizer.json; left out."
        )
    ends = [known["eos_token"]] if "eos_token" in known else []
    stops = files.stop_tokens(folder, backend) if folder else ()
    found = size(backend)
    return Tokenizer(
        name=name,
        source=source,
        licence=licence,
        vocab_size=found.size,
        vocab_size_from=found.origin,
        specials={
            i: token.content
            for i, token in sorted(backend.get_added_tokens_decoder().items())
            if token.special
        },
        special_tokens=known,
        chat_template=templates.get("default", next(iter(templates.values()), None)),
        tool_template=templates.get("tool_use"),
        stop_tokens=tuple(dict.fromkeys((*ends, *stops))),
        fingerprint=hashlib.sha256(raw).hexdigest(),
        warnings=(*warnings, *found.warnings),
        _kept={"backend": backend, "json": (packed, len(raw))},
    )


def _backend(text: str, source: str) -> tokenizers.Tokenizer:
    """The HF tokenizer of a tokenizer.json, stripped to what turns text into ids."""
    backend = _parse(text, source)
    if getattr(backend.model, "dropout", None):
        raise InputError(
            f"{source} drops merges at random (its model.dropout is set), so no count of its "
            "tokens is exact; set model.dropout to null, as for inference."
        )
    backend.no_truncation()
    backend.no_padding()
    backend.post_processor = None  # pyright: ignore[reportAttributeAccessIssue]
    return backend


def _parse(text: str, source: str) -> tokenizers.Tokenizer:
    import tokenizers

    try:
        return tokenizers.Tokenizer.from_str(text)
    except Exception as error:  # the Rust parser raises a bare Exception
        why = f"`tokenizers` {tokenizers.__version__} cannot read it ({error})"
        try:
            content = json.loads(text)
        except ValueError as broken:
            why = f"it is not JSON ({broken})"
        else:
            if not (isinstance(content, dict) and isinstance(content.get("model"), dict)):
                why = "it is JSON, but has no `model`"
        raise InputError(f"{source} holds no tokenizer: {why}; give a tokenizer.json.") from error

"""The one reader of a model's config.json: nested sections, and what the file leaves out.

A field stands in the section of the language model (innermost first), else in what surrounds it.
Where the file leaves it out, it is what transformers' own config class of that `model_type` gives
it; those classes come with the library, and code that a config names (`auto_map`) is never loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from logging import CRITICAL
from pathlib import Path
from typing import Any

from vocabtrim_core.errors import InputError

CONFIG = "config.json"
# Where a config keeps its language model: Gemma 3, Qwen-VL; speculators; DeepSeek-VL; InternVL;
# Qwen-Omni. Sections may hold sections (thinker_config.text_config).
SECTIONS = (
    "text_config",
    "transformer_layer_config",
    "language_config",
    "llm_config",
    "thinker_config",
)
OUTERMOST = ("tie_word_embeddings",)  # transformers asks the whole model, not its language part
# Written by trainers of drafts; transformers has no default for them.
OF_DRAFTS = ("draft_vocab_size", "target_hidden_size", "speculators_model_type")
NOT_SHAPES = ("auto_map", "quantization_config", "num_labels", "id2label", "label2id")
MOST_LAYERS = 10_000  # transformers' classes make lists as long as there are layers
LARGEST = 2**24  # of any size; sums and products of sizes then stay within 64 bits


@dataclass(frozen=True)
class ModelConfig:
    """A config.json. whole: the object as it stands.  where: how sentences call the file."""

    whole: Mapping[str, Any]
    where: str = field(compare=False)

    @cached_property
    def sections(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """(name, object) from the whole file (name "") to the innermost language model."""
        found: list[tuple[str, Mapping[str, Any]]] = [("", self.whole)]
        while inner := next(
            (name for name in SECTIONS if isinstance(found[-1][1].get(name), dict)), None
        ):
            found.append((inner, found[-1][1][inner]))
        return tuple(found)

    @property
    def fields(self) -> dict[str, Any]:
        """All fields the file states, the language model's over those around it."""
        return {n: v for _, section in self.sections for n, v in section.items() if v is not None}

    def stated(self, name: str) -> Any:
        """What the file says of a field; None where it leaves it out or says null."""
        inwards = name in OUTERMOST
        for _, section in self.sections if inwards else reversed(self.sections):
            if section.get(name) is not None:
                return section[name]
        return None

    def get(self, name: str) -> Any:
        """The same, with transformers' default for what is left out; None where there is none."""
        found = self.stated(name)
        if found is not None or name in OF_DRAFTS:
            return found
        return getattr(self._outer if name in OUTERMOST else self._inner, name, None)

    def size(self, name: str, *, least: int = 1, most: int = LARGEST) -> int | None:
        """A whole number from `least` to `most`, None where nobody says it; else InputError."""
        value = self.get(name)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if value is not None and not (whole and least <= value <= most):
            raise InputError(
                f"{self.where}: {name} must be a whole {'positive ' if least else ''}number up to "
                f"{most:,}, not {_shown(value)}."
            )
        return value

    def positive(self, name: str) -> int | None:
        """A whole positive number that is no size of a matrix, None where nobody says it."""
        found = self.number(name)
        return None if found is None else round(found)

    def number(self, name: str) -> float | None:
        """A positive number, None where nobody says it; else InputError."""
        value = self.get(name)
        if value is None:
            return None
        real = isinstance(value, int | float) and not isinstance(value, bool)
        if not real or not 0 < value < float("inf"):
            raise InputError(
                f"{self.where}: {name} must be a positive number, but it is {_shown(value)}."
            )
        return float(value)

    def required(self, *names: str) -> int:
        """The size by the first of these names that is known; InputError where none is."""
        for name in names:
            if (found := self.size(name)) is not None:
                return found
        kind = self.model_type
        why = (
            "it names no model_type whose default could stand in"
            if kind is None
            else f"transformers knows no default of it for model_type {_shown(kind)}"
        )
        raise InputError(
            f"{self.where} has no {' or '.join(map(repr, names))}, and {why}; add the field, or "
            "give the model's own config.json."
        )

    @property
    def model_type(self) -> Any:
        """The language model's, as the file states it; None where it states none."""
        return self.stated("model_type")

    @property
    def is_draft(self) -> bool:
        """Whether this is the config of a draft, not of a target."""
        names = self.whole.get("architectures")
        named = isinstance(names, list) and any("eagle" in str(name).lower() for name in names)
        drafts = ("draft_vocab_size", "speculators_model_type")
        return named or any(self.stated(name) is not None for name in drafts)

    @cached_property
    def _inner(self) -> Any:
        """transformers' config of the innermost section; None for a type it does not know."""
        kind = None
        for name, section in self.sections:
            within = getattr(kind, "sub_configs", {}).get(name)
            kind = _config_class(section.get("model_type")) or within
        made = self._made(kind, self.sections[-1][1])
        try:  # of a class that makes the section of its language model itself
            return made if made is None else made.get_text_config()
        except ValueError:  # several of them
            return made

    @cached_property
    def _outer(self) -> Any:
        return self._made(_config_class(self.whole.get("model_type")), self.whole)

    def _made(self, kind: Any, section: Mapping[str, Any]) -> Any:
        if not getattr(kind, "model_type", ""):  # AutoConfig stands for a section of any type
            return None
        from transformers.utils import logging

        given = {n: v for n, v in section.items() if n not in NOT_SHAPES}
        self._check_lengths(given)
        before = logging.get_verbosity()
        logging.set_verbosity(CRITICAL)  # its doubts about ids are not ours
        try:
            return kind(**given)
        except Exception as error:  # whatever a class does with a wrong type
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise InputError(
                f"{self.where} is no config of a {kind.model_type} that transformers can read: "
                f"{reason}; mend the field, or give the model's own config.json."
            ) from error
        finally:
            logging.set_verbosity(before)

    def _check_lengths(self, section: Mapping[str, Any]) -> None:
        """InputError for a number of layers that no model has, before a list of it is made."""
        for name, value in section.items():
            if isinstance(value, dict):
                self._check_lengths(value)
            elif isinstance(value, int) and abs(value) > 2**63:
                raise InputError(
                    f"{self.where}: `{ascii(name)[1:-1]}` is no size of a model; mend the field."
                )
            elif "layer" in name and isinstance(value, int | float) and value > MOST_LAYERS:
                raise InputError(
                    f"{self.where}: `{ascii(name)[1:-1]}` is more than the {MOST_LAYERS:,} "
                    "layers that a model may have; mend the field."
                )


def _config_class(model_type: Any) -> Any:
    """The installed transformers' config class of a model_type; None for one it does not know."""
    if not isinstance(model_type, str):
        return None
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    found = model_type in CONFIG_MAPPING  # whose .get() does not load a class
    return CONFIG_MAPPING[model_type] if found else None


def read_config(path: str | Path) -> ModelConfig:
    """The config.json at this path, or in this folder. InputError for anything else."""
    path = Path(path).expanduser()
    path = path / CONFIG if path.is_dir() else path
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(
            f"{path.parent} has no {path.name}; give a model's {CONFIG}, or its folder."
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    return parse_config(content, str(path))


def parse_config(content: bytes, where: str) -> ModelConfig:
    """A config from a file's bytes; sentences call it `where`. InputError for anything else."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise InputError(
            f"{where} is not readable JSON ({reason}); give a model's {CONFIG}."
        ) from error
    if not isinstance(value, dict):
        raise InputError(f"{where} must hold one JSON object, not a {type(value).__name__}.")
    return ModelConfig(value, where)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

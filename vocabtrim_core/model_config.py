"""Reading a model's config.json: nested sections, and defaults for missing fields.

A field is looked up in the section of the language model, innermost first, then in the sections
around it. A missing field gets the default of transformers' config class for that `model_type`.
Those classes come with the library; code that a config names (`auto_map`) is never loaded.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from logging import CRITICAL
from pathlib import Path
from typing import Any

from vocabtrim_core import json_text
from vocabtrim_core.errors import InputError

CONFIG = "config.json"
# Names of the section of the language model: Gemma 3, Qwen-VL; speculators; DeepSeek-VL; InternVL;
# Qwen-Omni. Sections may be nested (thinker_config.text_config).
SECTIONS = (
    "text_config",
    "transformer_layer_config",
    "language_config",
    "llm_config",
    "thinker_config",
)
PARTS = ("ffn_config",)  # objects with fields of the language model (DBRX)
OUTERMOST = ("tie_word_embeddings",)  # transformers reads it from the whole model's config
# Written by trainers of drafts; transformers has no default for them.
OF_DRAFTS = ("draft_vocab_size", "target_hidden_size", "speculators_model_type")
NOT_SHAPES = ("auto_map", "quantization_config", "num_labels", "id2label", "label2id")
MOST_LAYERS = 10_000  # transformers' classes make lists with one entry per layer
LARGEST = 2**24  # limit of any size, so that sums and products of sizes stay within 64 bits


@dataclass(frozen=True)
class ModelConfig:
    """A config.json.

    Attributes:
        whole: The JSON object of the file.
        where: Name of the file in messages.
    """

    whole: Mapping[str, Any]
    where: str = field(compare=False)

    @cached_property
    def sections(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """(name, object) of each section, from the whole file (name "") to the innermost one."""
        sections: list[tuple[str, Mapping[str, Any]]] = [("", self.whole)]
        while inner := next(
            (name for name in SECTIONS if isinstance(sections[-1][1].get(name), dict)), None
        ):
            sections.append((inner, sections[-1][1][inner]))
        return tuple(sections)

    @property
    def fields(self) -> dict[str, Any]:
        """All fields the file states; those of inner sections replace those of outer ones."""
        return {n: v for _, section in self.sections for n, v in section.items() if v is not None}

    def stated(self, name: str) -> Any:
        """A field as the file states it.

        Args:
            name: Name of the field.

        Returns:
            Its value; None where the field is missing or null.
        """
        inwards = name in OUTERMOST
        for _, section in self.sections if inwards else reversed(self.sections):
            if section.get(name) is not None:
                return section[name]
        return None

    def get(self, name: str) -> Any:
        """A field as the file states it, else transformers' default.

        Args:
            name: Name of the field.

        Returns:
            Its value; None where there is no default either.

        Raises:
            InputError: transformers cannot read the config.
        """
        value = self.stated(name)
        if value is not None or name in OF_DRAFTS:
            return value
        config = self._outer if name in OUTERMOST else self._inner
        if config is None:
            return None
        with _silent():
            parts = (getattr(config, part, None) for part in PARTS)
            values = (getattr(holder, name, None) for holder in (config, *parts))
            return next((value for value in values if value is not None), None)

    def size(self, name: str, *, least: int = 1, most: int = LARGEST) -> int | None:
        """A field that holds a size.

        Args:
            name: Name of the field.
            least: The smallest value allowed.
            most: The largest value allowed.

        Returns:
            Its value or default, None where there is neither.

        Raises:
            InputError: It is no whole number from `least` to `most`.
        """
        value = _alike(self.get(name))
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if value is not None and not (is_whole and least <= value <= most):
            raise InputError(
                f"{self.where}: {name} must be a whole {'positive ' if least else ''}number up to "
                f"{most:,}, not {_shown(value)}."
            )
        return value

    def positive(self, name: str) -> int | None:
        """A field that holds a positive number of any magnitude, rounded.

        Args:
            name: Name of the field.

        Returns:
            Its value or default, None where there is neither.

        Raises:
            InputError: It is no positive number.
        """
        value = self.number(name)
        return None if value is None else round(value)

    def number(self, name: str) -> float | None:
        """A field that holds a positive number.

        Args:
            name: Name of the field.

        Returns:
            Its value or default, None where there is neither.

        Raises:
            InputError: It is no positive number.
        """
        value = _alike(self.get(name))
        if value is None:
            return None
        real = isinstance(value, int | float) and not isinstance(value, bool)
        if not real or not 0 < value < float("inf"):
            raise InputError(
                f"{self.where}: {name} must be a positive number, but it is {_shown(value)}."
            )
        return float(value)

    def required(self, *names: str) -> int:
        """A size that must be known.

        Args:
            *names: Names of the field, in the order they are tried.

        Returns:
            The value or default of the first that has one.

        Raises:
            InputError: None has one, or a value is no size.
        """
        for name in names:
            if (value := self.size(name)) is not None:
                return value
        kind = self.model_type
        why = (
            "it names no model_type whose default could stand in"
            if kind is None
            else f"transformers knows no default of it for model_type {_shown(kind)}"
        )
        raise InputError(
            f"{self.where} has no {' or '.join(map(repr, names))}, and {why}; add the field, or "
            + (
                "give the model's own config.json."
                if kind is None
                else "give the config of its language model alone."
            )
        )

    @property
    def model_type(self) -> Any:
        """The model_type of the language model as the file states it, else None."""
        return self.stated("model_type")

    @property
    def family(self) -> str:
        """transformers' model_type of the language model; as stated for a type it does not have."""
        kind = getattr(self._inner, "model_type", None) or self.model_type
        return kind if isinstance(kind, str) else ""

    @cached_property
    def own_of_layers(self) -> dict[int, dict[str, Any]]:
        """Layer -> the fields in which it differs from the others (`per_layer_config`).

        Raises:
            InputError: transformers cannot read the config, or the field is no such object.
        """
        try:
            differs = getattr(self._inner, "is_heterogeneous", False)
            own = self._inner.to_dict() if differs else {}
            own = own.get("per_layer_config") or self.stated("per_layer_config") or {}
            fields = {int(layer): dict(own[layer]) for layer in own}
        except (AttributeError, TypeError, ValueError) as error:
            raise InputError(
                f"{self.where}: per_layer_config must be an object of objects; mend the field."
            ) from error
        return {layer: own for layer, own in fields.items() if own}

    @property
    def is_draft(self) -> bool:
        """Whether this is the config of a draft, not of a target."""
        names = self.whole.get("architectures")
        named = isinstance(names, list) and any("eagle" in str(name).lower() for name in names)
        drafts = ("draft_vocab_size", "speculators_model_type")
        return named or any(self.stated(name) is not None for name in drafts)

    @cached_property
    def _inner(self) -> Any:
        """transformers' config of the innermost section; None for a type it does not have."""
        kind = None
        for name, section in self.sections:
            within = getattr(kind, "sub_configs", {}).get(name)
            kind = _config_class(section.get("model_type")) or within
        config = self._instance(kind, self.sections[-1][1])
        try:  # a class may create the section of its language model itself
            return config if config is None else config.get_text_config()
        except ValueError:  # it has several such sections
            return config

    @cached_property
    def _outer(self) -> Any:
        return self._instance(_config_class(self.whole.get("model_type")), self.whole)

    def _instance(self, kind: Any, section: Mapping[str, Any]) -> Any:
        if not getattr(kind, "model_type", ""):  # AutoConfig stands for a section of any type
            return None
        from transformers import PreTrainedConfig

        fields = {n: v for n, v in section.items() if n not in NOT_SHAPES}
        self._check_lengths(fields)
        try:
            with _silent():  # its warnings about token ids do not matter here
                config = kind(**fields)
        except Exception as error:  # classes raise anything for a value of a wrong type
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise InputError(
                f"{self.where} is no config of a {kind.model_type} that transformers can read: "
                f"{reason}; mend the field, or give the model's own config.json."
            ) from error
        # A config whose layers differ (Gemma 4) refuses the value of most of them otherwise.
        for part in (config, *(getattr(config, name, None) for name in kind.sub_configs)):
            if isinstance(part, PreTrainedConfig):
                vars(part)["allow_global_per_layer_attribute_access"] = True
        return config

    def _check_lengths(self, section: Mapping[str, Any]) -> None:
        """Raise InputError for numbers of layers too large for a list of that length."""
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


@contextmanager
def _silent() -> Generator[None]:
    """Keep transformers from warning."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity(CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _config_class(model_type: Any) -> Any:
    """transformers' config class of a model_type; None for a type it does not have."""
    if not isinstance(model_type, str):
        return None
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    is_known = model_type in CONFIG_MAPPING  # .get() would not load a class
    return CONFIG_MAPPING[model_type] if is_known else None


def read_config(path: str | Path) -> ModelConfig:
    """Read a config.json.

    Args:
        path: The file, or the folder that holds it; ~ is expanded.

    Returns:
        The config.

    Raises:
        InputError: The file cannot be read, or is no JSON object.
    """
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
    """Read the bytes of a config.json.

    Args:
        content: The bytes of the file.
        where: Name of the file in messages.

    Returns:
        The config.

    Raises:
        InputError: They are no JSON object.
    """
    try:
        value = json_text.loads(content)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise InputError(
            f"{where} is not readable JSON ({reason}); give a model's {CONFIG}."
        ) from error
    if not isinstance(value, dict):
        raise InputError(f"{where} must hold one JSON object, not a {type(value).__name__}.")
    return ModelConfig(value, where)


def _alike(value: Any) -> Any:
    """The number that a list has for every layer alike (Hunyuan); any other value as it is.

    A list of a single number is none of layers.
    """
    numbers = isinstance(value, list) and all(isinstance(entry, int | float) for entry in value)
    return value[0] if numbers and len(value) > 1 and len(set(value)) == 1 else value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

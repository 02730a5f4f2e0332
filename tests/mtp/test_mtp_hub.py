"""A model on the hub: its heads from config, index and headers, over HTTP and never its weights."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from helpers.mtp_checkpoints import LAYOUTS, H, V, write_checkpoint

REPO = "owner/model"


class Hub(ThreadingHTTPServer):
    """Serves the files of a folder as the hub does, and notes what it sent of each."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.folder, self.sent = folder, {}


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._file(body=False)

    def do_GET(self) -> None:
        self._file(body=True)

    def _file(self, *, body: bool) -> None:
        name = self.path.rpartition("/")[2].partition("?")[0]
        path = self.server.folder / name
        known = self.path.startswith(f"/{REPO}/resolve/") and path.is_file()
        if not known:
            here = self.path.startswith((f"/{REPO}/", f"/api/models/{REPO}"))
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound" if here else "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = path.read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        part = content[int(asked[1]) : int(asked[2]) + 1] if asked else content
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        if asked:
            self.send_header("Content-Range", f"bytes {asked[1]}-{asked[2]}/{len(content)}")
        self.end_headers()
        if body:
            sent = self.server.sent
            sent[name] = sent.get(name, 0) + len(part)
            self.wfile.write(part)


@pytest.fixture
def served(tmp_path):
    """Starts a hub of one folder; ends it after the test."""
    hubs = []

    def start(folder: Path) -> Hub:
        hub = Hub(folder)
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        hubs.append(hub)
        return hub

    yield start
    for hub in hubs:
        hub.shutdown()
        hub.server_close()


def heads(hub: Hub, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command with this hub, as a process: the library reads the address when it starts."""
    environment = os.environ | {
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}",
        "HF_HOME": str(home / "hub"),
        "HF_HUB_DISABLE_XET": "1",
        "VOCABTRIM_HOME": str(home / "workspace"),
    }
    for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "http_proxy", "HTTP_PROXY", "all_proxy"):
        environment.pop(name, None)
    command = [sys.executable, "-m", "vocabtrim_core", *arguments, "--json"]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=home, timeout=300
    )


@pytest.mark.parametrize("layout", ["bf16", "compressed int4 zeros"])
def test_headers_are_all_that_is_asked_for(layout, served, tmp_path):
    """The same report as of the folder, from a few kilobytes."""
    folder = tmp_path / "model"
    filler = {"mtp.layers.0.mlp.gate_proj.weight": torch.zeros(4096, 1024, dtype=torch.bfloat16)}
    write_checkpoint(folder, layout, draft=filler)
    hub = served(folder)
    answer = heads(hub, tmp_path, "heads", REPO, "--k", "64", "--tensors")
    assert answer.returncode == 0, answer.stderr
    here = heads(hub, tmp_path, "heads", str(folder), "--k", "64", "--tensors")
    remote, local = json.loads(answer.stdout), json.loads(here.stdout)
    assert sorted(remote.pop("tensors"), key=str) == sorted(local.pop("tensors"), key=str)
    assert remote == local
    if layout == "bf16":
        assert remote["drafts"][0]["head_bytes"] == 2 * V * H
    weights = {name: count for name, count in hub.sent.items() if name.endswith(".safetensors")}
    assert len(weights) == 2
    size = sum((folder / name).stat().st_size for name in weights)
    assert size > 8_000_000
    assert sum(weights.values()) < 300_000  # the library asks for 100 kB where a header may end


def test_what_the_hub_has_not(served, tmp_path):
    folder = tmp_path / "model"
    write_checkpoint(folder, next(iter(LAYOUTS)))
    hub = served(folder)
    answer = heads(hub, tmp_path, "heads", "owner/other")
    assert answer.returncode == 2
    assert "owner/other does not exist on the hub" in answer.stdout + answer.stderr
    for path in folder.glob("*.safetensors*"):
        path.unlink()
    answer = heads(hub, tmp_path, "heads", REPO)
    assert answer.returncode == 2
    assert "has no safetensors files" in answer.stdout + answer.stderr


def test_rows_are_not_taken_from_the_hub(served, tmp_path):
    folder = tmp_path / "model"
    write_checkpoint(folder)
    (tmp_path / "ids.txt").write_text("1\n2\n")
    arguments = ("trim-mtp", REPO, "--vocabulary", "ids.txt", "--out", "copy")
    answer = heads(served(folder), tmp_path, *arguments)
    assert answer.returncode == 2
    assert "hf download owner/model" in answer.stdout + answer.stderr
    assert not (tmp_path / "copy").exists()

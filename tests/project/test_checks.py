"""What is run before a commit and a push is what `make test` runs."""

from __future__ import annotations

import re

import yaml
from helpers import ROOT

BIN = re.compile(r"^(?:\$\(BIN\)|\.venv/bin)/")
FILES = re.compile(r" (?:\.|--force-exclude)$")  # all files, or those that pre-commit names


def test_pre_commit_runs_what_make_test_runs():
    recipe = re.search(r"^test:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert recipe
    commands = [FILES.sub("", BIN.sub("", line.strip())) for line in recipe[1].splitlines()]
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert [FILES.sub("", BIN.sub("", hook["entry"])) for hook in hooks] == commands
    assert len(commands) >= 5
    # Without a stage of its own a hook runs before a commit; the tests run before a push.
    assert [hook["entry"] for hook in hooks if "pytest" in hook["entry"]] == [
        hook["entry"] for hook in hooks if hook.get("stages") == ["pre-push"]
    ]

"""Commands run in this process, as their user would see them."""

from __future__ import annotations

import json

import pytest
from helpers.real_data import load_once

from vocabtrim_core.cli import main
from vocabtrim_core.tokenizers import tokenizer as tokenizers


@pytest.fixture(autouse=True)
def _tokenizers_are_loaded_once(monkeypatch):
    monkeypatch.setattr(tokenizers, "load_tokenizer", load_once)


@pytest.fixture
def cli(capsys):
    """`cli("optimize", …)` -> (exit code, stdout, stderr)."""

    def call(*argv):
        code = main([str(a) for a in argv])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def ok(cli):
    """`ok("optimize", …)` -> the JSON object of a command that must succeed.

    text: what it must say without --json too.
    """

    def call(*argv, text: str = ""):
        code, out, err = cli(*argv, "--json")
        assert code == 0, err
        assert len(out.splitlines()) == 1
        if text:
            assert text in cli(*argv)[1]
        return json.loads(out)

    return call


@pytest.fixture
def refused(cli):
    """`refused("optimize", …)` -> the sentence of a command that must be refused."""

    def call(*argv):
        code, out, err = cli(*argv, "--json")
        assert code == 2, err
        sentence = json.loads(out)["error"]
        assert err.splitlines()[-1] == sentence
        assert "Traceback" not in err
        assert "\n" not in sentence
        assert sentence.endswith(".")
        code, out, err = cli(*argv)
        assert (code, out) == (2, "")
        return sentence

    return call

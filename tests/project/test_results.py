"""What the committed results say of the machine that made them."""

from __future__ import annotations

import re

import pytest
from helpers import ROOT

RESULTS = sorted((ROOT / "benchmarks" / "results").iterdir())
OF_A_MACHINE = re.compile(r"(?<![\w.:/])/(?:tmp|home|root|work|mnt|Users|private|var)/[\w./-]*")


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.name)
def test_no_result_names_a_path_of_a_machine(path):
    assert not OF_A_MACHINE.findall(path.read_text("utf-8"))


def test_such_a_path_would_be_seen():
    said = '"draft": "/tmp/study/k-2/draft", `cat /home/a/x.json`, WORKSPACE/tmp/a, https://a/tmp/b'
    assert OF_A_MACHINE.findall(said) == ["/tmp/study/k-2/draft", "/home/a/x.json"]

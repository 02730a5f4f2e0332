"""Every page on a workspace whose files are damaged: no exception, and the damage is named once."""

# ruff: noqa: F811
from __future__ import annotations

import pytest
from helpers import APP, filled_workspace
from helpers.lazy import Lazy
from test_pages import home, started  # noqa: F401

testing = Lazy("streamlit.testing.v1")

VIEWS = [
    *(
        (page, {})
        for page in (
            "corpus",
            "explore",
            "search",
            "export",
            "forecast",
            "generalize",
            "handover",
            "present",
        )
    ),
    *(
        ("throughput", {"section": section})
        for section in ("Measure", "Is the draft used?", "Latency probe", "Tune")
    ),
    *(("train", {"train_view": view}) for view in ("Experiment", "Set up", "Runs", "Own answers")),
]


def opened(page: str, state: dict[str, str]):
    app = testing.AppTest.from_file(str(APP), default_timeout=120)
    for name, value in state.items():
        app.session_state[name] = value
    app.run()
    return app.switch_page(f"pages/{page}.py").run()


@pytest.mark.parametrize("damage", ["truncated", "an object", "a folder"])
def test_no_page_shows_an_exception(home, damage):
    filled_workspace.fill(home)
    for file in filled_workspace.files(home):
        dict(filled_workspace.damages(file, fields=False))[damage]()
    for page, state in VIEWS:
        app = opened(page, state)
        said = " ".join(element.value for element in app.error)
        assert not app.exception, (page, state)
        assert "this is a bug" not in said, (page, state, said)


def test_what_is_damaged_is_left_out_and_named(home):
    filled_workspace.fill(home)
    damaged, sound = sorted((home / "counts").glob("*.npz"))
    damaged.write_bytes(b"PK")
    app = testing.AppTest.from_file(str(APP), default_timeout=120).run()
    assert not app.exception
    assert not app.error
    assert sound.is_file()
    (named,) = [line.value for line in app.markdown if damaged.name in line.value]
    assert "counts" in named

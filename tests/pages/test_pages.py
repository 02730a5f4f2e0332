"""The pages through Streamlit's AppTest, always from app.py, on a workspace of their own."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from helpers import APP
from helpers.lazy import Lazy
from helpers.talks import SIZE, zipf

from pages.ui import demo
from vocabtrim_core import tpe
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.counts_store import own_counts, remove_counts, save_counts, shipped_counts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.errors import InputError
from vocabtrim_core.jobs import control as jobs
from vocabtrim_core.jobs.job import Job
from vocabtrim_core.tokenizers.presets import PRESETS as BUNDLED
from vocabtrim_core.tradeoff import TradeOff

testing = Lazy("streamlit.testing.v1")

PAGES = ("overview", "corpus", "explore", "search", "export")


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """An empty workspace."""
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def counted(home) -> TokenCounts:
    """A workspace with a broad and a narrow set; the narrow one is the newest."""
    broad, narrow = zipf("broad", 1.1, 50_000), zipf("narrow", 1.3, 6_000)
    save_counts(broad)
    save_counts(narrow)
    return broad


@pytest.fixture(autouse=True)
def started(monkeypatch) -> list[list[str]]:
    """What the pages start, instead of starting it."""
    asked: list[list[str]] = []
    monkeypatch.setattr(jobs, "start", lambda argv, title, **more: asked.append(list(argv)))
    return asked


def opened(page: str = "overview", **link: str) -> testing.AppTest:
    """The app on one page, as after following a link with these parameters."""
    app = testing.AppTest.from_file(str(APP), default_timeout=40)
    for name, value in link.items():
        app.query_params[name] = value
    if page != "overview":
        app.run()
    return (app if page == "overview" else app.switch_page(f"pages/{page}.py")).run()


def words(app: testing.AppTest) -> str:
    """All text of the page."""
    return "\n".join(element.value for element in (*app.markdown, *app.caption, *app.error))


def errors(app: testing.AppTest) -> str:
    """The error sentences as the browser shows them, without Markdown's escapes."""
    return re.sub(r"\\(.)", r"\1", "\n".join(element.value for element in app.error))


def chart(app: testing.AppTest) -> dict:
    """The data of the live chart."""
    found = [json.loads(e.proto.json) for e in app.get("bidi_component") if "alpha" in e.proto.json]
    return found[0]


def best(counts: TokenCounts, **settings):
    """The exact optimum under the default draft."""
    return TradeOff(CoverageCurve.of(counts), PRESETS["llama-3.1-8b"], **settings).optimum


@pytest.mark.parametrize("page", PAGES)
def test_page_opens_on_counted_sets(counted, page):
    app = opened(page)
    assert not app.exception
    assert not app.error


@pytest.mark.parametrize("page", PAGES)
def test_first_visit_shows_shipped_counts_and_starts_nothing(home, started, page):
    app = opened(page)
    assert not app.exception
    assert not app.error
    assert started == []
    assert not (home / "jobs").exists() or not any((home / "jobs").iterdir())
    if page not in ("overview", "corpus"):
        assert app.selectbox(key="counts_key").options[0].startswith("Public blend · shipped · ")


def test_first_visit_says_what_trimming_gains(home):
    app = opened()
    speed, best, covered, head = (metric.value for metric in app.metric)
    assert re.fullmatch(r"[+\N{MINUS SIGN}][\d.]+% to [+\N{MINUS SIGN}][\d.]+%", speed)
    assert (best, head) == ("11,160 tokens", "91.4 MB")  # 11,160 rows of 4,096 in 16 bits
    assert 94 < float(covered.rstrip("%")) < 94.47  # less than in sample
    said = words(app)
    between = re.search(r"([\d,]+) to ([\d,]+), 95% interval", said)
    low, high = (int(end.replace(",", "")) for end in between.groups())
    assert low < 11_160 < high < 1.1 * low
    assert "come with the program" in said
    assert "against 11,160 for Public blend" in said
    assert set(app.dataframe[0].value["Domain"]) == {
        "math",
        "code",
        "chat",
        "instruction following",
    }


def test_own_counts_stand_before_the_shipped_ones(home, make_counts):
    own = make_counts(np.arange(SIZE) % 7)
    save_counts(own)
    for page in ("explore", "search", "export"):
        assert opened(page).session_state.counts_key == own.key
    assert "come with the program" not in words(opened())


def test_shipped_counts_are_marked_and_stay(home):
    app = opened("corpus")
    listed = next(f.value for f in app.dataframe if "From" in f.value)
    assert set(listed["From"]) == {"shipped"}
    stored = shipped_counts()[0]
    with pytest.raises(InputError, match="Public blend comes with the program"):
        remove_counts(stored.key)
    app = opened("explore", counts=stored.key)
    about = words(app)
    assert "**Shipped**: comes with the program as numbers" in about
    assert "doocs/leetcode (CC-BY-SA-4.0" in about


def test_the_demo_is_built_on_demand(home, started):
    app = opened()
    app.button(key="build_demo").click().run()
    assert started == [["demo", "--out", str(home / "demo")]]


def test_the_demo_counts_both_domains_once_they_are_built(home, started, monkeypatch):
    (home / "demo").mkdir()
    for name in ("python-assistant", "tool-calls"):
        (home / "demo" / f"{name}.jsonl.zst").write_bytes(b"x")
    argv = ("demo", "--out", str(home / "demo"))
    monkeypatch.setattr(jobs, "list_jobs", lambda: [demo_job(home, argv, "done")])
    opened()
    assert [argv[:3] for argv in started[:2]] == [["count", "--tokenizer", demo.tokenizer()]] * 2
    assert demo.tokenizer() == ("smollm2" if BUNDLED["smollm2"].installed else "llama-3.1")


def demo_job(home: Path, argv: tuple[str, ...], state: str) -> Job:
    """The job that builds the demo."""
    return Job(
        home / "jobs" / "one",
        argv,
        "Build the demo conversations",
        0.0,
        (),
        state,
        3,
        10,
        "",
        {},
        None,
        None,
        0.0,
        0.0,
        False,
    )


def test_a_demo_that_was_stopped_says_so_and_goes_on_by_one_button(home, monkeypatch):
    argv = ("demo", "--out", str(home / "demo"))
    stopped = demo_job(home, argv, "cancelled")
    monkeypatch.setattr(jobs, "list_jobs", lambda: [stopped])
    app = opened()
    assert "conversations are not finished" in words(app)
    labels = [button.label for button in app.button]
    assert (labels.count("Resume"), labels.count("Start again")) == (1, 0)
    assert "conversations are not finished" in words(opened("corpus"))


def test_overview_sets_the_domains_side_by_side(counted):
    app = opened()
    newest, _ = own_counts()
    assert app.metric[1].value == f"{best(newest.counts).k:,} tokens"
    narrow, broad = (best(stored.counts).k for stored in own_counts())
    assert f"{narrow:,} tokens for narrow against {broad:,} for broad" in words(app)


def test_explore_says_the_exact_optimum(counted):
    app = opened("explore", counts=counted.key)
    choice = best(counted)
    assert f"Keeping {choice.k:,} of 128,256 tokens covers {choice.coverage:.1%}" in words(app)
    assert chart(app)["k"] is None
    assert chart(app)["curve"] == counted.key


def test_known_sizes_of_explore_are_of_the_sets_own_vocabulary(counted, make_counts):
    pills = opened("explore", counts=counted.key).pills(key="preset")
    assert pills.options == ["4,380", "6,521", "13,264", "32,000", "128,256"]
    assert "6,521: paper, NER" in pills.help
    smaller = make_counts(np.arange(49_152) % 7)
    save_counts(smaller)
    pills = opened("explore", counts=smaller.key).pills(key="preset")
    assert pills.options == ["32,000", "49,152"]
    assert pills.help == "32,000: typical EAGLE-3 head; 49,152: all"


def test_explore_follows_its_sliders(counted):
    app = opened("explore", counts=counted.key)
    app.slider(key="alpha").set_value(0.8)
    app.slider(key="floor").set_value(99.0).run()
    assert f"Keeping {best(counted, alpha=0.8, floor=0.99).k:,} of" in words(app)
    assert chart(app)["floor"] == 99.0


def test_the_browser_gets_the_counts_exactly(counted):
    app = opened("explore", counts=counted.key)
    stored = next(e for e in app.get("bidi_component") if '"lengths"' in e.proto.json)
    sent = json.loads(stored.proto.json)
    values = np.frombuffer(base64.b64decode(sent["counts"]), "<f8")
    lengths = np.frombuffer(base64.b64decode(sent["lengths"]), "<u4")
    assert np.array_equal(np.repeat(values, lengths), np.sort(counted.counts)[::-1])
    assert len(sent["tokens"].split("\n")) == counted.distinct
    assert len(stored.proto.json) < 1_000_000


def test_a_link_reproduces_the_view(counted):
    link = {"counts": counted.key, "alpha": "0.7", "floor": "90", "k": "11111", "x": "linear"}
    app = opened("explore", **link)
    assert app.slider(key="alpha").value == 0.7
    assert app.number_input(key="k").value == 11_111
    assert chart(app)["log"] is False
    assert "Keeping 11,111 of" in words(app)
    assert app.query_params["counts"] == counted.key


def test_a_broken_link_falls_back_to_defaults(counted):
    app = opened("explore", alpha="ten", k="-3", kmax="9999999", counts="nonsense", draft="gpt-7")
    assert not app.exception
    assert app.slider(key="alpha").value == 0.5
    assert chart(app)["k"] is None


@pytest.mark.parametrize("page", ["explore", "search", "export"])
def test_a_link_says_what_of_it_cannot_be_followed(counted, page):
    link = {"counts": "nonsense", "alpha": "7", "floor": "99.99", "k": "999999", "draft": "gpt-7"}
    app = opened(page, **link)
    assert [re.sub(r"\\(.)", r"\1", toast.value) for toast in app.toast] == [
        "Ignored from the link: counts, alpha, k, draft; shown instead: narrow with the default "
        "settings."
    ]
    assert not app.error
    assert not app.run().toast


def test_a_link_that_can_be_followed_is_not_spoken_of(counted):
    app = opened("search", counts=counted.key, alpha="0.7", floor="99.99", fusion="false")
    assert not app.toast
    assert "alpha 0.70, coverage floor 99.99%" in words(app)


def test_sizes_undo_and_reset(counted):
    app = opened("explore", counts=counted.key)
    app.pills(key="preset").set_value(13_264).run()
    assert app.number_input(key="k").value == 13_264
    assert app.select_slider(key="size").value == 13_264
    app.slider(key="alpha").set_value(0.3).run()
    app.button(key="undo").click().run()
    assert (app.slider(key="alpha").value, app.number_input(key="k").value) == (0.5, 13_264)
    app.button(key="undo").click().run()
    assert app.number_input(key="k").value is None
    app.number_input(key="k").set_value(4_000).run()
    app.button(key="reset").click().run()
    assert app.number_input(key="k").value is None
    assert app.select_slider(key="size").value == 0


def test_presets_are_the_papers_and_say_so(counted):
    presets = chart(opened("explore"))["presets"]
    named = {preset["k"]: preset["label"] for preset in presets}
    assert named[13_264] == "paper, general"
    assert named[6_521] == "paper, NER"
    assert named[4_380] == "paper, function calling"
    assert set(named) == {4_380, 6_521, 13_264, 32_000, SIZE}


@pytest.mark.parametrize("text", ["llama-3.2-1b", "EAGLE-3 · llama-3.2-1b"])
def test_a_link_has_the_draft_and_its_bytes_per_weight(counted, text):
    """By its name, as commands print links, or as the menu writes it into the address."""
    app = opened("explore", draft=text, target_bytes="0.5")
    assert not app.exception
    assert app.selectbox(key="draft").value == "llama-3.2-1b"
    assert app.number_input(key="target_bytes").value == 0.5
    shape = app.session_state["settings"].architecture
    assert (shape.name, astuple(shape.part_bytes)) == ("llama-3.2-1b", (0.5, 2, 2))
    assert "--draft llama-3.2-1b --weight-bytes 0.5 2 2" in "\n".join(c.value for c in app.code)


def test_the_menu_is_empty_where_v_is_that_of_several_drafts(home):
    counts = zipf("traffic", 1.1, 5_000)
    wide = TokenCounts(np.resize(counts.counts, 151_936), 10, 0, counts.provenance)
    save_counts(wide)
    app = opened("explore", counts=wide.key)
    assert app.selectbox(key="draft").value is None
    asked = app.warning[0].value
    assert "stand in for those of a model with V = 151,936" in asked
    assert "qwen3-8b, qwen3-32b" in asked
    app = opened("search", counts=wide.key)
    assert "stand in for those of a model with V = 151,936" in app.warning[0].value
    assert app.button(key="choose_draft").label == "Choose it on Explore"
    app = opened("explore", counts=wide.key, draft="qwen3-8b")
    assert not app.warning
    assert app.session_state["settings"].architecture == PRESETS["qwen3-8b"]


def test_draft_and_bounds_change_the_trade_off(counted):
    app = opened("explore", counts=counted.key)
    app.selectbox(key="draft").set_value("llama-3.2-1b").run()
    app.toggle(key="fusion").set_value(False).run()
    app.number_input(key="kmax").set_value(3_000).run()
    data = chart(app)
    shape = PRESETS["llama-3.2-1b"]
    assert (data["row_weights"], data["row_bytes"]) == (shape.hidden_size, 2 * shape.hidden_size)
    assert data["fixed_weights"] == sum(shape.weights.values()) - 3 * shape.hidden_size**2
    assert data["k_max"] == 3_000
    assert "--draft llama-3.2-1b" in "\n".join(code.value for code in app.code)


def test_configs_of_ones_own_are_read_as_the_command_reads_them(counted):
    text = {"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34}
    nested = json.dumps({"model_type": "gemma3", "text_config": text}).encode()
    app = opened("explore", counts=counted.key)
    app.file_uploader(key="draft_file").set_value(("config.json", nested, "application/json")).run()
    assert not app.exception
    assert app.selectbox(key="draft").value.startswith("config-")
    assert "has V = 262,208; its shapes are used here with" in words(app)
    shape = PRESETS["gemma-3-4b"]
    assert chart(app)["fixed_weights"] == sum(shape.weights.values())
    wrong = json.dumps({"model_type": "own", "hidden_size": 2**63}).encode()
    app.file_uploader(key="draft_file").set_value(("config.json", wrong, "application/json")).run()
    assert not app.exception
    assert "hidden_size must be a whole positive number up to 16,777,216" in errors(app)


def test_an_unreachable_floor_is_a_sentence(counted):
    app = opened("explore", counts=counted.key, kmax="100", floor="99")
    assert not app.exception
    assert "unreachable within k <= 100" in errors(app)
    app.button(key="way_out").click().run()
    assert not app.error
    assert "Keeping 100 of" in words(app)


def test_crossed_bounds_are_a_sentence_with_a_way_out(counted):
    app = opened("explore", counts=counted.key, kmin="50000", kmax="100")
    assert not app.exception
    assert "The smallest k, 50,000, is above the largest k, 100" in errors(app)
    app.button(key="way_out").click().run()
    assert not app.error
    assert [app.number_input(key=name).value for name in ("kmin", "kmax")] == [100, 50_000]
    assert f"Keeping {best(counted, k_min=100, k_max=50_000).k:,} of" in words(app)


def test_pins_are_compared(counted):
    app = opened("explore", counts=counted.key)
    app.button(key="pin").click().run()
    app.pills(key="preset").set_value(32_000).run()
    app.button(key="pin").click().run()
    assert app.toast[0].value.startswith("Pinned 32,000 on broad")
    from pages.ui.pins import chosen, table

    pins = chosen(app.session_state["pins"])
    assert [pin.choice.k for pin in pins] == [best(counted).k, 32_000]
    rows = table(pins, pins[0])
    assert rows["vs baseline"].tolist() == [0, 32_000 - best(counted).k]
    assert rows["Δ coverage"].iloc[1] == pytest.approx(
        100 * (pins[1].choice.coverage - pins[0].choice.coverage)
    )


def test_the_cut_is_shown_from_both_sides(counted):
    app = opened("explore", counts=counted.key, k="1000")
    kept, left_out = (table.value for table in app.table)
    curve = CoverageCurve.of(counted)
    assert kept["Rank"].tolist() == list(range(991, 1001))
    assert left_out["Id"].tolist() == curve.order[1000:1010].tolist()
    assert left_out["Count"].tolist() == curve.sorted_counts[1000:1010].tolist()


def test_sizes_beyond_the_seen_tokens_say_what_padding_means(counted):
    app = opened("explore", counts=counted.key, k="60000")
    assert "keeps 10,000 tokens that never occurred" in words(app)
    curve = CoverageCurve.of(counted)
    assert app.table[0].value["Token"].tolist() == [f"`id {i}`" for i in curve.order[59_990:60_000]]


def test_what_is_said_of_a_choice_carries_its_badges(counted):
    for page in ("explore", "export"):
        said = words(opened(page))
        assert "tokens counted :green-badge[measured]" in said
        assert "step's FLOPs :orange-badge[estimated]" in said


def test_search_starts_the_command_it_shows(counted, started):
    app = opened("search", counts=counted.key, alpha="0.6")
    app.button(key="tpe_start").click().run()
    expected = [
        "optimize",
        counted.key,
        "--draft",
        "llama-3.1-8b",
        "--alpha",
        "0.6",
        "--k-min",
        "50",
        "--k-max",
        "50000",
        "--method",
        "tpe",
        "--trials",
        "100",
        "--seed",
        "42",
    ]
    assert started == [expected]


def test_search_shows_a_stored_study(counted):
    tradeoff = TradeOff(CoverageCurve.of(counted), PRESETS["llama-3.1-8b"], 0.5, 0.0, 50, 50_000)
    choice, _ = tpe.search(tradeoff, counted.key, trials=12)
    app = opened("search", counts=counted.key)
    assert not app.exception
    values = {metric.label: metric.value for metric in app.metric}
    assert values["Trials finished"] == "12"
    assert values["Best size so far"] == f"{choice.k:,} tokens"
    assert values["Regret"] == f"{tradeoff.optimum.utility - choice.utility:.6f}"
    assert "within k = 50 to 50,000 :orange-badge[estimated]" in words(app)
    app.number_input(key="tpe_trials").set_value(5).run()
    assert app.metric[0].value == "5"
    assert "After 5 trials" in words(app)


def test_a_regret_that_is_there_never_reads_as_zero():
    from pages.ui.search.study_view import regret

    assert (regret(0), regret(3e-7), regret(0.25)) == ("0.000000", "under 0.000001", "0.250000")


def test_export_hands_over_the_choice_made_on_explore(counted):
    app = opened("explore", counts=counted.key)
    app.number_input(key="k").set_value(777).run()
    app.switch_page("pages/export.py").run()
    assert not app.exception
    assert "777 tokens" in [metric.value for metric in app.metric]
    from pages.ui.export.download_view import bundle
    from pages.ui.vocabularies import InView

    tradeoff = TradeOff(CoverageCurve.of(counted), PRESETS["llama-3.1-8b"])
    view = InView("Choice", tradeoff.curve.vocabulary(777), 777, tradeoff, counted, by_hand=True)
    content, manifest = bundle(view, ("ids",), "export")
    ids = json.loads(zipfile.ZipFile(io.BytesIO(content)).read("draft-vocabulary-777/ids/ids.json"))
    assert ids["ids"] == CoverageCurve.of(counted).vocabulary(777).ids.tolist()
    assert manifest.k == 777
    assert manifest.choice["method"] == "by hand"


def test_export_warns_of_sizes_beyond_the_seen_tokens(counted):
    app = opened("export", counts=counted.key, k="60000")
    assert [w.value.count("never occur in the counts") for w in app.warning] == [1]


def test_export_without_a_format_asks_for_one(counted):
    app = opened("export", counts=counted.key)
    for tick in app.checkbox:
        tick.set_value(False)
    app.run()
    assert "Tick at least one format" in words(app)


def test_corpus_counts_what_it_shows(counted, started, tmp_path):
    rows = [
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}
    ]
    file = tmp_path / "chats.jsonl"
    file.write_text("\n".join(map(json.dumps, rows * 3)))
    app = opened("corpus")
    app.segmented_control(key="corpus_source").set_value("Path").run()
    app.text_area(key="corpus_paths").set_value(str(file)).run()
    assert not app.exception
    assert "a list of messages" in words(app)
    app.segmented_control(key="rule").set_value("content")
    app.toggle(key="reasoning").set_value(False)
    app.number_input(key="corpus_limit").set_value(2).run()
    app.button(key="count").click().run()
    assert started[-1] == [
        "count",
        "--tokenizer",
        "llama-3.1",
        "--data",
        str(file),
        "--limit",
        "2",
        "--rule",
        "content",
        "--no-reasoning",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [("", "is empty"), ("{]\n", "line 1"), ('{"a": 1}\n', "columns found: `a`")],
)
def test_corpus_says_what_is_wrong_with_a_file(counted, tmp_path, content, said):
    file = tmp_path / "bad.jsonl"
    file.write_text(content)
    app = opened("corpus")
    app.segmented_control(key="corpus_source").set_value("Path").run()
    app.text_area(key="corpus_paths").set_value(str(file)).run()
    assert not app.exception
    assert said in errors(app)


def test_a_missing_tokenizer_is_a_sentence(counted):
    app = opened("corpus")
    app.segmented_control(key="tok_source").set_value("Path").run()
    app.text_input(key="tok_path").set_value("/nowhere/at/all").run()
    assert not app.exception
    assert "There is no tokenizer /nowhere/at/all" in errors(app)


def test_every_page_shows_its_command(counted):
    for page in PAGES:
        commands = [c.value for c in opened(page).code]
        assert any(c.startswith("python -m vocabtrim_core ") for c in commands), page


def test_a_job_that_ends_while_a_page_is_drawn_has_it_drawn_again(monkeypatch):
    looks = []

    def active_ids():
        looks.append(len(looks))
        return frozenset({"a job"} if len(looks) == 1 else ())

    monkeypatch.setattr("pages.ui.jobpanel.active_ids", active_ids)
    app = testing.AppTest.from_file(str(APP), default_timeout=60).run()
    assert not app.exception
    assert len(looks) == 3  # before the page, after it, and before it is drawn again

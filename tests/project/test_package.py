"""The package: its wheel is built, installed beside this environment's packages, and used."""

from __future__ import annotations

import email
import json
import os
import re
import subprocess
import sys
import sysconfig
import time
import tomllib
import urllib.error
import urllib.request
import venv
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from helpers.visits import STREAM, drawn
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import vocabtrim_core
from benchmarks import platforms
from benchmarks.browser import free_port
from vocabtrim_core import programs
from vocabtrim_core.cli import main

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
TORCH_IS_MISSING = "import sys; sys.modules['torch'] = None"


@dataclass(frozen=True)
class Installed:
    """An environment that has the wheel, and the workspace of what runs in it."""

    bin: Path
    packages: Path  # its own site-packages
    home: Path

    def run(self, *line: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        """A command in a folder of its own."""
        return subprocess.run(
            [self.bin / str(line[0]), *line[1:]],
            cwd=self.home,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    def environment(self, **more: str) -> dict[str, str]:
        """Nothing in it leads to the checkout."""
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return {**kept, "VOCABTRIM_HOME": str(self.home / "workspace"), **more}

    @contextmanager
    def serving(self, **more: str) -> Iterator[str]:
        """`vocabtrim app` and its address, once it answers."""
        port = free_port()
        with (self.home / "server.log").open("wb") as log:
            server = subprocess.Popen(
                [self.bin / "vocabtrim", "app", "--port", str(port)],
                cwd=self.home,
                env=self.environment(**more),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            address = f"http://127.0.0.1:{port}"
            try:
                while server.poll() is None:
                    try:
                        urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
                        break
                    except OSError:
                        time.sleep(0.1)
                assert server.poll() is None, (self.home / "server.log").read_text()
                yield address
            finally:
                server.terminate()
                server.wait(timeout=60)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built as a package index would get it, without a network."""
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Installed:
    """A fresh environment: the wheel, and by path what this environment has.

    The path of an editable install is not among that, so the checkout is out of reach.
    """
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    (packages,) = (folder / "env" / "lib").glob("python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    subprocess.run(
        [
            sys.executable,
            "-m",
            "uv",
            "pip",
            "install",
            "--quiet",
            "--offline",
            "--no-deps",
            "--python",
            python,
            wheel,
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return Installed(python.parent, packages, folder)


@pytest.fixture(scope="module")
def counts(installed, make_counts_of) -> Path:
    """A counts file that the commands can read."""
    return make_counts_of(np.arange(128_256, 0, -1)).save(installed.home / "counts.npz")


# --- what it holds --------------------------------------------------------------------------------


def test_the_wheel_adds_two_folders_and_a_command(wheel):
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
        top = {name.split("/")[0] for name in names}
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        about = email.message_from_bytes(opened.read(metadata))
    assert {name for name in top if not name.endswith(".dist-info")} == {
        "vocabtrim_app",
        "vocabtrim_core",
    }
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
    assert about["Version"] == vocabtrim_core.__version__
    assert set(about.get_all("Provides-Extra")) == {"app", "cluster", "test", "train"}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheel_has_every_file_of_the_checkout(wheel):
    """By git's own list, not by the build's settings."""
    listed = subprocess.run(
        ["git", "ls-files", "app.py", "pages", "vocabtrim_core", ".streamlit/config.toml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("this is no git checkout")
    lines = listed.stdout.splitlines()
    files = {n if n.startswith("vocabtrim_core/") else f"vocabtrim_app/{n}" for n in lines}
    with zipfile.ZipFile(wheel) as opened:
        assert files <= set(opened.namelist())


def test_one_version():
    """pyproject.toml takes it from the package; the change log's newest release is that one."""
    assert "version" not in PROJECT["project"]
    assert PROJECT["project"]["dynamic"] == ["version"]
    log = (ROOT / "CHANGELOG.md").read_text("utf-8")
    released = [line.split()[1] for line in log.splitlines() if line.startswith("## ")]
    assert next(each for each in released if each != "Unreleased") == vocabtrim_core.__version__


# --- requirements ---------------------------------------------------------------------------------


ENVIRONMENTS = [
    {"sys_platform": system, "platform_machine": machine, "python_version": version}
    for system, machines in (("linux", ("x86_64", "aarch64")), ("darwin", ("x86_64", "arm64")))
    for machine in machines
    for version in ("3.11", "3.12", "3.13", "3.14")
]
everywhere = pytest.mark.parametrize(
    "environment", ENVIRONMENTS, ids=lambda each: "-".join(each.values())
)


def applying(lines: Iterable[str], environment: dict[str, str]) -> dict[str, Requirement]:
    """Package -> the one requirement that a platform and Python take from these lines."""
    found: dict[str, Requirement] = {}
    for line in lines:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            name = canonicalize_name(requirement.name)
            assert name not in found, line
            found[name] = requirement
    return found


def pinned_lines() -> list[str]:
    """requirements.txt without its comments."""
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    return [bare for line in lines if (bare := line.partition("#")[0].strip())]


def required_lines(*extras: str) -> list[str]:
    """The dependencies of the package, and those of its extras."""
    optional = PROJECT["project"]["optional-dependencies"]
    return [*PROJECT["project"]["dependencies"], *(line for e in extras for line in optional[e])]


@everywhere
def test_what_is_pinned_is_what_the_package_and_its_app_need(environment):
    """The same packages, and every pin within its range."""
    pins = applying(pinned_lines(), environment)
    ranges = applying(required_lines("train"), environment)
    assert pins.keys() == ranges.keys()
    for name, pin in pins.items():
        (only,) = pin.specifier
        assert only.operator == "=="
        assert ranges[name].specifier.contains(only.version, prereleases=True), name


def test_the_platforms_are_those_that_are_resolved():
    assert set(platforms.PYTHONS) == {each["python_version"] for each in ENVIRONMENTS}
    assert len(ENVIRONMENTS) == len(platforms.PLATFORMS) * len(platforms.PYTHONS)
    supported = SpecifierSet(PROJECT["project"]["requires-python"])
    assert all(supported.contains(version) for version in platforms.PYTHONS)
    assert not supported.contains("3.10.14")
    assert not supported.contains("3.15.0")
    said = (ROOT / "benchmarks" / "results" / "platforms.md").read_text("utf-8")
    assert (
        len(re.findall(r"^\| (?:Linux|macOS).*\d packages \| \d+ packages \|$", said, re.M)) == 16
    )


def test_extras_agree():
    extras = PROJECT["project"]["optional-dependencies"]
    assert extras["app"] == ["vocabtrim-explorer[train]"]
    tested = {r.name: r for r in map(Requirement, extras["test"])}
    assert all(str(r.specifier).startswith("==") for r in tested.values())
    for requirement in map(Requirement, extras["cluster"]):
        (pin,) = tested[requirement.name].specifier
        assert requirement.specifier.contains(pin.version)


# --- in use ---------------------------------------------------------------------------------------


def test_the_command_runs_from_the_wheel(installed, counts):
    assert installed.run("vocabtrim", "--version").stdout.strip() == vocabtrim_core.__version__
    where = installed.run("python", "-c", "import vocabtrim_core; print(vocabtrim_core.__file__)")
    assert Path(where.stdout.strip()).is_relative_to(installed.packages)
    by_name = installed.run("vocabtrim", "optimize", counts, "--json")
    by_module = installed.run("python", "-m", "vocabtrim_core", "optimize", counts, "--json")
    assert by_name.returncode == by_module.returncode == 0, by_name.stderr
    assert json.loads(by_name.stdout) == json.loads(by_module.stdout)
    assert "usage: vocabtrim " in installed.run("vocabtrim", "--help").stdout
    whole = installed.run("python", "-m", "vocabtrim_core", "--help").stdout
    assert "usage: python -m vocabtrim_core " in whole


def test_bad_input_is_a_sentence_and_exit_code_2(installed):
    done = installed.run("vocabtrim", "app", "--port", "http")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "'http' is not a port" in done.stderr


def test_a_job_starts_from_the_wheel(installed, counts):
    """As the app starts it: a process of its own, which finds the package by itself."""
    code = (
        "import sys; from vocabtrim_core.jobs import control as jobs\n"
        "job = jobs.wait(jobs.start(['optimize', sys.argv[1]], 'A job').id, 120)\n"
        "print(job.state, job.message)"
    )
    done = installed.run("python", "-P", "-c", code, counts)
    assert done.stdout.split()[:1] == ["done"], (done.stdout, done.stderr)


def test_without_torch_a_command_that_needs_it_says_what_to_install(installed, counts):
    (installed.packages / "notorch.pth").write_text(TORCH_IS_MISSING)
    try:
        fine = installed.run("vocabtrim", "optimize", counts)
        done = installed.run("vocabtrim", "probe", "--draft", "llama-3.2-1b")
    finally:
        (installed.packages / "notorch.pth").unlink()
    assert fine.returncode == 0, fine.stderr
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "pip install 'vocabtrim-explorer[train]'" in done.stderr.splitlines()[-1]


def test_a_job_without_the_package_is_a_sentence(tmp_path):
    """A checkout whose requirements alone are installed, as `streamlit run` finds it."""
    code = (
        "import sys; from vocabtrim_core.jobs import control\n"
        "control.COMMAND = (sys.executable, '-P', '-m', 'vocabtrim_core')\n"
        "try: control.start(['drafts'], 'A job')\n"
        "except control.InputError as error: print(error)"
    )
    venv.create(tmp_path / "env", with_pip=False)
    (packages,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    environment = {**os.environ, "VOCABTRIM_HOME": str(tmp_path / "home")}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [tmp_path / "env" / "bin" / "python", "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout.startswith("vocabtrim-explorer is not installed for "), done.stderr
    assert list((tmp_path / "home" / "jobs").glob("*/spec.json")) == []


def answer(address: str, path: str, **headers: str) -> int:
    """The status of one request."""
    request = urllib.request.Request(f"{address}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            assert response.headers["Content-Security-Policy"] == "frame-ancestors 'self'"
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def test_the_app_of_the_wheel_starts_behind_its_guard(installed):
    """In a folder whose own files are named like the app's, and whose settings would open it."""
    (installed.home / "app.py").write_text("raise SystemExit('the wrong app')")
    (installed.home / "pages").mkdir()
    (installed.home / "pages" / "__init__.py").write_text("raise SystemExit('the wrong pages')")
    (installed.home / "streamlit.py").write_text("raise SystemExit('the wrong streamlit')")
    (installed.home / ".streamlit").mkdir()
    (installed.home / ".streamlit" / "config.toml").write_text(
        '[server]\naddress = "0.0.0.0"\nenableXsrfProtection = false\nenableCORS = false\n'
    )
    with installed.serving() as address:
        assert answer(address, "/") == 200
        assert answer(address, "/", Host="evil.test") == 403
        assert answer(address, "/", Origin="http://evil.test") == 403
        with pytest.raises(InvalidStatus, match="403"):
            connect(address.replace("http", "ws") + STREAM, origin="http://evil.test")
        said = "".join(drawn(address, "throughput"))
        assert "Nothing is measured yet" in said
        forged = urllib.request.Request(
            f"{address}/_stcore/upload_file/s/f", b"", {"Origin": address}, method="PUT"
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(forged, timeout=60)
        assert refused.value.code == 403
        assert b"XSRF" in refused.value.read()


def test_a_setting_that_is_wrong_ends_the_start_with_a_sentence(installed):
    done = installed.run(
        "vocabtrim", "app", "--port", str(free_port()), VOCABTRIM_ALLOWED_HOSTS="http://gpu-box"
    )
    assert done.returncode == 2
    assert done.stderr.startswith("VOCABTRIM_ALLOWED_HOSTS: 'http://gpu-box' is not a host name")


def test_the_app_is_not_started_by_a_job(monkeypatch, capsys):
    monkeypatch.setattr(programs, "as_job", lambda: True)
    monkeypatch.setattr(os, "execv", lambda *_: pytest.fail("it was started"))
    assert main(["app"]) == 2
    assert "from a shell only" in capsys.readouterr().err

"""Who may reach the app: Host and Origin in every spelling, on a server nobody has opened yet."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from helpers.lazy import Lazy
from helpers.visits import STREAM, drawn
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.browser import ROOT, free_port, serving
from vocabtrim_core.access import LOOPBACK, allowed_hosts, has_token, refusal, start_token
from vocabtrim_core.errors import InputError

guard = Lazy("pages.ui.guard")
back_msg = Lazy("streamlit.proto.BackMsg_pb2")
forward_msg = Lazy("streamlit.proto.ForwardMsg_pb2")

SETTING = "VOCABTRIM_ALLOWED_HOSTS"
OWN = ("localhost", "127.0.0.1", "[::1]", "LocalHost", "[0:0:0:0:0:0:0:1]")
FOREIGN = (
    "evil.test",
    "EVIL.TEST",
    "evil.test.",
    "127.0.0.1.evil.com",
    "localhost.evil.com",
    "evil.com#localhost",
    "localhost@evil.com",
    "user:pass@localhost",
    "localhost/evil.com",
    "localhost.",
    "127.0.0.1.",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "0.0.0.0",
    "127.0.0.2",
    "[::]",
    "::1",
    "[::1",
    "[::1]evil",
    "[::ffff:127.0.0.1]",
    "[::1%25lo]",
    "localhost,evil.test",
    "localhost evil.test",
    "xn--localhost-.test",
    "l\u00f6calhost",
    "*",
    "-",
)
ORIGINS = (  # foreign to http://127.0.0.1:PORT
    "null",
    "",
    "file://",
    "https://evil.test",
    "http://evil.test:{port}",
    "http://127.0.0.1",
    "http://127.0.0.1:1",
    "http://localhost:{port}",
    "http://127.0.0.1.evil.com:{port}",
    "http://127.0.0.1:{port}@evil.test",
    "http://u@127.0.0.1:{port}",
    "http://127.0.0.1:{port}/",
    "http://evil.test#http://127.0.0.1:{port}",
    "127.0.0.1:{port}",
    "//127.0.0.1:{port}",
    "ws://127.0.0.1:{port}",
    "chrome-extension://127.0.0.1:{port}",
    "http://127.0.0.1:{port}, http://evil.test",
    "http://127.0.0.1:{port}.evil.test",
)
UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
SERVER_TOO = {400, 403}  # what the server underneath may refuse as malformed before the guard does


# --- the judgement ------------------------------------------------------------------------------


def judged(host: str | None, origin: str | None = None, websocket: bool = False, **more) -> bool:
    """Whether a request passes."""
    hosts = [] if host is None else [host.encode()]
    origins = [] if origin is None else [origin.encode()]
    return refusal(hosts, origins, more.get("allowed", LOOPBACK), websocket=websocket) is None


@pytest.mark.parametrize("host", OWN)
@pytest.mark.parametrize("port", ["", ":1", ":8501", ":65535"])
def test_own_names_pass_at_any_port(host, port):
    assert judged(host + port)
    assert judged(host + port, f"http://{host}{port}", websocket=True)


NO_HOST = (
    "",
    "localhost:",
    "localhost:0",
    "localhost:65536",
    "localhost:8501:8501",
    "localhost:85a1",
    " localhost",
)


@pytest.mark.parametrize("host", [*FOREIGN, *NO_HOST])
def test_every_other_name_is_refused_whatever_its_origin(host):
    assert not judged(host)
    assert not judged(host, f"http://{host}", websocket=True)
    assert not judged(host, "http://localhost", websocket=True)


def test_a_request_names_one_host_and_at_most_one_origin():
    assert refusal([], [], LOOPBACK, websocket=False)
    assert refusal([b"localhost"] * 2, [], LOOPBACK, websocket=False)
    assert refusal([b"localhost"], [b"http://localhost"] * 2, LOOPBACK, websocket=False)


def test_a_websocket_needs_an_origin_and_a_plain_request_does_not():
    assert judged("localhost:8501")
    assert not judged("localhost:8501", websocket=True)


@pytest.mark.parametrize("websocket", [True, False])
@pytest.mark.parametrize("origin", ORIGINS)
def test_an_origin_other_than_the_host_is_refused(origin, websocket):
    assert not judged("127.0.0.1:8501", origin.format(port=8501), websocket)


@pytest.mark.parametrize(
    ("host", "origin", "passes"),
    [
        ("gpu-box.example", "https://gpu-box.example", True),
        ("gpu-box.example:443", "https://gpu-box.example", True),
        ("gpu-box.example", "http://gpu-box.example:80", True),
        ("gpu-box.example:80", "https://gpu-box.example", False),
        ("gpu-box.example", "https://other.gpu-box.example", False),
        ("other.gpu-box.example", "https://other.gpu-box.example", False),
        ("127.0.0.1:8501", "https://gpu-box.example", False),  # a proxy that changes the Host
    ],
)
def test_a_name_that_is_allowed_passes_with_its_own_origin_only(host, origin, passes):
    assert judged(host, origin, True, allowed=LOOPBACK | {"gpu-box.example"}) is passes


@given(st.text("localhst127.0[]:@/#?%\\ evil-", max_size=24) | st.text(max_size=12))
def test_what_passes_is_an_own_name_to_another_parser(host):
    if judged(host):
        found = urlsplit(f"//{host}")
        assert found.hostname in {"localhost", "127.0.0.1", "::1", "0:0:0:0:0:0:0:1"}
        assert (found.username, found.path, found.query, found.fragment) == (None, "", "", "")


# --- the setting --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_", "more"),
    [
        ("", set()),
        (" ,\t", set()),
        ("gpu-box", {"gpu-box"}),
        ("GPU-box.Example, 10.0.0.5", {"gpu-box.example", "10.0.0.5"}),
        ("[fd00:0:0::5] fd00::6", {"fd00::5", "fd00::6"}),
    ],
)
def test_the_setting_adds_names(given_, more, monkeypatch):
    monkeypatch.setenv(SETTING, given_)
    assert allowed_hosts() == LOOPBACK | more


WRONG = (
    "http://gpu-box",
    "gpu-box:8501",
    "*",
    "*.example",
    "gpu-box/x",
    "gpu-box.",
    ".example",
    "a..b",
    "-a",
    "10.0.0.256",
    "10.1",
    "0x0a.0.0.5",
    "host.0x7f",
    "[10.0.0.5",
    "gpü-box",
    "a" * 64,
    "fe80::1%lo",
)


@pytest.mark.parametrize("entry", WRONG)
def test_a_setting_that_is_no_name_is_said_in_one_sentence(entry, monkeypatch):
    monkeypatch.setenv(SETTING, f"good.example,{entry}")
    with pytest.raises(InputError, match=SETTING):
        allowed_hosts()


def test_the_app_does_not_start_with_a_wrong_setting(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(free_port())],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "VOCABTRIM_HOME": str(tmp_path), SETTING: "http://gpu-box"},
    )
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        "VOCABTRIM_ALLOWED_HOSTS: 'http://gpu-box' is not a host name or an IP address; give names "
        "such as gpu-box.example or 10.0.0.5, separated by commas, without scheme, port or "
        "wildcard."
    ]


# --- a server -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def port(tmp_path_factory) -> int:
    """Port of a running app that nobody has opened."""
    home = tmp_path_factory.mktemp("access")
    with serving(home, **{SETTING: "gpu-box.example"}) as address:
        yield int(address.rsplit(":", 1)[1])


def ask(port: int, target: str, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    """The raw answer to a raw request, as far as its first 64 KiB."""
    lines = [f"{method} {target} HTTP/{version}", *headers, "", ""]
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall("\r\n".join(lines).encode())
        answer = b""
        while len(answer) < 2**16 and not (
            answer.startswith(b"HTTP/1.1 101") and b"\r\n\r\n" in answer
        ):
            if not (piece := connection.recv(2**16)):
                break
            answer += piece
    return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def upgrade(port: int, *headers: str) -> int:
    """Status of a websocket upgrade."""
    return status(ask(port, STREAM, *UPGRADE, *headers))


@pytest.mark.parametrize("host", FOREIGN)
def test_an_upgrade_to_a_foreign_host_is_refused(port, host):
    for name in (host, f"{host}:{port}"):
        expected = {403} if name.isascii() else SERVER_TOO
        assert upgrade(port, f"Host: {name}", f"Origin: http://{name}") in expected
        assert upgrade(port, f"Host: {name}", f"Origin: http://127.0.0.1:{port}") in expected


@pytest.mark.parametrize("origin", ORIGINS)
def test_an_upgrade_from_a_foreign_origin_is_refused(port, origin):
    host = f"Host: 127.0.0.1:{port}"
    assert upgrade(port, host, f"Origin: {origin.format(port=port)}") == 403


def test_an_upgrade_without_an_origin_or_with_two_is_refused(port):
    host, own = f"Host: 127.0.0.1:{port}", f"Origin: http://127.0.0.1:{port}"
    assert upgrade(port, host) == 403
    for other in (own, "Origin: http://evil.test"):
        assert upgrade(port, host, own, other) in SERVER_TOO


@pytest.mark.parametrize(
    "name", ["127.0.0.1", "localhost", "[::1]", "LOCALHOST", "gpu-box.example"]
)
def test_an_upgrade_of_our_own_page_is_accepted(port, name):
    assert upgrade(port, f"Host: {name}:{port}", f"Origin: http://{name}:{port}") == 101
    assert upgrade(port, f"Host: {name}", f"Origin: https://{name}") == 101  # behind a proxy


@pytest.fixture(scope="module")
def paths(port) -> list[str]:
    """One path of every kind of route."""
    index = ask(port, "/", f"Host: localhost:{port}", "Connection: close").decode()
    script = re.search(r'src="\.?(/static/[^"]+\.js)"', index)[1]
    return [
        "/",
        "/explore",
        "/?counts=0",
        "/_stcore/health",
        "/_stcore/host-config",
        script,
        "/static/missing.js",
        "/media/missing.png",
        "/component/x/index.html",
        "/nothing/here",
        "/_stcore/upload_file/s/f",
        STREAM,
        "/_stcore/metrics",
    ]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_no_route_answers_to_a_foreign_host_or_origin(port, paths, method):
    close = ("Connection: close", "Content-Length: 0")
    for path in paths:
        for headers in (
            ["Host: evil.test"],
            [f"Host: evil.test:{port}", "Origin: http://evil.test"],
            [f"Host: localhost:{port}", "Origin: http://evil.test"],
            [f"Host: localhost:{port}", "Origin: null"],
        ):
            answer = ask(port, path, *headers, *close, method=method)
            assert status(answer) == 403, (path, headers)
            assert method == "HEAD" or b"\r\n\r\nRefused: " in answer
        answer = ask(port, path, f"Host: localhost:{port}", *close, method=method)
        assert b"\r\n\r\nRefused: " not in answer, path


def test_pages_and_files_are_served_to_our_own_names(port, paths):
    for path in (*paths[:6],):
        for name in ("localhost", "127.0.0.1", "[::1]", "gpu-box.example"):
            assert status(ask(port, path, f"Host: {name}:{port}", "Connection: close")) == 200


def test_a_request_without_a_host_or_with_two_is_refused(port):
    own = f"Host: localhost:{port}"
    assert status(ask(port, "/", version="1.0")) == 403
    assert status(ask(port, "/", "Connection: close")) in SERVER_TOO
    assert status(ask(port, "/", own, "Host: evil.test", "Connection: close")) in SERVER_TOO
    assert status(ask(port, STREAM, own, "Host: evil.test", *UPGRADE)) in SERVER_TOO


def test_an_upload_needs_the_token_of_our_own_page(port):
    answer = ask(
        port,
        "/_stcore/upload_file/session/file",
        f"Host: localhost:{port}",
        f"Origin: http://localhost:{port}",
        "Content-Length: 0",
        "Connection: close",
        method="PUT",
    )
    assert status(answer) == 403
    assert b"XSRF" in answer


def test_every_answer_says_who_may_frame_and_read_it(port, paths):
    for path in paths[:7]:
        head = ask(port, path, f"Host: localhost:{port}", "Connection: close").split(b"\r\n\r\n")[0]
        said = dict(line.lower().split(b": ", 1) for line in head.splitlines()[1:])
        assert said[b"content-security-policy"] == b"frame-ancestors 'self'"
        assert said[b"x-content-type-options"] == b"nosniff"
        assert said[b"referrer-policy"] == b"same-origin"
        assert said[b"cross-origin-resource-policy"] == b"same-origin"


# --- pages that are not behind the guard ----------------------------------------------------------


def test_a_server_without_the_guard_shows_nothing_but_how_to_start_it(tmp_path):
    page = sorted((ROOT / "pages").glob("*.py"))[0]
    with serving(tmp_path, script=f"pages/{page.name}") as address:
        said = drawn(address, "")
    (alone,) = said
    assert guard.UNGUARDED in alone


def test_with_the_guard_the_page_is_drawn(port):
    said = "".join(drawn(f"http://127.0.0.1:{port}", "throughput"))
    assert "Nothing is measured yet" in said
    assert guard.UNGUARDED not in said


def test_every_page_asks_for_the_guard_first():
    for page in (ROOT / "pages").glob("*.py"):
        body = page.read_text("utf-8").split('"""', 2)[2]
        calls = re.search(r"^(?!import|from|\s|\)|#)\S.*$", body, re.MULTILINE)
        assert calls, page.name
        assert calls[0] == "require_router()", page.name
    assert "require_guard()" in Path(ROOT / "app.py").read_text("utf-8")


@pytest.mark.parametrize("token", ["short", "with a blank in it!", "x" * 201, "a/b" * 10])
def test_tokens_that_an_address_cannot_hold_are_refused(token, monkeypatch):
    monkeypatch.setenv("VOCABTRIM_TOKEN", token)
    with pytest.raises(InputError, match="16 to 200 letters"):
        start_token()


def test_a_token_is_right_or_wrong(monkeypatch):
    monkeypatch.setenv("VOCABTRIM_TOKEN", "sixteen-letters-x")
    token = start_token()
    assert has_token(token, ["", "wrong", token])
    for wrong in ("", token[:-1], token + "x", token.upper(), "\u00e9" * 17):
        assert not has_token(token, [wrong])
    monkeypatch.delenv("VOCABTRIM_TOKEN")
    assert start_token() == ""

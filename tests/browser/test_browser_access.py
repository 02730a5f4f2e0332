"""A web page of another name, in headless Chromium: it must not get at the app on this machine."""

from __future__ import annotations

import pytest
from helpers.browser_kit import (
    NEEDS_BROWSER,
    browser,
    serving,
)

pytestmark = NEEDS_BROWSER
# What the owner of evil.test does with a name server of their own, without one.
REBOUND = "--host-resolver-rules=MAP evil.test 127.0.0.1"
OPEN = """address => new Promise(done => {
  const socket = new WebSocket(address + "/_stcore/stream", ["streamlit"]);
  socket.onopen = () => done("opened");
  socket.onerror = () => done("refused");
})"""
READ = """address => fetch(address + "/_stcore/health", {mode: "no-cors"})
  .then(answer => answer.type + " " + answer.status, () => "refused")"""


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("access")) as address:
        yield address


@pytest.fixture(scope="module")
def context():
    with browser(REBOUND) as context:
        yield context


@pytest.fixture
def page(context):
    page = context.new_page()
    yield page
    page.close()


def test_a_page_whose_name_leads_here_gets_nothing(page, app):
    foreign = app.replace("127.0.0.1", "evil.test")
    answer = page.goto(foreign)
    assert answer.status == 403
    assert page.inner_text("body").startswith("Refused: this app does not answer")
    # It is a page of evil.test all the same, whose scripts may ask on:
    assert page.evaluate("location.hostname") == "evil.test"
    assert page.evaluate(OPEN, foreign.replace("http", "ws")) == "refused"
    assert page.evaluate(OPEN, app.replace("http", "ws")) == "refused"
    assert page.evaluate(READ, foreign) == "basic 403"
    assert page.evaluate(READ, app) == "refused"  # and cannot be read, not even as a picture


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_under_its_own_names_the_app_opens(page, app, name):
    own = app.replace("127.0.0.1", name)
    page.goto(f"{own}/throughput")
    page.get_by_text("Nothing is measured yet").first.wait_for()
    assert page.evaluate(OPEN, own.replace("http", "ws")) == "opened"


def test_with_a_token_only_the_browser_that_has_it_gets_in(context, tmp_path):
    token = "a-token-of-sixteen-letters"
    with serving(tmp_path, VOCABTRIM_TOKEN=token) as address:
        page = context.new_page()
        for wrong in (address, f"{address}/?token=another-of-sixteen-letters", f"{address}/train"):
            answer = page.goto(wrong)
            assert answer.status == 403
            assert "asks for a token" in page.inner_text("body")
            assert page.evaluate(OPEN, address.replace("http", "ws")) == "refused"
        page.goto(f"{address}/throughput?token={token}")
        page.get_by_text("Nothing is measured yet").first.wait_for()
        assert "token" not in page.url
        page.goto(f"{address}/train")  # the cookie is enough from now on
        page.get_by_role("heading", name="Train").first.wait_for()
        page.close()

"""A page that goes wrong is noticed: without this, a browser test that passes says nothing."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.extended

WRONG = {
    "a_script_that_fails": ("<script>missing()</script>", "script: missing is not defined"),
    "an_error_on_the_console": ("<script>console.error('so')</script>", "console: so"),
    "a_picture_that_is_not_there": ("<img src='missing.png'>", "missing.png failed"),
    "a_request_that_leaves_the_machine": ("<img src='https://example.org/x.png'>", "is not on this machine"),
}


@pytest.fixture
def allowed_troubles() -> tuple[str, ...]:
    """All of them: they are what is asked for here."""
    return (".*",)


@pytest.mark.parametrize(("body", "noticed"), WRONG.values(), ids=WRONG)
def test_a_page_that_goes_wrong_is_noticed(
    page: Page, troubles: list[str], tmp_path: Path, body: str, noticed: str
) -> None:
    path = tmp_path / "page.html"
    path.write_text(f"<html><body>{body}</body></html>", encoding="utf-8")
    page.goto(path.as_uri(), wait_until="networkidle")
    assert any(noticed in one for one in troubles), troubles


def test_a_page_that_is_well_says_nothing(page: Page, troubles: list[str], tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("<html><body><p>well</p></body></html>", encoding="utf-8")
    page.goto(path.as_uri(), wait_until="networkidle")
    assert page.inner_text("p") == "well"
    assert troubles == []

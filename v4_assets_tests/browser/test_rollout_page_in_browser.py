"""The rollout page in a browser: what a sales leader looks for is there, in light and dark, wide and narrow."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from v4_assets_tests.fixtures.rollout_pages import written

pytestmark = pytest.mark.extended

CONTRAST = """() => {
  const context = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const channels = (stack) => {
    context.clearRect(0, 0, 1, 1);
    for (const colour of stack) { context.fillStyle = colour; context.fillRect(0, 0, 1, 1); }
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (rgb) => rgb.map(value => value / 255)
    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    const stack = [];
    for (let one = element; one; one = one.parentElement) stack.unshift(getComputedStyle(one).backgroundColor);
    return stack;
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || ['STYLE', 'CAPTION'].includes(element.tagName)) continue;
    const style = getComputedStyle(element), grounds = behind(element);
    const colour = element.namespaceURI.endsWith('svg') ? style.fill : style.color;
    const [a, b] = [channels([...grounds, colour]), channels(grounds)].map(luminance);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found.push({text: walker.currentNode.textContent.trim().slice(0, 40), ratio});
  }
  return found;
}"""
"""Text to its contrast with what lies behind it, by WCAG's formula."""


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    return written(tmp_path_factory.mktemp("page")).as_uri()


def test_it_shows_what_is_live_why_and_the_charts(page: Page, address: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    assert page.get_by_role("heading", level=1).all_inner_texts() == [
        "v4.0.0 has been live since 9 February 2026, v4.1.0 was rolled back"
    ]
    assert page.get_by_text("its top-decile lift was 1.12 and 1.04 at 2 week-closes running").is_visible()
    lift, deciles = page.get_by_role("img").all()
    assert lift.bounding_box()["width"] > 600  # type: ignore[index] # it has a box: it is visible
    assert lift.get_by_text("promote at 2").is_visible()
    assert lift.get_by_text("rollback", exact=True).is_visible()
    assert deciles.get_by_text("decile, 10 = top").is_visible()
    assert asked == [address]


def test_it_has_landmarks_names_and_a_language(page: Page, address: str) -> None:
    page.goto(address)
    assert page.locator("html").get_attribute("lang") == "en"
    assert [page.get_by_role(role).count() for role in ("banner", "main", "contentinfo")] == [1, 1, 1]
    headings = page.get_by_role("heading", level=2).all_inner_texts()
    assert [page.get_by_role("region", name=one, exact=True).count() for one in headings] == [1] * len(headings)
    assert {"Open problems", "Salesforce", "History", "What the numbers cannot say"} <= set(headings)
    assert all(one.get_attribute("aria-label") for one in page.get_by_role("img").all())
    assert page.get_by_role("table", name="History").get_by_role("columnheader").all_inner_texts() == [
        "when",
        "what",
        "version",
        "by",
        "why",
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_stands_out_from_what_is_behind_it(page: Page, address: str, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # parametrized with the schemes
    page.goto(address)
    found = page.evaluate(CONTRAST)
    assert len(found) > 200
    assert [one for one in found if one["ratio"] < 4.5] == []


def test_dark_is_dark_and_light_is_light(page: Page, address: str) -> None:
    grounds = []
    schemes: list[Any] = ["light", "dark"]
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        page.goto(address)
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(251, 250, 247)", "rgb(21, 24, 28)"]


def test_on_a_phone_only_tables_and_charts_scroll_sideways(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") == 400


def test_it_prints_on_white(page: Page, address: str, tmp_path: Path) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    page.goto(address)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert [one for one in page.evaluate(CONTRAST) if one["ratio"] < 4.5] == []
    assert page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True).startswith(b"%PDF")

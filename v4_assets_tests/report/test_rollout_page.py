"""The rollout page is whole, asks for nothing, and shows what people typed as text."""

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from v4_assets.config.environment import load
from v4_assets.report import publishing
from v4_assets.report.html import as_html
from v4_assets.report.publishing import draw, publish
from v4_assets.report.wording import free
from v4_assets_tests.fixtures.rollout_pages import NASTY, report, written

VOID = {"meta", "link", "br", "hr", "img", "input"}
LOADING = {"script", "link", "img", "iframe", "object", "embed", "audio", "video", "source", "form", "a", "base"}


class Seen(HTMLParser):
    """Every element with its attributes, the text inside each, and whether everything was closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
            self.text.setdefault(tag, []).append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.text[tag][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> str:
    return written(tmp_path_factory.mktemp("page")).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def seen(text) -> Seen:
    return Seen(text)


def test_the_headline_says_what_is_live_since_when_and_why(seen):
    assert seen.text["h1"] == ["v4.0.0 has been live since 9 February 2026, v4.1.0 was rolled back"]
    assert seen.text["title"] == seen.text["h1"]
    why = "v4.1.0 was rolled back: its top-decile lift was 1.12 and 1.04 at 2 week-closes running, where at least 1.5"
    assert why in seen.text["header"][0]


def test_every_element_is_closed_and_every_id_is_one_element_s(seen):
    assert seen.open == []
    ids = Counter(attributes["id"] for _, attributes in seen.elements if "id" in attributes)
    assert [name for name, times in ids.items() if times > 1] == []
    assert all(attributes["aria-labelledby"] in ids for attributes in seen.all("section"))


def test_what_people_typed_is_text(seen):
    assert sum('<script>alert("x")</script>' in cell for cell in seen.text["td"]) == 1
    assert any('<script>alert("x")</script>' in item for item in seen.text["li"])
    assert not LOADING & {tag for tag, _ in seen.elements}


def test_the_page_asks_for_nothing(text, seen):
    asked = [
        (tag, name, value)
        for tag, attributes in seen.elements
        for name, value in attributes.items()
        if name in ("src", "href", "action", "data", "srcset", "poster") and not str(value).startswith("#")
    ]
    assert asked == []
    assert re.findall(r"@import|url\((?!#)", text) == []
    assert [tag for tag, attributes in seen.elements if any(name.startswith("on") for name in attributes)] == []


def test_tables_have_captions_and_scopes(seen):
    assert len(seen.all("table")) == len(seen.all("caption")) == len(seen.all("div")) >= 7
    assert {attributes.get("scope") for attributes in seen.all("th")} == {"col", "row"}
    assert all(seen.text["caption"])


def test_charts_carry_their_numbers_in_words(seen):
    lift, by_decile = (attributes["aria-label"] for attributes in seen.all("svg"))
    assert "v4.1.0: 2.40 on 2026-01-12, 1.04 on 2026-02-09; " in lift
    assert "rollback of v4.0.0 on 2026-02-09" in lift
    assert "v4.1.0 from decile 1 to 10: 0.6, 1.2" in by_decile
    assert [attributes["role"] for attributes in seen.all("svg")] == ["img", "img"]


def test_charts_take_their_colours_from_the_page(text):
    drawn = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawn) == 2
    for one in drawn:
        loose = re.sub(r"var\(--[\w-]+, #[0-9a-f]{6}\)", "", one)
        assert set(re.findall(r"#[0-9a-f]{6}\b", loose)) <= {"#000000"}, "a colour that dark mode cannot change"


def test_a_page_is_small(text):
    assert len(text.encode()) < 400_000


@pytest.mark.parametrize(
    "typed",
    ["a * b * c", "_x_ and __y__", "1 < 2 & 3", "[a](b) ![c](d)", "<http://x.example>", "back \\ slash", "odd ` tick"],
)
def test_free_text_reads_on_the_page_as_it_was_typed(typed):
    page = Seen(as_html(f"# t\n\nSaid: {free(typed)}\n", {}))
    assert page.text["header"][0].strip().endswith(f"Said: {typed.replace('`', chr(39))}")


def test_the_nasty_text_stays_one_line_in_a_table():
    assert "\n" not in free(f"{NASTY}\n\n# heading")


def test_readers_see_the_old_page_until_the_new_one_is_whole(tmp_path):
    page = written(tmp_path)
    before = page.read_bytes()
    with patch.object(Path, "replace", side_effect=OSError("killed")), pytest.raises(OSError, match="killed"):
        written(tmp_path)
    assert page.read_bytes() == before


def test_a_page_without_evidence_has_no_charts(tmp_path):
    bare = replace(report(), evidence=[], recorded=[], deciles=[], gates=())
    assert draw(bare, load({}).rollout) == {}
    assert "<svg" not in publish(tmp_path, bare, {}).read_text(encoding="utf-8")


def test_a_failed_page_is_reported_and_not_raised(tmp_path):
    with patch.object(publishing, "gather", side_effect=ValueError("no evidence")):
        nothing: Any = None
        said = publishing.rewrite(nothing, nothing, nothing, nothing, nothing)
    assert said == "The rollout page could not be written, `v4 report` tries again: ValueError: no evidence"

"""The rollout page: the report of the day as one self-contained HTML file. Pure; page.html is its template."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

TEMPLATE = Path(__file__).with_name("page.html")
VERDICTS = {"PASS": "good", "met": "good", "INCONCLUSIVE": "open", "open": "open", "FAIL": "bad", "missed": "bad"}
"""What stands alone in a cell and is marked as a verdict."""


def as_html(markdown: str, drawings: Mapping[str, str]) -> str:
    """The page of a report. `drawings`: the file a picture names to its SVG, which is put in its place.

    Nothing in the Markdown becomes HTML, a link or a picture, whatever its author typed.
    """
    parser = _parser()
    tokens = parser.parse(markdown)
    _tables_for_everybody(tokens)
    # `drawings` reaches the picture's rule through the renderer's own environment.
    body = parser.renderer.render(_sections(tokens), parser.options, {"drawings": drawings})
    title = next(one.content for one in tokens if one.type == "inline")
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(title=escape(title), body=body)


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "autolink", "html_inline"])
    parser.add_render_rule("image", _picture)
    return parser


def _picture(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Mapping[str, Mapping[str, str]]
) -> str:
    """Our own drawing; of any other picture only its words."""
    drawing = env["drawings"].get(str(tokens[index].attrs["src"]))
    return drawing if drawing is not None else escape(tokens[index].content)


def _tables_for_everybody(tokens: list[Token]) -> None:
    """Scopes for header cells, the first cell of a row as its header, verdicts marked."""
    in_body = first = False
    for number, token in enumerate(tokens):
        if token.type in ("thead_open", "tbody_open"):
            in_body = token.type == "tbody_open"
        elif token.type == "tr_open":
            first = in_body
        elif token.type == "th_open":
            token.attrs["scope"] = "col"
        elif token.type == "td_open":
            if first:
                token.tag, token.attrs["scope"] = "th", "row"
            elif kind := VERDICTS.get(tokens[number + 1].content):
                token.attrs["class"] = f"verdict {kind}"
        elif token.type == "td_close":
            token.tag, first = ("th", False) if first else ("td", False)


def _sections(tokens: Sequence[Token]) -> list[Token]:
    """The head as header, every heading's part as a section named by it, tables with their heading as caption."""
    made = [_html('<header class="head">')]
    closing, heading = "</header>\n<main>", ""
    for number, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h2":
            heading = tokens[number + 1].content
            name = re.sub(r"\W+", "-", heading.lower()).strip("-")
            made.append(_html(f'{closing}\n<section aria-labelledby="{name}" class="{name}">'))
            token.attrs["id"], closing = name, "</section>"
        if token.type == "table_open":
            made.append(_html(f'<div class="wide" role="region" tabindex="0" aria-label="{escape(heading)}, table">'))
        made.append(token)
        if token.type == "table_open":
            made.append(_html(f"<caption>{escape(heading)}</caption>"))
        elif token.type == "table_close":
            made.append(_html("</div>"))
    return [*made, _html(f"{closing}\n</main>")]


def _html(text: str) -> Token:
    return Token("html_block", "", 0, content=f"{text}\n")

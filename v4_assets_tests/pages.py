"""The project's pages as tests read them: fenced blocks, inline code, headings and links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from v4_assets.settings import PROJECT

PAGES = sorted(
    path
    for path in [*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), *PROJECT.glob("deploy/**/*.md")]
    if ".venv" not in path.parts
)


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    language: str
    text: str
    line: int


def tokens(path: Path) -> Iterator[Token]:
    """All tokens of a page, those inside of lines included."""
    for token in MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8")):
        yield token
        yield from token.children or ()


def blocks(path: Path, language: str) -> list[Block]:
    """The fenced blocks in a language, in their order."""
    return [
        Block(language, token.content, (token.map or [0])[0] + 1)
        for token in tokens(path)
        if token.type == "fence" and token.info.strip() == language
    ]


def inline_code(path: Path) -> list[str]:
    """What stands between backticks in prose and tables."""
    return [token.content for token in tokens(path) if token.type == "code_inline"]


def links(path: Path) -> list[str]:
    """Where links and images point."""
    wanted = {"link_open": "href", "image": "src"}
    return [str(token.attrs[wanted[token.type]]) for token in tokens(path) if token.type in wanted]


def anchors(path: Path) -> set[str]:
    """The anchors GitHub gives a page's headings."""
    found: dict[str, int] = {}
    inside = False
    for token in tokens(path):
        if token.type == "inline" and inside:
            text = "".join(child.content for child in token.children or () if child.type in ("text", "code_inline"))
            slug = re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")
            found[slug] = found.get(slug, -1) + 1
        inside = token.type == "heading_open"
    return {f"{slug}-{number}" if number else slug for slug, count in found.items() for number in range(count + 1)}

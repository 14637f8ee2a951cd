"""Uses in sql/ of what Google and the embedded engine compute differently without an error. Pure.

Where the values of a query are such that the engines agree, a comment on its line says why:
`-- engines agree: only digits`.
"""

import re
from collections.abc import Iterator
from functools import cache

from v4_assets import sql
from v4_assets.errors import SqlFileError
from v4_assets.sql import SqlFile
from v4_assets.warehouse.dialect_differences import DIFFERENCES, Difference

_SKIPPED = re.compile(r"(?P<comment>--[^\n]*|\#[^\n]*|/\*.*?\*/)|r?'(?:\\.|[^'\\\n])*'", re.DOTALL)
_AGREE = re.compile(r"--[^\n]*\bengines agree: \S")
_CALL = re.compile(r"\b\w+\s*\(")


def verify(engine: str) -> list[str]:
    """What the files of sql/ use of the list: notes on BigQuery. Raises SqlFileError on the embedded engine."""
    found = [text for name in sql.files() for text in differences(sql.load(name))]
    if found and engine == "duckdb":
        raise SqlFileError(" ".join(found))
    return found


def differences(file: SqlFile) -> tuple[str, ...]:
    """One sentence for each use of the list."""
    return _differences(file.name, file.body)


@cache
def _differences(name: str, body: str) -> tuple[str, ...]:
    lines = body.splitlines()
    texts = _SKIPPED.sub(lambda match: _blank(match[0]) if match["comment"] else match[0], body)
    code = _SKIPPED.sub(lambda match: _blank(match[0]), body)
    said = []
    for at, difference in sorted(_found(code, texts), key=lambda pair: pair[0]):
        number = body.count("\n", 0, at)
        if not _AGREE.search(lines[number]):
            said.append(
                f"sql/{name}.sql uses {difference.name} in `{lines[number].strip()}`: {difference.why}. Write it "
                f"otherwise, as {difference.instead}, or say `-- engines agree: WHY` on the line."
            )
    return tuple(said)


def _found(code: str, texts: str) -> Iterator[tuple[int, Difference]]:
    for one in DIFFERENCES:
        if one.of in ("code", "code with texts"):
            text = code if one.of == "code" else texts
            yield from ((match.start(), one) for match in re.finditer(one.pattern, text, re.IGNORECASE))
    for match in _CALL.finditer(code):
        whole = _call(code, match)
        inner = whole[len(match[0]) : -1]
        while (shorter := re.sub(r"\([^()]*\)", "·", inner)) != inner:
            inner = shorter
        short = f"{match[0][:-1].strip()}({inner})"
        for one in DIFFERENCES:
            called = {"call": short, "whole call": whole}.get(one.of)
            if called and re.fullmatch(one.pattern, called, re.IGNORECASE | re.DOTALL):
                yield match.start(), one


def _call(code: str, match: re.Match[str]) -> str:
    """The text of a call up to its closing parenthesis."""
    depth = 0
    for at in range(match.end() - 1, len(code)):
        depth += {"(": 1, ")": -1}.get(code[at], 0)
        if depth == 0:
            return code[match.start() : at + 1]
    return code[match.start() :]


def _blank(text: str) -> str:
    """As many blanks, with its line ends, so that places stay."""
    return re.sub(r"[^\n]", " ", text)

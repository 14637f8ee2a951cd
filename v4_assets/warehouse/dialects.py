"""Uses in sql/ of what Google and the embedded engine compute differently without an error. Pure.

Where the values of a query are such that the engines agree, a comment on its line says why:
`-- engines agree: only digits`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from v4_assets import sql
from v4_assets.errors import SqlFileError
from v4_assets.sql import SqlFile


@dataclass(frozen=True)
class Difference:
    """Text whose meaning depends on the engine."""

    name: str
    pattern: str
    """Of a call: all of NAME(arguments), inner parentheses written as ·. Of code: some text. In any case."""
    why: str
    example: str
    """An expression the engines answer differently."""
    instead: str
    """An expression of the same purpose that they answer alike."""
    of: Literal["call", "whole call", "code", "code with texts"] = "call"
    """What the pattern is compared with; a whole call has its inner calls written out."""


DIFFERENCES = (
    Difference(
        "EXTRACT(DAYOFWEEK …)",
        r"EXTRACT\(\s*DAYOFWEEK\b.*",
        "Sunday is 1 to Google and 0 to DuckDB",
        "EXTRACT(DAYOFWEEK FROM DATE '2026-01-04')",
        "DATE_DIFF(DATE '2026-01-04', DATE_TRUNC(DATE '2026-01-04', WEEK), DAY)",
    ),
    Difference(
        "EXTRACT(WEEK …)",
        r"EXTRACT\(\s*WEEK\b.*",
        "Google counts weeks from the first Sunday of the year, DuckDB by ISO 8601",
        "EXTRACT(WEEK FROM DATE '2026-01-01')",
        "DATE_DIFF(DATE '2026-01-01', DATE '2025-12-28', WEEK)",
    ),
    Difference(
        "EXTRACT of a fraction of a second",
        r"EXTRACT\(\s*(MILLI|MICRO)SECOND\b.*",
        "Google leaves the seconds out, DuckDB counts them in",
        "EXTRACT(MILLISECOND FROM TIMESTAMP '2026-01-04 03:00:01.5+00')",
        "DIV(MOD(UNIX_MICROS(TIMESTAMP '2026-01-04 03:00:01.5+00'), 1000000), 1000)",
    ),
    Difference(
        "ROUND to digits",
        r"ROUND\(.*,.*\)",
        "halves that binary numbers cannot hold are rounded differently",
        "ROUND(CAST(2.675 AS FLOAT64), 2)",
        "ROUND(CAST(2.675 AS FLOAT64))",
    ),
    Difference(
        "CAST to INT64",
        r"(SAFE_)?CAST\((?!\s*NULL\b).*\bAS\s+INT64\s*\)",
        "2.5 is 3 to Google and 2 to DuckDB; the text 12.0 is NULL to Google and 12 to DuckDB",
        "CAST(CAST(2.5 AS FLOAT64) AS INT64)",
        "DIV(5, 2)",
    ),
    Difference(
        "CAST to BOOL",
        r"(SAFE_)?CAST\((?!\s*NULL\b).*\bAS\s+BOOL(EAN)?\s*\)",
        "yes, t and 1 are NULL to Google and TRUE to DuckDB",
        "SAFE_CAST('yes' AS BOOL)",
        "LOWER('yes') = 'true'",
    ),
    Difference(
        "SAFE_CAST to a date or an instant",
        r"SAFE_CAST\((?!\s*NULL\b).*\bAS\s+(DATE|DATETIME|TIMESTAMP)\s*\)",
        "DuckDB reads more spellings than Google, such as 2026/01/05",
        "SAFE_CAST('2026/01/05' AS DATE)",
        "PARSE_DATE('%Y-%m-%d', '2026-01-05')",
    ),
    Difference(
        "SAFE_CAST to FLOAT64",
        r"SAFE_CAST\((?!\s*NULL\b).*\bAS\s+FLOAT64\s*\)",
        "1_000 is NULL to Google and 1000 to DuckDB; 0x10 is 16 to Google and NULL to DuckDB",
        "SAFE_CAST('1_000' AS FLOAT64)",
        "CAST(REGEXP_EXTRACT('1_000', r'^[0-9]+[.]?[0-9]*$') AS FLOAT64)",
    ),
    Difference(
        "CAST of FLOAT64 to STRING",
        r"CAST\(\s*(\d*\.\d+|(SAFE_)?CAST\(.*\bAS\s+FLOAT64\s*\))\s+AS\s+STRING\s*\)",
        "1.0 is 1 to Google and 1.0 to DuckDB",
        "CAST(CAST(1 AS FLOAT64) AS STRING)",
        "CAST(1 AS STRING)",
        of="whole call",
    ),
    Difference(
        "TIMESTAMP_DIFF",
        r"TIMESTAMP_DIFF\(.*,\s*(DAY|HOUR|MINUTE|SECOND|MILLISECOND)\s*\)",
        "Google counts whole intervals, DuckDB the boundaries between them",
        "TIMESTAMP_DIFF(TIMESTAMP '2026-01-05 01:00:00+00', TIMESTAMP '2026-01-04 23:00:00+00', DAY)",
        "TIMESTAMP_DIFF(TIMESTAMP '2026-01-05 01:00:00+00', TIMESTAMP '2026-01-04 23:00:00+00', MICROSECOND)",
    ),
    Difference(
        "UNIX_SECONDS",
        r"UNIX_SECONDS\(.*",
        "Google cuts the fraction of a second off, DuckDB rounds it",
        "UNIX_SECONDS(TIMESTAMP '2026-01-04 03:00:00.9+00')",
        "DIV(UNIX_MICROS(TIMESTAMP '2026-01-04 03:00:00.9+00'), 1000000)",
    ),
    Difference(
        "TIMESTAMP_MILLIS and TIMESTAMP_MICROS",
        r"TIMESTAMP_M(ILLI|ICRO)S\(.*",
        "DuckDB makes a time without a zone of it",
        "EXTRACT(HOUR FROM TIMESTAMP_MILLIS(1767495600000) AT TIME ZONE 'America/New_York')",
        "EXTRACT(HOUR FROM TIMESTAMP_ADD(TIMESTAMP '1970-01-01 00:00:00+00', INTERVAL 1767495600000 MILLISECOND) "
        "AT TIME ZONE 'America/New_York')",
    ),
    Difference(
        "PARSE_TIMESTAMP",
        r"PARSE_TIMESTAMP\(.*",
        "DuckDB ignores the time zone",
        "PARSE_TIMESTAMP('%Y-%m-%d %H:%M', '2026-01-04 03:00', 'America/New_York')",
        "TIMESTAMP(PARSE_DATETIME('%Y-%m-%d %H:%M', '2026-01-04 03:00'), 'America/New_York')",
    ),
    Difference(
        "STRING in a time zone",
        r"STRING\(.*,.*\)",
        "DuckDB leaves out the zone's distance from UTC",
        "STRING(TIMESTAMP '2026-01-04 03:00:00+00', 'America/New_York')",
        "FORMAT_DATE('%Y-%m-%d', DATE(TIMESTAMP '2026-01-04 03:00:00+00', 'America/New_York'))",
    ),
    Difference(
        "FORMAT_TIMESTAMP",
        r"FORMAT_TIMESTAMP\(.*",
        "DuckDB ignores the time zone",
        "FORMAT_TIMESTAMP('%H', TIMESTAMP '2026-01-04 03:00:00+00', 'America/New_York')",
        "FORMAT_DATE('%d', DATE(TIMESTAMP '2026-01-04 03:00:00+00', 'America/New_York'))",
    ),
    Difference(
        "FORMAT",
        r"FORMAT\(.*",
        "DuckDB does not read Google's format",
        "FORMAT('%d', 5)",
        "CAST(5 AS STRING)",
    ),
    Difference(
        "FORMAT_DATE and FORMAT_DATETIME with %e",
        r"\bFORMAT_DATE(TIME)?\s*\(\s*'[^']*%e",
        "Google pads the day with a blank, DuckDB does not",
        "FORMAT_DATE('%e', DATE '2026-01-04')",
        "FORMAT_DATE('%d', DATE '2026-01-04')",
        of="code with texts",
    ),
    Difference(
        "SUBSTR from 0 or from the end",
        r"SUBSTR(ING)?\(.*,\s*(0\s*[,)]|-\s*\d+\s*,).*",
        "Google starts with a character that is there, DuckDB counts those before the first",
        "SUBSTR('abc', 0, 2)",
        "SUBSTR('abc', 1, 2)",
    ),
    Difference(
        "INSTR from a place",
        r"INSTR\(.*,.*,.*\)",
        "DuckDB finds the first occurrence whatever is asked",
        "INSTR('abcabc', 'c', 1, 2)",
        "INSTR('abcabc', 'c')",
    ),
    Difference(
        "UNNEST WITH OFFSET",
        r"\bWITH\s+OFFSET\b",
        "the first place is 0 to Google and 1 to DuckDB",
        "(SELECT SUM(place) FROM UNNEST(['a', 'b']) AS x WITH OFFSET AS place)",
        "(SELECT SUM(place) FROM UNNEST(GENERATE_ARRAY(0, 1)) AS place)",
        of="code",
    ),
    Difference(
        "TRIM of white space",
        r"[LR]?TRIM\([^,]*\)",
        "Google removes tabs and line ends, too, DuckDB blanks alone",
        "TRIM(CONCAT('a', CHR(9)))",
        r"REGEXP_REPLACE(CONCAT('a', CHR(9)), r'^\s+|\s+$', '')",
    ),
    Difference(
        "LIKE with a backslash",
        r"\bLIKE\s+r?'[^']*\\",
        "the backslash escapes to Google and is a character to DuckDB",
        r"'a_b' LIKE r'a\_b'",
        "REGEXP_CONTAINS('a_b', r'^a_b$')",
        of="code with texts",
    ),
    Difference(
        "division by what may be 0",
        r"/(?!\s*[\d.]*[1-9])",
        "Google stops with an error, DuckDB goes on with infinity",
        "CAST(1 AS FLOAT64) / (1 - 1)",
        "SAFE_DIVIDE(1, 1 - 1)",
        of="code",
    ),
    Difference(
        "SQRT, LN, LOG, EXP and POW",
        r"(SQRT|LN|LOG|LOG10|EXP|POW|POWER)\(.*",
        "where there is no answer, Google stops with an error and DuckDB goes on with NaN or infinity",
        "SQRT(CAST(-1 AS FLOAT64))",
        "CAST(2 AS FLOAT64) * CAST(2 AS FLOAT64)",
    ),
)


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

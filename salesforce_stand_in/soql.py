"""The part of SOQL the stand-in org understands, as SQL over its own table.

SELECT fields FROM Lead [WHERE condition] [ORDER BY Id] [LIMIT n]; and the fields of Organization. A condition compares
a field by = != < <= > >= or [NOT] IN with literals, joined by AND, OR, NOT and parentheses. As in SOQL, texts are equal
whatever their case, and != is true of null. Aggregates, LIKE, relationships and date literals are not understood.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from salesforce_stand_in.fields import OrgField, Value, utc
from v4_assets.config.salesforce import to_18

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<instant>\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d))"
    r"|(?P<number>[+-]?\d+(?:\.\d+)?)|(?P<word>\w+)|(?P<sign><=|>=|!=|<>|[=<>(),]))"
)
_QUERY = re.compile(
    r"\s*SELECT\s+(?P<fields>[\w\s,]+?)\s+FROM\s+(?P<of>\w+)(?:\s+WHERE\s+(?P<where>.+?))?"
    r"(?:\s+ORDER\s+BY\s+Id(?:\s+ASC)?)?(?:\s+LIMIT\s+(?P<limit>\d+))?\s*",
    re.IGNORECASE | re.DOTALL,
)


class SoqlError(Exception):
    """A query that is refused: error code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Query:
    """A query, read: which fields, and an SQL condition with its values."""

    of: str
    fields: tuple[str, ...]
    condition: str = "1"
    values: tuple[Value, ...] = ()
    limit: int | None = None


def parse(text: str, known: Mapping[str, Mapping[str, OrgField]]) -> Query:
    """The query; `known` has the visible fields of each object. Raises SoqlError."""
    query = _QUERY.fullmatch(text)
    if query is None:
        raise SoqlError("MALFORMED_QUERY", f"unexpected token: {text[:80]}")
    of = next((name for name in known if name.lower() == query["of"].lower()), None)
    if of is None:
        raise SoqlError("INVALID_TYPE", f"sObject type '{query['of']}' is not supported.")
    names = [_field(known[of], of, name.strip()).name for name in query["fields"].split(",")]
    condition, values = _Condition(query["where"], known[of], of).sql() if query["where"] else ("1", ())
    return Query(of, tuple(names), condition, values, int(query["limit"]) if query["limit"] else None)


class _Condition:
    """Reads a condition from left to right."""

    def __init__(self, text: str, fields: Mapping[str, OrgField], of: str) -> None:
        self._tokens = _tokens(text)
        self._fields = fields
        self._of = of
        self._values: list[Value] = []

    def sql(self) -> tuple[str, tuple[Value, ...]]:
        """SQL and its values."""
        condition = self._any()
        if self._tokens:
            raise SoqlError("MALFORMED_QUERY", f"unexpected token: {self._tokens[0][1]}")
        return condition, tuple(self._values)

    def _any(self) -> str:
        parts = [self._all()]
        while self._takes("or"):
            parts.append(self._all())
        return f"({' OR '.join(parts)})"

    def _all(self) -> str:
        parts = [self._one()]
        while self._takes("and"):
            parts.append(self._one())
        return f"({' AND '.join(parts)})"

    def _one(self) -> str:
        if self._takes("not"):
            return f"(NOT {self._one()})"
        if self._takes("("):
            inside = self._any()
            self._expect(")")
            return inside
        field = _field(self._fields, self._of, self._next()[1])
        if self._takes("not"):
            self._expect("in")
            return f"NOT {self._among(field)}"
        return self._among(field) if self._takes("in") else self._compared(field)

    def _among(self, field: OrgField) -> str:
        self._expect("(")
        marks = [self._literal(field)]
        while self._takes(","):
            marks.append(self._literal(field))
        self._expect(")")
        return f'(IFNULL("{field.name}" IN ({", ".join(marks)}), 0))'

    def _compared(self, field: OrgField) -> str:
        sign = self._next()[1]
        same = {"=": "IS", "!=": "IS NOT", "<>": "IS NOT"}
        mark = self._literal(field)
        if sign in same:
            return f'("{field.name}" {same[sign]} {mark}{" COLLATE NOCASE" if field.type == "string" else ""})'
        if sign in ("<", "<=", ">", ">="):
            return f'(IFNULL("{field.name}" {sign} {mark}, 0))'
        raise SoqlError("MALFORMED_QUERY", f"unexpected token: {sign}")

    def _literal(self, field: OrgField) -> str:
        kind, text = self._next()
        value: Value
        if kind == "text":
            value = re.sub(r"\\(.)", r"\1", text[1:-1])
            value = to_18(value) if field.type == "id" else value
        elif kind == "number":
            value = float(text)
        elif kind == "instant":
            value = utc(text)
        elif text.lower() in ("true", "false", "null"):
            value = {"true": True, "false": False, "null": None}[text.lower()]
        else:
            raise SoqlError("MALFORMED_QUERY", f"unexpected token: {text}")
        wanted = {"text": ("id", "string"), "number": ("double",), "instant": ("datetime",), "word": ("boolean",)}[kind]
        if value is not None and field.type not in wanted:
            raise SoqlError("INVALID_FIELD", f"value of filter criterion for field '{field.name}' is of another type")
        self._values.append(value)
        return "?"

    def _next(self) -> tuple[str, str]:
        if not self._tokens:
            raise SoqlError("MALFORMED_QUERY", "unexpected token: '<EOF>'")
        return self._tokens.pop(0)

    def _takes(self, word: str) -> bool:
        if self._tokens and self._tokens[0][0] in ("word", "sign") and self._tokens[0][1].lower() == word:
            self._tokens.pop(0)
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._takes(word):
            raise SoqlError("MALFORMED_QUERY", f"expecting '{word}'")


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    text = text.strip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise SoqlError("MALFORMED_QUERY", f"unexpected token: {text[at : at + 20]}")
        tokens.append((found.lastgroup, found[found.lastgroup]))
        at = found.end()
    return tokens


def _field(fields: Mapping[str, OrgField], of: str, name: str) -> OrgField:
    field = next((field for known, field in fields.items() if known.lower() == name.lower()), None)
    if field is None:
        raise SoqlError("INVALID_FIELD", f"No such column '{name}' on entity '{of}'.")
    return field

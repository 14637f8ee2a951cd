"""What is wrong in rollout.yaml or in a variable, in its user's words: the only module that words pydantic's errors."""

import difflib
import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel, GetCoreSchemaHandler, SecretStr, ValidationError
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema

NEAR = 0.65
"""Similarity of two names from which one is offered for the other."""
EXPECTED = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "date": "a date like 2026-01-05",
    "string": "a text, in quotes",
    "string_too_short": "a text that is not empty",
    "string_too_long": "at most {max_length} characters",
    "literal": "{expected}",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "{ge:g} or more",
    "less_than": "less than {lt:g}",
    "less_than_equal": "{le:g} or less",
    "tuple": "a list",
    "too_short": "a list with an entry",
    "dict": "entries below it",
    "model": "entries below it",
    "path": "a path",
    "path_not_file": "a file that exists",
}
"""Pydantic's type of an error, or the first word of one, to what is expected. Of any other its own text is cut down."""
SHOWN = 60
"""Characters of a wrong value that are shown."""


@dataclass(frozen=True)
class Form:
    """The form of a text in an annotation, and what an error says that is expected."""

    pattern: str
    words: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._verified, handler(source))

    def _verified(self, value: str | SecretStr) -> str | SecretStr:
        if not re.fullmatch(self.pattern, value.get_secret_value() if isinstance(value, SecretStr) else value):
            raise expected(self.words)
        return value


def expected(words: str) -> PydanticCustomError:
    """The error of a validator that knows only what is expected; what was found is added here, unless it is secret."""
    return PydanticCustomError("expected", "{words}", {"words": words})


def nearest(name: str, known: Iterable[str], cutoff: float = NEAR) -> str | None:
    """The known name of which another is probably a typing mistake."""
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=cutoff)), None)


def nested(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The model in an annotation, and whether there are several under names of their own."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation, False
    inside = get_args(annotation)
    if get_origin(annotation) is dict:
        return nested(inside[1])[0], True
    return next((found for one in inside if (found := nested(one)[0])), None), False


def worded(error: ValidationError, model: type[BaseModel]) -> str:
    """A sentence for each wrong entry of rollout.yaml."""
    return " ".join(_of_entry(item, model) for item in error.errors())


def sentence(item: ErrorDetails, place: str, *, shown: bool = True) -> str:
    """What is wrong at a place: what was found, unless it must not be shown, and what is expected."""
    kind, message = item["type"], str(item["msg"])
    if kind == "value_error":
        message = message.removeprefix("Value error, ")
        return _ended(f"{place}: {message}" if place else message)
    if kind == "missing":
        return f"{place} is missing: set it."
    wanted = EXPECTED.get(kind) or EXPECTED.get(kind.split("_")[0])
    wanted = wanted.format(**item.get("ctx", {})) if wanted else message.removeprefix("Input should be ")
    return _ended(f"{place} is {_found(item['input'])}, expected {wanted}" if shown else f"{place} must be {wanted}")


def _of_entry(item: ErrorDetails, model: type[BaseModel]) -> str:
    loc = [str(part) for part in item["loc"] if part != "[key]"]
    place = ".".join(loc)
    if item["type"] not in ("extra_forbidden", "invalid_key"):
        return sentence(item, place)
    for part in loc[:-1]:
        field = model.model_fields.get(part)  # None for a name that stands under the field before
        model = (field and nested(field.annotation)[0]) or model
    near = nearest(loc[-1], model.model_fields)
    do = f"Did you mean {near}?" if near else "docs/configuration.md lists them all."
    return f"There is no setting {place}. {do}"


def _found(value: Any) -> str:
    """A wrong value on one line, as it stands in the file."""
    if isinstance(value, Mapping):
        return "entries"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "empty", True: "true", False: "false"}[value]
    found = repr(value) if isinstance(value, str) else str(value)
    return found if len(found) <= SHOWN else f"{found[:SHOWN]}…"


def _ended(text: str) -> str:
    return text if text.endswith((".", "?")) else f"{text}."

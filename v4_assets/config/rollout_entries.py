"""The entries of rollout.yaml as its models declare them: type, unit, default, shipped value, meaning. Pure."""

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

UNITS = {
    r"(^|_)(days?)$|_age_days": "days",
    r"(^|_)weeks(_running)?$|weeks_running": "weeks",
    r"(^|_)hours$": "hours",
    r"(^|_)minutes$": "minutes",
    r"(^|_)seconds$": "seconds",
    r"_share$|_rate$|_change$|conversion_below$": "share of one",
    r"auc": "AUC",
    r"lift_": "lift",
    r"rows_per_|_leads$": "leads",
    r"min_conversions": "conversions",
}
NAMES = {
    int: "whole number",
    float: "number",
    str: "text",
    bool: "`yes`/`no` or `on`/`off`",
    Path: "path",
    time: "time of day",
    SecretStr: "secret text",
    tuple: "list",
}
BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


@dataclass(frozen=True)
class Entry:
    """One entry of rollout.yaml."""

    path: str
    kind: str
    unit: str
    default: str
    shipped: str
    meaning: str


def entries(model: type[BaseModel], shipped: BaseModel | None, source: str, path: str = "") -> Iterator[Entry]:
    """Every entry of a model and of the models in it. `source` is rollout.yaml, whose comments complete the meanings.

    `shipped` is the file's own content; None where several stand under one entry.
    """
    comments = comments_of(source)
    for name, field in model.model_fields.items():
        here = f"{path}.{name}" if path else name
        value = getattr(shipped, name) if shipped is not None else None
        inner, many = _nested(field.annotation)
        if inner is not None:
            yield from entries(inner, None if many else value, source, f"{here}.*" if many else here)
            continue
        words = kind(field)
        yield Entry(
            path=here,
            kind=words,
            unit="" if words == "date" else next((unit for name, unit in UNITS.items() if re.search(name, here)), ""),
            default="–" if field.is_required() else f"`{_plain(field.get_default(call_default_factory=True))}`",
            shipped=f"`{_plain(value)}`" if value is not None else "–",
            meaning=meaning(field) or _sentence(comments.get(here, "")),
        )


def kind(field: FieldInfo) -> str:
    """A field's type in words, with its bounds."""
    limits = {key: getattr(one, key) for one in field.metadata for key in BOUNDS if getattr(one, key, None) is not None}
    pattern = next((one.pattern for one in field.metadata if getattr(one, "pattern", None)), None)
    parts = [_type(field.annotation)]
    parts += [" and ".join(f"{BOUNDS[key]} {value:g}" for key, value in limits.items())] if limits else []
    parts += [f"matching `{pattern}`"] if pattern else []
    return " ".join(parts)


def _type(annotation: Any) -> str:
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{one}`" for one in inside)
    if origin in (Union, UnionType):
        return " or ".join("null" if one is type(None) else _type(one) for one in inside)
    if origin is dict:
        return f"{_type(inside[1])} for each name"
    if hasattr(annotation, "__metadata__"):
        return kind(FieldInfo.from_annotation(annotation))
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return "path of its file"
    return NAMES.get(origin or annotation) or str(annotation.__name__)


def _nested(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The model in an annotation, and whether there are several under names of their own."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation, False
    inside = get_args(annotation)
    if get_origin(annotation) is dict:
        return _nested(inside[1])[0], True
    return next((found for one in inside if (found := _nested(one)[0])), None), False


def meaning(field: FieldInfo) -> str:
    """The string below a field, on one line."""
    return " ".join((field.description or "").split())


def comments_of(source: str) -> dict[str, str]:
    """Path of an entry to the comment beside it or, where none is, right above it."""
    found, above, stack = dict[str, str](), list[str](), list[tuple[int, str]]()
    for line in source.splitlines():
        if match := re.match(r"(?P<indent> *)(?P<key>[\w.]+):(?P<rest>.*)", line):
            indent = len(match["indent"])
            stack = [one for one in stack if one[0] < indent] + [(indent, match["key"])]
            beside = match["rest"].partition(" # ")[2]
            path = ".".join(key for _, key in stack)
            if comment := beside or " ".join(above):
                found[path] = comment.strip()
        above = [*above, line.strip(" #")] if line.lstrip().startswith("#") else []
    return found


def _sentence(comment: str) -> str:
    """A comment as a sentence."""
    return comment[:1].upper() + comment[1:] + ("" if not comment or comment.endswith(".") else ".")


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {one}" for key, one in value.items()) or "{}"
    if isinstance(value, time):
        return f"{value:%H:%M}"
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

"""The preflight: do the fields of Lead fit the values? All that do not are named before anything is written. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from v4_assets.config.rollout_systems import FieldNames

OPTIONAL = ("model_version", "scored_at")


class Described(Protocol):
    """A field as the org describes it to our user."""

    @property
    def type(self) -> str: ...
    @property
    def precision(self) -> int: ...
    @property
    def scale(self) -> int: ...
    @property
    def length(self) -> int: ...
    @property
    def updateable(self) -> bool: ...


@dataclass(frozen=True)
class Fields:
    """The result of the preflight."""

    columns: tuple[tuple[str, str], ...]
    """(field name, key) of each column sent, without Id."""
    absent: tuple[str, ...]
    """Optional fields that are missing, or hidden from our user."""
    wrong: tuple[str, ...]
    """A sentence for each unfit field; empty when all fit."""

    def name(self, key: str) -> str | None:
        """The field that carries `key`; None when none does."""
        return next((name for name, carried in self.columns if carried == key), None)


def examine(names: FieldNames, described: Mapping[str, Described], versions: Sequence[str]) -> Fields:
    """The fields of rollout.yaml against the org's; `versions` are the texts the version field must hold."""
    wanted = [(name, key) for key, name in names.model_dump().items() if name]
    absent = tuple(name for name, key in wanted if name not in described and key in OPTIONAL)
    wrong = tuple(
        problem
        for name, key in wanted
        if name not in absent
        for problem in _problems(name, key, described.get(name), max(map(len, versions)))
    )
    return Fields(tuple(pair for pair in wanted if pair[0] not in absent), absent, wrong)


def _problems(name: str, key: str, field: Described | None, version_length: int) -> list[str]:
    if field is None:
        return [f"{name} is missing, or hidden from our user by field-level security"]
    kind, digits, scale = _NUMBERS.get(key, (_TYPES.get(key, ""), 0, 0))
    found = []
    if field.type != kind:
        found.append(f"{name} is of type {field.type}, not {kind}")
    elif digits and field.precision - field.scale < digits:
        found.append(f"{name} holds {field.precision - field.scale} digits before the point, needs {digits}")
    elif field.type == "double" and field.scale < scale:
        found.append(f"{name} holds {field.scale} decimals, needs {scale}")
    elif field.type == "string" and field.length < version_length:
        found.append(f"{name} holds {field.length} characters, needs {version_length}")
    if not field.updateable:
        found.append(f"{name} is read-only for our user")
    return found


_NUMBERS = {"score": ("double", 1, 2), "percentile": ("double", 3, 0)}
_TYPES = {"deprioritize": "boolean", "model_version": "string", "scored_at": "datetime"}

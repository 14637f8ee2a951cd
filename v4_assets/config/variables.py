"""Settings from environment variables: a variable is the prefix and the field's name in capitals.

A field's docstring is what the reference page says of its variable.
"""

import sys
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from v4_assets.config.problems import nearest, sentence
from v4_assets.errors import SettingsError

PREFIX = "V4_"
NEAR = 0.7
"""Similarity of two names, without PREFIX, from which one is refused as a typing mistake of the other: more than a hint
needs, for a variable of another program must not stop this one."""
_warned: set[str] = set()


class FromEnvironment(BaseSettings):
    """Frozen settings. Only `given_by` reads variables; a constructor takes its arguments and nothing else."""

    values_shown: ClassVar[bool] = True
    """Whether an error may contain what was found in a variable that is not declared as a secret."""
    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The constructor's arguments only."""
        return (init_settings,)

    @classmethod
    def given_by(cls, env: Mapping[str, str]) -> dict[str, Any]:
        """The constructor's arguments that variables give. An empty variable is one that is not set."""
        source = EnvSettingsSource(cls)
        source.env_vars = {name.lower(): value for name, value in env.items() if name.isupper() and value}
        return source()

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Self:
        """The settings as variables give them. Raises SettingsError."""
        return cls.validated(cls.given_by(env))

    @classmethod
    def validated(cls, given: Mapping[str, Any]) -> Self:
        """The settings of these arguments. Raises SettingsError naming the variables that are missing or wrong."""
        try:
            return cls(**given)
        except ValidationError as error:
            raise SettingsError(f"The environment cannot be used. {cls.problems(error)}") from error

    @classmethod
    def variable(cls, field: str) -> str:
        """The variable that sets a field."""
        alias = cls.model_fields[field].validation_alias
        return alias if isinstance(alias, str) else f"{cls.model_config['env_prefix']}{field}".upper()

    @classmethod
    def variables(cls) -> dict[str, str]:
        """Variable to field, in the order of the fields."""
        return {cls.variable(field): field for field in cls.model_fields}

    @classmethod
    def problems(cls, error: ValidationError) -> str:
        return " ".join(cls._problem(item) for item in error.errors())

    @classmethod
    def _problem(cls, item: ErrorDetails) -> str:
        """The variable, what is expected of it, and what was found unless that may be a secret."""
        if not item["loc"]:
            return sentence(item, "")
        place = str(item["loc"][0])
        named = next((name for name, field in cls.variables().items() if place in (name, field)), place)
        field = cls.model_fields.get(cls.variables().get(named, ""))
        return sentence(item, named, shown=cls.values_shown and field is not None and not _is_secret(field))


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr.__name__ in str(field.annotation)


def verify_names(env: Mapping[str, str], known: Iterable[str]) -> None:
    """Warn once of every V4_ variable that is not known. Raises SettingsError for one that is nearly a known one."""
    names = {name.removeprefix(PREFIX): name for name in known if name.startswith(PREFIX)}
    for name in sorted(env):
        rest = name.upper().removeprefix(PREFIX)
        if rest == name.upper() or name in names.values():
            continue
        if near := nearest(rest, names, NEAR):
            raise SettingsError(f"There is no variable {name}. Did you mean {names[near]}? Rename it, or unset it.")
        if name not in _warned:
            _warned.add(name)
            print(f"v4: no setting is named {name}; it is ignored. docs/configuration.md lists them.", file=sys.stderr)

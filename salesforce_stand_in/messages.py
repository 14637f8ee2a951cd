"""Requests to the stand-in org and its answers, as HTTP carries them, and what an extension of its API answers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from salesforce_stand_in.faults import Operation


@dataclass(frozen=True)
class Request:
    """A request, read."""

    method: str
    path: str
    """With its query string."""
    headers: Mapping[str, str]
    """Names in small letters."""
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What is sent back."""

    status: int
    body: bytes = b""
    content_type: str = "application/json;charset=UTF-8"
    headers: Mapping[str, str] = field(default_factory=dict)


def as_json(status: int, content: object) -> Answer:
    """An answer in JSON."""
    return Answer(status, json.dumps(content, ensure_ascii=False).encode())


def refusal(status: int, code: str, message: str) -> Answer:
    """An error in the form of the API: a list of one."""
    return as_json(status, [{"message": message, "errorCode": code}])


class Extension(Protocol):
    """An API at a path of its own."""

    path: str
    """What its requests begin with."""
    token_header: str
    """The header that carries the token."""

    def operation(self, request: Request) -> Operation:
        """What a request is, for faults and counting."""
        ...

    def answer(self, request: Request) -> Answer:
        """The answer to a request, and what it does."""
        ...

"""What a further API of the stand-in org must have. A caller adds one by `org.api.extensions`."""

from typing import Protocol

from salesforce_stand_in.faults import Operation
from salesforce_stand_in.messages import Answer, Request


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

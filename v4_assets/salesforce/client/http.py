"""How requests reach Salesforce: with a deadline, reads again and again, writes once, a fresh token when one expires.

simple-salesforce has no deadlines and no patience, and its Bulk API 2.0 never logs in again; but it takes a session,
and so all of that is done here, below it, for every request alike. It insists on https, too: a stand-in org on this
machine is reached by an adapter that turns https into http, to loopback only.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from v4_assets.config.salesforce import SalesforceTarget, is_loopback
from v4_assets.errors import ApiLimitError, SalesforceSetupError
from v4_assets.salesforce.client.errors import RESET, is_expired, is_transient, refused, scrub, unanswered, was_not_sent

_USAGE = re.compile(r"api-usage=(\d+)/(\d+)")


@dataclass(frozen=True)
class Patience:
    """How long we wait for the org."""

    connect_seconds: float = 10.0
    read_seconds: float = 120.0
    waits: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0)
    """Seconds before each further attempt of a read."""
    sleep: Callable[[float], None] = time.sleep

    @property
    def timeout(self) -> tuple[float, float]:
        """In the words of requests."""
        return self.connect_seconds, self.read_seconds


class LoopbackAdapter(HTTPAdapter):
    """Sends everything to a stand-in org on this machine, whatever host was meant."""

    def __init__(self, base: str) -> None:
        if not is_loopback(base):
            raise SalesforceSetupError(f"A stand-in org is reached on this machine only, not at {base}.")
        self._base = base.rstrip("/")
        super().__init__()

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send it to the stand-in."""
        parts = urlsplit(request.url or "")
        request.url = self._base + str(parts.path) + (f"?{parts.query}" if parts.query else "")
        return super().send(request, *args, **kwargs)


class PatientSession(requests.Session):
    """A session in which every request has a deadline and, where that is harmless, further attempts."""

    def __init__(self, target: SalesforceTarget, patience: Patience) -> None:
        super().__init__()
        self._patience = patience
        self._secrets: set[str] = set(target.secrets)
        self.auth = _as_it_is  # otherwise a .netrc would have its say
        if target.loopback is not None:
            self.trust_env = False
            for scheme in ("https://", "http://"):
                self.mount(scheme, LoopbackAdapter(target.loopback))

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """The answer, whatever its status. Raises SalesforceError where there is none."""
        what = f"{request.method} {urlsplit(request.url or '').path}"
        kwargs |= {"timeout": kwargs.get("timeout") or self._patience.timeout, "allow_redirects": False}
        harmless = self.may_repeat(request)
        waits = list(self._patience.waits) if harmless else []
        while True:
            try:
                response = super().send(request, **kwargs)
            except requests.RequestException as error:
                certain, said = (
                    harmless or was_not_sent(error),
                    scrub(f"{type(error).__name__}: {error}", self._secrets),
                )
            else:
                if not is_transient(response):
                    return response
                certain, said = harmless, f"it is busy or away (status {response.status_code})"
            if not waits:
                break
            self._patience.sleep(waits.pop(0))
        raise unanswered(what, said, certain=certain)

    def may_repeat(self, request: requests.PreparedRequest) -> bool:
        """Whether a request does no harm when it is made twice."""
        return request.method == "GET"


class LoginSession(PatientSession):
    """Logs in; a token too many does no harm."""

    def may_repeat(self, request: requests.PreparedRequest) -> bool:
        """Always."""
        return True


class OrgSession(PatientSession):
    """Requests of the API: carries the token, gets a fresh one when it expires, keeps to the floor of requests."""

    def __init__(self, target: SalesforceTarget, patience: Patience, log_in: Callable[[], str]) -> None:
        super().__init__(target, patience)
        self._log_in = log_in
        self._token: str | None = None
        self._floor = target.request_floor
        self._left: int | None = None

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """The answer, of a status below 300. Raises SalesforceError."""
        what = f"{request.method} {urlsplit(request.url or '').path}"
        self._keep_to_floor(what)
        for _ in range(3):  # a token may expire twice in the middle of one request, not for ever
            self._authorize(request)
            response = super().send(request, **kwargs)
            self._note_usage(response.headers)
            if not is_expired(response):
                break
            self._token = None
        if response.status_code >= 300:
            raise refused(what, response, self._secrets)
        return response

    def log_in(self) -> None:
        """Get a token, unless there is one."""
        if self._token is None:
            self._token = self._log_in()
            self._secrets.add(self._token)

    def _authorize(self, request: requests.PreparedRequest) -> None:
        self.log_in()
        request.headers["Authorization"] = f"Bearer {self._token}"

    def _note_usage(self, headers: Mapping[str, str]) -> None:
        found = _USAGE.search(headers.get("Sforce-Limit-Info", ""))
        if found:
            self._left = int(found[2]) - int(found[1])

    def _keep_to_floor(self, what: str) -> None:
        if self._left is not None and self._left <= self._floor and not what.rstrip("/").endswith("/limits"):
            raise ApiLimitError(
                f"{self._left} of Salesforce's daily API requests are left, and {self._floor} are to be left to "
                f"others: {what} was not sent. {RESET}"
            )


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request

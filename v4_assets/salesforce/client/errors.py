"""Salesforce's refusals and silences in this project's words, with nothing secret in them.

An exception of `requests` holds the request, and with it the token; so ours are raised by themselves, without a chain.
"""

import json
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from v4_assets.errors import (
    AmbiguousAnswerError,
    ApiLimitError,
    OrgRefusedError,
    OrgUnavailableError,
    SalesforceError,
    SalesforceSetupError,
)

HIDDEN = "[hidden]"
RESET = (
    "Salesforce counts the requests of the last 24 hours, so that they come back hour by hour. Run again later; what "
    "was not sent stays pending. V4_SALESFORCE_REQUEST_FLOOR says how many are left to others."
)
_DAILY = re.compile(r"TotalRequests|24.?h|daily", re.IGNORECASE)
"""What tells the limit of a day from the limit on requests at the same time, which is over in a moment."""
_TRANSIENT = (429, 500, 502, 503, 504)
_SETUP = {
    "INVALID_FIELD": "It has no such field, or field-level security hides it from the user we are",
    "INVALID_TYPE": "The user we are may not see Lead",
    "INSUFFICIENT_ACCESS": "The user we are lacks a permission",
    "API_DISABLED_FOR_ORG": "The user we are lacks the permission API Enabled",
    "API_CURRENTLY_DISABLED": "The user we are lacks the permission API Enabled",
    "INVALID_SESSION_ID": "It takes no token that it has just given us: see the app's policies",
}
"""Error codes that an admin mends, and how; docs/salesforce.md has the steps."""


def scrub(text: str, secrets: Iterable[str]) -> str:
    """The text without the secrets."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN) if secret else text
    return text


def is_transient(response: requests.Response) -> bool:
    """Whether the org is busy or away, so that the same question may be answered later.

    Maintenance answers in HTML, with any status. SOAP refuses in XML, with status 500.
    """
    if 300 <= response.status_code < 400:
        return False  # a redirect is a wrong host, in HTML, too
    kind = response.headers.get("Content-Type", "")
    busy = response.status_code in _TRANSIENT and not kind.startswith("text/xml")
    return kind.startswith("text/html") or busy or _is_cut_off(response) or _is_crowded(response)


def _is_cut_off(response: requests.Response) -> bool:
    """Whether a good answer is JSON that ends early."""
    kind = response.headers.get("Content-Type", "")
    if response.status_code >= 300 or not response.content:
        return False
    if kind.startswith("application/json"):
        try:
            json.loads(response.content)
        except ValueError:
            return True
    return False


def _is_crowded(response: requests.Response) -> bool:
    """Whether too many requests are under way at once. The limit of a day is not transient."""
    code, message = _told(response) if response.status_code == 403 else ("", "")
    return code == "REQUEST_LIMIT_EXCEEDED" and not _DAILY.search(message)


def is_expired(response: requests.Response) -> bool:
    """Whether the token is no good any more."""
    return response.status_code == 401 and _told(response)[0] == "INVALID_SESSION_ID"


def was_not_sent(error: requests.RequestException) -> bool:
    """Whether no connection came about, so that the request certainly had no effect."""
    cause = error.args[0] if error.args else None
    refused = isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)
    unsent = (requests.exceptions.ConnectTimeout, requests.exceptions.SSLError, requests.exceptions.ProxyError)
    return refused or isinstance(error, unsent)


def unanswered(what: str, said: str, *, certain: bool) -> SalesforceError:
    """No usable answer. `certain`: it is known that nothing was changed."""
    if certain:
        return OrgUnavailableError(
            f"Salesforce does not answer {what}: {said}. Nothing was changed; run again when it is up "
            "(https://status.salesforce.com)."
        )
    return AmbiguousAnswerError(f"Salesforce did not answer {what}: {said}. It may have taken effect, or not.")


def refused(what: str, response: requests.Response, secrets: Iterable[str]) -> SalesforceError:
    """The error of an answer with status 300 or above."""
    if 300 <= response.status_code < 400:
        host = urlsplit(response.headers.get("Location", "")).hostname
        return SalesforceSetupError(
            f"Salesforce redirected {what} to {host}. Set V4_SALESFORCE_DOMAIN to the org's My Domain."
        )
    code, message = _told(response)
    said = f"{code}: {scrub(message, secrets)}"
    if code == "REQUEST_LIMIT_EXCEEDED" and _DAILY.search(message):
        return ApiLimitError(f"Salesforce refused {what}: {said}. {RESET}")
    if code in _SETUP:
        return SalesforceSetupError(f"Salesforce refused {what}: {said}. {_SETUP[code]}; see docs/salesforce.md.")
    return OrgRefusedError(
        f"Salesforce refused {what} with status {response.status_code}: {said}", response.status_code, code
    )


def _told(response: requests.Response) -> tuple[str, str]:
    """Error code and message: a JSON list of errors, an object of OAuth's, or anything at all."""
    try:
        said = json.loads(response.content)
    except ValueError:
        return f"HTTP {response.status_code}", response.reason or "no explanation"
    first = said[0] if isinstance(said, list) and said else said
    if not isinstance(first, dict):
        return f"HTTP {response.status_code}", str(first)[:200]
    return str(first.get("errorCode") or first.get("error")), str(
        first.get("message") or first.get("error_description")
    )

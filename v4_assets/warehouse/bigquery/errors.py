"""BigQuery's errors in this project's words: what happened, what was expected, how to repair it.

A script refuses by raising a message that begins with the name of the error it stands for (`refusal`); everything else
is told apart by the service's own exception and wording.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from google.api_core.exceptions import BadRequest, Forbidden, GoogleAPICallError, GoogleAPIError, NotFound
from google.auth.exceptions import GoogleAuthError

from v4_assets.errors import ConcurrentWriteError, SchemaDriftError, TableMissingError, WarehouseError

_REFUSALS = {error.__name__: error for error in (ConcurrentWriteError, WarehouseError)}
_REFUSAL = re.compile(r"\[v4:(?P<error>\w+)\] (?P<text>.+?)(?: at \[\d+:\d+\])?$")
_REQUEST = re.compile(r"^[A-Z]+ https?://\S+: ")
_ABORTED = "due to concurrent update"
_READER = "roles/bigquery.dataViewer on the dataset it names (or the table is not there)"
_WRITER = "roles/bigquery.dataEditor on the dataset of the tables this project writes"
_ROLES = {
    "jobs.create": "roles/bigquery.jobUser on the project V4_BIGQUERY_PROJECT",
    "jobs.get": "roles/bigquery.resourceViewer on that project, to wait for the job of another account",
    "readsessions": "roles/bigquery.readSessionUser on the project V4_BIGQUERY_PROJECT",
    "getdata": _READER,
    "datasets.get": _READER,
    "tables.list": _READER,
    "routines.": _READER,
    "to query table": _READER,
}
"""What the service's message contains, in small letters, and the role that is missing then."""


@dataclass(frozen=True)
class _Rule:
    """Which of the service's errors is which of ours. The first that fits counts."""

    of: type[GoogleAPIError]
    wording: str
    """Regular expression over what the service said, case ignored."""
    kind: type[WarehouseError]
    text: str
    """Of {name}, {said} and {role}."""


_RULES = (
    # A limit comes as 400, 403, 429 or 500, so the wording is asked before the class.
    _Rule(
        GoogleAPIError,
        _ABORTED,
        ConcurrentWriteError,
        "{name} was aborted again and again for others that write the same table: {said}. Nothing was changed; run it "
        "again when they are done, or let fewer runs write at once.",
    ),
    _Rule(
        GoogleAPIError,
        "bytes billed",
        WarehouseError,
        "{name} would read more than is allowed: {said}. If that is right, raise V4_BIGQUERY_MAXIMUM_BYTES_BILLED; "
        "if not, look at what the query reads.",
    ),
    _Rule(
        GoogleAPIError,
        "quota|too many|rate limit",
        WarehouseError,
        "{name} met a limit of the project: {said}. Let fewer runs work at once (max_concurrent_runs of the Dagster "
        "instance), or have the quota raised under IAM & Admin > Quotas.",
    ),
    _Rule(
        GoogleAPIError,
        "has not been used in project|has not enabled bigquery|api is not enabled|not found: project|invalid project",
        WarehouseError,
        "{name} cannot use the project: {said}. Compare V4_BIGQUERY_PROJECT, and enable BigQuery there with `gcloud "
        "services enable bigquery.googleapis.com bigquerystorage.googleapis.com`.",
    ),
    _Rule(
        GoogleAPIError,
        "billing",
        WarehouseError,
        "{name} needs a project with billing, without which nothing can be changed: {said}. Link a billing account to "
        "V4_BIGQUERY_PROJECT.",
    ),
    _Rule(
        GoogleAPIError,
        r"dataset \S+ was not found in location|different locations?",
        TableMissingError,
        "{name} looks for a dataset where it is not: {said}. It does not exist, or it lies in another location than "
        "V4_BIGQUERY_LOCATION; `bq show DATASET` tells its location. All datasets must lie in one.",
    ),
    _Rule(
        NotFound,
        "not found: dataset",
        TableMissingError,
        "{name} reads or writes a dataset that is not there: {said}. Compare `datasets` in rollout.yaml; "
        "docs/bigquery.md tells how this project's own is made, the others are the firm's.",
    ),
    _Rule(
        NotFound,
        "not found: job",
        WarehouseError,
        "{name} was begun and its job is not found any more: {said}. Run it again; what was done is recorded.",
    ),
    _Rule(
        NotFound,
        "",
        TableMissingError,
        "{name} reads or writes a table that is not there: {said}. `v4 init` creates the tables this project writes; "
        "sources come from the firm's systems. What lies in another location than V4_BIGQUERY_LOCATION is not found "
        "either.",
    ),
    _Rule(Forbidden, "", WarehouseError, "{name} is not allowed: {said}. The account it runs as needs {role}."),
    _Rule(
        BadRequest,
        r"unrecognized name|not found inside|no matching signature|could not cast|invalid cast|cannot coerce"
        r"|no such field|column \S+ not found|cannot be inserted|values? of type|provided schema",
        SchemaDriftError,
        "{name} reads a column that is not there or of another type: {said}. Compare the source with "
        "v4_assets/tables.py.",
    ),
    _Rule(GoogleAPIError, "", WarehouseError, "{name} failed: {said}"),
)


def refusal(condition: str, error: type[WarehouseError], text: str, *values: str) -> str:
    """GoogleSQL that ends a script with `error` if `condition` holds; `values` are expressions for the % of `text`."""
    message = json.dumps(f"[v4:{error.__name__}] {text}", ensure_ascii=False)
    return f"IF {condition} THEN RAISE USING MESSAGE = FORMAT({', '.join((message, *values))}); END IF;"


def verify_affordable(name: str, estimated: int, allowed: int) -> None:
    """Raise WarehouseError when a query would process more bytes than one query may be billed for."""
    if estimated > allowed:
        raise WarehouseError(
            f"{name} would process {estimated:,} bytes by the service's estimate, more than the {allowed:,} that "
            "V4_BIGQUERY_MAXIMUM_BYTES_BILLED allows for one query. Nothing was run. If that is right, raise the "
            "limit; if not, look at what the query reads."
        )


def verify_location(dataset: str, found: str, wanted: str) -> None:
    """Raise WarehouseError when a dataset lies elsewhere than jobs are run."""
    if found.lower() != wanted.lower():
        raise WarehouseError(
            f"The dataset {dataset} lies in {found}, and V4_BIGQUERY_LOCATION is {wanted}: a job only sees what lies "
            f"in its own location. Set V4_BIGQUERY_LOCATION={found} if all datasets lie there; a dataset is not moved."
        )


def is_aborted(error: GoogleAPICallError) -> bool:
    """Whether a transaction was aborted for another one on the same table, which may have written something else."""
    return _ABORTED in str(error)


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Errors of the service as this project's, naming the query."""
    try:
        yield
    except GoogleAPIError as error:
        raise translated(name, error) from error
    except GoogleAuthError as error:
        raise WarehouseError(
            f"{name} has no credentials for BigQuery: {str(error).rstrip('.')}. Run `gcloud auth application-default "
            "login`, run where a service account is attached, or name a key in V4_BIGQUERY_KEY_FILE. Who asks in the "
            "name of V4_BIGQUERY_IMPERSONATE needs roles/iam.serviceAccountTokenCreator on that account."
        ) from error


def translated(name: str, error: GoogleAPIError) -> WarehouseError:
    """This project's error for one of the service's."""
    said = _first_line(error)
    refused = _REFUSAL.search(said)
    if refused and refused["error"] in _REFUSALS:
        return _REFUSALS[refused["error"]](refused["text"])
    rule = next(rule for rule in _RULES if isinstance(error, rule.of) and re.search(rule.wording, said, re.IGNORECASE))
    role = next((role for sign, role in _ROLES.items() if sign in said.lower()), _WRITER)
    return rule.kind(rule.text.format(name=name, said=said.rstrip("."), role=role))


def _first_line(error: GoogleAPIError) -> str:
    """What the service said, without the request, the repetition and the job id that the client puts around it."""
    message = error.message if isinstance(error, GoogleAPICallError) else error
    said = str(message).partition("; reason:")[0].strip().partition("\n")[0]
    return _REQUEST.sub("", said)

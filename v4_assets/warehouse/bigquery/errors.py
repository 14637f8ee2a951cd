"""BigQuery's errors translated to this project's: what happened, what was expected, how to repair it.

A script fails by raising a message that begins with the name of this project's error (`refusal`); every other error is
recognised by the service's exception class and wording.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from google.api_core.exceptions import BadRequest, Forbidden, GoogleAPICallError, GoogleAPIError, NotFound
from google.auth.exceptions import GoogleAuthError

from v4_assets.errors import ConcurrentWriteError, ObstacleError, SchemaDriftError, TableMissingError, WarehouseError

_REFUSALS = {error.__name__: error for error in (ConcurrentWriteError, ObstacleError, WarehouseError)}
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
"""Part of the service's message, in lower case, to the missing role."""


@dataclass(frozen=True)
class _Rule:
    """Maps an error of the service to one of this project. The first matching rule applies."""

    of: type[GoogleAPIError]
    wording: str
    """Regular expression over the service's message, case ignored."""
    kind: type[WarehouseError]
    text: str
    """Of {name}, {detail} and {role}."""


_RULES = (
    # A limit comes as 400, 403, 429 or 500, so the wording is asked before the class.
    _Rule(
        GoogleAPIError,
        _ABORTED,
        ConcurrentWriteError,
        "{name} was aborted repeatedly because other runs wrote the same table: {detail}. Nothing was changed; run it "
        "again when they have finished, or allow fewer concurrent runs.",
    ),
    _Rule(
        GoogleAPIError,
        "bytes billed",
        WarehouseError,
        "{name} would read more than the limit: {detail}. If that is expected, raise V4_BIGQUERY_MAXIMUM_BYTES_BILLED; "
        "otherwise check which tables the query reads.",
    ),
    _Rule(
        GoogleAPIError,
        "quota|too many|rate limit",
        WarehouseError,
        "{name} exceeded a quota of the project: {detail}. Allow fewer concurrent runs (max_concurrent_runs of the "
        "Dagster instance), or raise the quota under IAM & Admin > Quotas.",
    ),
    _Rule(
        GoogleAPIError,
        "has not been used in project|has not enabled bigquery|api is not enabled|not found: project|invalid project",
        WarehouseError,
        "{name} cannot use the project: {detail}. Check V4_BIGQUERY_PROJECT, and enable BigQuery there with `gcloud "
        "services enable bigquery.googleapis.com bigquerystorage.googleapis.com`.",
    ),
    _Rule(
        GoogleAPIError,
        "billing",
        WarehouseError,
        "{name} needs a project with billing to write: {detail}. Link a billing account to V4_BIGQUERY_PROJECT.",
    ),
    _Rule(
        GoogleAPIError,
        r"dataset \S+ was not found in location|different locations?",
        TableMissingError,
        "{name} did not find a dataset in V4_BIGQUERY_LOCATION: {detail}. It is missing or in another location "
        "(`bq show DATASET` prints it). All datasets must be in one location.",
    ),
    _Rule(
        NotFound,
        "not found: dataset",
        TableMissingError,
        "{name} uses a dataset that does not exist: {detail}. Check `datasets` in rollout.yaml; docs/bigquery.md shows "
        "how to create this project's dataset, the others belong to the firm.",
    ),
    _Rule(
        NotFound,
        "not found: job",
        WarehouseError,
        "{name} was started, but its job no longer exists: {detail}. Run it again; finished writes are recorded.",
    ),
    _Rule(
        NotFound,
        "",
        TableMissingError,
        "{name} uses a table that does not exist in V4_BIGQUERY_LOCATION: {detail}. `v4 init` creates the tables this "
        "project writes; sources come from the firm's systems.",
    ),
    _Rule(Forbidden, "", WarehouseError, "{name} was denied: {detail}. Its account needs {role}."),
    _Rule(
        BadRequest,
        r"unrecognized name|not found inside|no matching signature|could not cast|invalid cast|cannot coerce"
        r"|no such field|column \S+ not found|cannot be inserted|values? of type|provided schema",
        SchemaDriftError,
        "{name} reads a column that is missing or of another type: {detail}. Compare the source with "
        "v4_assets/tables.py.",
    ),
    _Rule(GoogleAPIError, "", WarehouseError, "{name} failed: {detail}"),
)


def refusal(condition: str, error: type[WarehouseError], text: str, *values: str) -> str:
    """GoogleSQL that ends a script with `error` if `condition` holds; `values` are expressions for the % of `text`."""
    message = json.dumps(f"[v4:{error.__name__}] {text}", ensure_ascii=False)
    return f"IF {condition} THEN RAISE USING MESSAGE = FORMAT({', '.join((message, *values))}); END IF;"


def verify_affordable(name: str, estimated: int, allowed: int) -> None:
    """Raise WarehouseError when a query would process more bytes than one query may be billed for."""
    if estimated > allowed:
        raise WarehouseError(
            f"{name} would process {estimated:,} bytes (estimate), V4_BIGQUERY_MAXIMUM_BYTES_BILLED allows "
            f"{allowed:,}. Nothing was run. Raise the limit, or check which tables the query reads."
        )


def verify_location(dataset: str, found: str, wanted: str) -> None:
    """Raise WarehouseError when a dataset lies elsewhere than jobs are run."""
    if found.lower() != wanted.lower():
        raise WarehouseError(
            f"The dataset {dataset} is in {found}, but V4_BIGQUERY_LOCATION is {wanted}. Set "
            f"V4_BIGQUERY_LOCATION={found} if all datasets are there; otherwise recreate the dataset in {wanted}."
        )


def is_aborted(error: GoogleAPICallError) -> bool:
    """Whether a transaction was aborted because of a concurrent one on the same table."""
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
            "login`, run with an attached service account, or set V4_BIGQUERY_KEY_FILE. To impersonate "
            "V4_BIGQUERY_IMPERSONATE, the account needs roles/iam.serviceAccountTokenCreator on it."
        ) from error


def translated(name: str, error: GoogleAPIError) -> WarehouseError:
    """This project's error for one of the service's."""
    detail = _first_line(error)
    refused = _REFUSAL.search(detail)
    if refused and refused["error"] in _REFUSALS:
        return _REFUSALS[refused["error"]](refused["text"])
    rule = next(
        rule for rule in _RULES if isinstance(error, rule.of) and re.search(rule.wording, detail, re.IGNORECASE)
    )
    role = next((role for sign, role in _ROLES.items() if sign in detail.lower()), _WRITER)
    return rule.kind(rule.text.format(name=name, detail=detail.rstrip("."), role=role))


def _first_line(error: GoogleAPIError) -> str:
    """The service's message, without the request, the repetition and the job id that the client adds."""
    message = error.message if isinstance(error, GoogleAPICallError) else error
    detail = str(message).partition("; reason:")[0].strip().partition("\n")[0]
    return _REQUEST.sub("", detail)

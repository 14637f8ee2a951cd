"""Connection to BigQuery: credentials and clients, one of each per process; account, jobs and limit of cost."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import google.auth
import grpc  # type: ignore[import-untyped] # grpc ships no types
from dagster_gcp import BigQueryResource
from google.auth import impersonated_credentials
from google.auth.credentials import AnonymousCredentials, Credentials
from google.cloud import bigquery
from google.cloud.bigquery.retry import DEFAULT_JOB_RETRY
from google.cloud.bigquery.table import RowIterator
from google.cloud.bigquery_storage import BigQueryReadClient
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport
from google.oauth2 import service_account

from v4_assets.errors import WarehouseError
from v4_assets.sql import Query
from v4_assets.warehouse.bigquery import jobs
from v4_assets.warehouse.bigquery.errors import explained, verify_affordable
from v4_assets.warehouse.bigquery.scripts import parameters

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
"""OAuth scope of the token; IAM roles limit it further."""


@dataclass(frozen=True)
class Access:
    """Project, location and account: the defaults (ADC) or a key file, impersonating another account if one is given.

    An emulator, given by its addresses, needs no credentials.
    """

    project: str
    location: str
    key_file: str | None = None
    impersonate: str | None = None
    endpoint: str | None = None
    storage_endpoint: str | None = None


def credentials(access: Access) -> Credentials:
    """The credentials. Raises WarehouseError for an invalid key file, GoogleAuthError when there are no credentials."""
    if access.endpoint:
        return AnonymousCredentials()  # type: ignore[no-untyped-call] # google leaves it untyped
    own = _from_key(access.key_file) if access.key_file else google.auth.default(scopes=SCOPES)[0]
    if not access.impersonate:
        return own
    return impersonated_credentials.Credentials(  # type: ignore[no-untyped-call] # google leaves it untyped
        source_credentials=own, target_principal=access.impersonate, target_scopes=list(SCOPES)
    )


@cache
def client(access: Access) -> bigquery.Client:
    """The client of the REST API; it may be shared by threads."""
    options = {"api_endpoint": access.endpoint} if access.endpoint else None
    return bigquery.Client(access.project, credentials(access), location=access.location, client_options=options)


@cache
def storage_client(access: Access) -> BigQueryReadClient | None:
    """The client of the Storage Read API; None for an emulator without one, which is read page by page."""
    if access.storage_endpoint:
        channel = grpc.insecure_channel(access.storage_endpoint, options=[("grpc.max_receive_message_length", -1)])
        return BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))  # type: ignore[no-untyped-call] # google leaves it untyped
    return None if access.endpoint else BigQueryReadClient(credentials=credentials(access))  # type: ignore[no-untyped-call] # google leaves it untyped


def _from_key(path: str) -> Credentials:
    try:
        return service_account.Credentials.from_service_account_file(path, scopes=SCOPES)  # type: ignore[no-untyped-call,no-any-return] # the same
    except (OSError, ValueError) as error:
        raise WarehouseError(
            f"V4_BIGQUERY_KEY_FILE={path} cannot be used: {error}. Give the JSON key of a service account, or unset it "
            "to use the default credentials (ADC)."
        ) from error


class BigQueryConnection(BigQueryResource):
    """Project, location and account.

    Credentials are the client's own defaults (ADC) or a key file's, used in the name of another account if one is
    named. Configuration is shown in Dagster's pages, so `gcp_credentials`, which takes the key itself, is not read.
    """

    project: str
    location: str = "US"
    maximum_bytes_billed: int = 50 * 2**30
    key_file: str | None = None
    """JSON key of a service account."""
    impersonate: str | None = None
    """The service account to impersonate."""
    endpoint: str | None = None
    """REST address of an emulator; None is Google's."""
    storage_endpoint: str | None = None
    """host:port of the emulator's Storage Read API; without it an emulator is read page by page."""

    @contextmanager
    def get_client(self) -> Iterator[bigquery.Client]:
        """Google's client, for assets of your own."""
        yield self._client

    def get_object_to_set_on_execution_context(self) -> Any:
        """This warehouse instead of a client: assets use it, and credentials are needed only at its first query."""
        return self

    @property
    def _access(self) -> Access:
        return Access(
            self.project, self.location, self.key_file, self.impersonate, self.endpoint, self.storage_endpoint
        )

    @property
    def _client(self) -> bigquery.Client:
        return client(self._access)

    @property
    def _storage(self) -> BigQueryReadClient | None:
        return storage_client(self._access)

    def _job(self, query: Query, ids: Iterator[str]) -> bigquery.QueryJob:
        """The query as a job, started under the first free id."""

        def start(job_id: str, labels: dict[str, str]) -> bigquery.QueryJob:
            config = bigquery.QueryJobConfig(
                query_parameters=parameters(query.params), maximum_bytes_billed=self.maximum_bytes_billed, labels=labels
            )
            return self._client.query(query.text, config, job_id=job_id, job_retry=None)

        return jobs.started(self._client, start, ids, jobs.labels(query.name, jobs.Asker.current()))

    def _result(self, job: bigquery.QueryJob) -> RowIterator:
        rows = job.result(job_retry=None)
        jobs.charge_job(job)
        return rows

    def _rows(self, query: Query) -> RowIterator:
        """The answer to a query that may be repeated as a new job when the service has lost the previous one."""
        ids = jobs.job_ids(query.name, jobs.Asker.current())
        return DEFAULT_JOB_RETRY(lambda: self._result(self._job(query, ids)))()

    def _verify_affordable(self, query: Query) -> None:
        """Raise WarehouseError when the service's estimate of the query exceeds maximum_bytes_billed."""
        config = bigquery.QueryJobConfig(query_parameters=parameters(query.params), dry_run=True, use_query_cache=False)
        with explained(query.name):
            estimated = self._client.query(query.text, config).total_bytes_processed or 0
        jobs.charge(**{jobs.ESTIMATED: estimated})
        verify_affordable(query.name, estimated, self.maximum_bytes_billed)

"""BigQuery credentials, and Google's clients: one of each per process."""

from dataclasses import dataclass
from functools import cache

import google.auth
import grpc  # type: ignore[import-untyped] # grpc ships no types
from google.auth import impersonated_credentials
from google.auth.credentials import AnonymousCredentials, Credentials
from google.cloud import bigquery
from google.cloud.bigquery_storage import BigQueryReadClient
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport
from google.oauth2 import service_account

from v4_assets.errors import WarehouseError

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

"""Every error this project raises on purpose, on one page.

Each message says what was found, what was expected and how to repair it.
"""

from collections.abc import Sequence

SHOWN = 3
"""Number of findings that a message lists; an operator repairs these and sees the next."""


def listed(findings: Sequence[str]) -> str:
    """Findings in one message: the first ones, and the number of the others."""
    more = len(findings) - SHOWN
    return "; ".join(findings) if more < 1 else f"{'; '.join(findings[:SHOWN])}; and {more} more"


DAMAGED = "Restore the file from a backup, or move it away and make a new one with `v4 init`."
"""What an operator does about a warehouse file that cannot be read."""


class V4Error(Exception):
    """Base of all errors raised on purpose; the command line prints it without a traceback."""


class SettingsError(V4Error):
    """rollout.yaml or the environment says something impossible."""


class SqlFileError(V4Error):
    """A file in sql/ has no valid header, or names an unknown table or parameter."""


class WarehouseError(V4Error):
    """The warehouse refused or could not do what was asked."""


class WarehouseBusyError(WarehouseError):
    """Another process kept the warehouse for longer than the deadline."""


class TableMissingError(WarehouseError):
    """A table or dataset that must exist does not."""


class SchemaDriftError(WarehouseError):
    """A table's columns or types are not the declared ones."""


class SchemaVersionError(WarehouseError):
    """The warehouse is of an older or newer schema version than this release reads and writes."""


class ObstacleError(WarehouseError):
    """Objects of others stand where this project's tables and views belong; nothing was made."""


class TakeoverError(WarehouseError):
    """A takeover cannot be done or undone as things stand, or waits to be finished."""


class ConcurrentWriteError(WarehouseError):
    """Another process wrote the partition between our read and our write; nothing was changed."""


class LivePartitionError(V4Error):
    """A partition written on its own day is evidence and is not replaced without a reason."""


class RowsMissingError(V4Error):
    """Rows that must be there are not: a day without any, or a training set without conversions."""


class ModelError(V4Error):
    """A model bundle cannot be used as it is."""


class ModelIntegrityError(ModelError):
    """A bundle's file is not the approved one."""


class ModelContractError(ModelError):
    """A bundle, its booster and its feature list do not agree."""


class FeatureError(V4Error):
    """Rows to be scored do not match the model's feature contract."""


class PolicyError(V4Error):
    """A promotion, rollback or sunset is not possible as things stand."""


class StaleDecisionError(PolicyError):
    """The world changed between a decision and the switch; nothing was changed."""


class SalesforceError(V4Error):
    """The Salesforce org refused or could not do what was asked."""


class SalesforceSetupError(SalesforceError):
    """Credentials, fields or the org itself are not as configured; nothing was written."""


class OrgUnavailableError(SalesforceError):
    """The org was asked again and again and did not answer; nothing was changed. Later it may."""


class OrgRefusedError(SalesforceError):
    """The org answered with an error."""

    def __init__(self, message: str, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class AmbiguousAnswerError(SalesforceError):
    """The org did not answer, so it is unknown whether a request took effect."""


class ApiLimitError(SalesforceError):
    """The org's daily API requests are used up, or nearly."""


class ValuesOutOfRangeError(SalesforceError):
    """A score of the day is missing or outside its range; nothing was sent."""


class SyncHeldError(SalesforceError):
    """A sync would change more than is allowed; nothing was sent."""

"""What is sent to Salesforce, and its limits: the `salesforce` section of rollout.yaml, validated and frozen."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from v4_assets.config.rollout_policy import AnyShare, Frozen, Share

FieldName = Annotated[str, Field(pattern=r"^[A-Za-z]\w*$", max_length=80)]


class FieldNames(Frozen):
    """Names of the fields of the Lead object. An optional field that is null is not sent."""

    score: FieldName
    """Two decimals, 0 to 1."""
    percentile: FieldName
    """1 to 100; 100 is best."""
    deprioritize: FieldName
    """The lowest fifth."""
    model_version: FieldName | None = None
    """The version the values come from; null: not sent."""
    scored_at: FieldName | None = None
    """When the values last changed; null: not sent. Never compared, or every lead would change every day."""

    @model_validator(mode="after")
    def _all_different(self) -> "FieldNames":
        names = [name.lower() for name in self.model_dump().values() if name]
        if len(set(names)) < len(names):
            raise ValueError(f"two of {names} are the same field")
        return self


class SalesforceSync(Frozen):
    """How the live version's scores reach the org."""

    fields: FieldNames
    max_changed_share: Share
    """Largest share, among leads that carry the same version, whose deprioritize flips or whose decile moves by two or
    more; above it, nothing is sent."""
    max_failure_rate: AnyShare
    """Largest share of sent leads that the org refuses for good; above it, the run fails after recording everything."""
    leads_that_left: Literal["leave", "clear"]
    """Fields of a lead that is no longer scored: leave keeps their values, clear empties them."""
    read_back: Literal["sample", "all"]
    """Leads that are read again and compared after a sync."""
    read_back_leads: Annotated[int, Field(ge=1, le=2000)]
    """Leads in the sample."""
    rows_per_job: Annotated[int, Field(ge=1, le=500_000)]
    """Rows of one Bulk API job; half a million rows stay below its limit of 100 MB."""
    retry_rounds: Annotated[int, Field(ge=0, le=10)]
    """Retries of rows with a temporary error, such as a lock; the next run sends what is left."""
    retry_wait_seconds: Annotated[float, Field(ge=0, le=600)]
    """Wait before the first retry; each further wait is twice as long, plus or minus a half."""
    poll_deadline_minutes: Annotated[float, Field(gt=0, le=24 * 60)]
    """A job that takes longer is aborted."""
    quarantine_days: Annotated[int, Field(ge=1, le=366)]
    """Days until a refused lead is sent again; a change of the live version sends it at once."""

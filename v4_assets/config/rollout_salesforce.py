"""What Salesforce is sent and within which limits: the `salesforce` section of rollout.yaml, validated and frozen."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from v4_assets.config.rollout_policy import AnyShare, Frozen, Share

FieldName = Annotated[str, Field(pattern=r"^[A-Za-z]\w*$", max_length=80)]


class FieldNames(Frozen):
    """What the fields of Lead are called. The optional ones may be null: then they are not sent."""

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
    """Of the leads that carry the same version already: those whose deprioritize flips or whose decile moves by two."""
    max_failure_rate: AnyShare
    """Of the leads sent: those the org refused for good."""
    leads_that_left: Literal["leave", "clear"]
    """What becomes of the fields of a lead that is scored no more."""
    read_back: Literal["sample", "all"]
    """Which leads are read again after a sync and compared."""
    read_back_leads: Annotated[int, Field(ge=1, le=2000)]
    """Leads in the sample."""
    rows_per_job: Annotated[int, Field(ge=1, le=500_000)]
    """A job takes 100 MB of CSV, which half a million of our rows do not reach."""
    retry_rounds: Annotated[int, Field(ge=0, le=10)]
    """For rows that were locked and the like; what is left then is sent by the next run."""
    retry_wait_seconds: Annotated[float, Field(ge=0, le=600)]
    """Before the first retry; doubled before each further one, give or take a half."""
    poll_deadline_minutes: Annotated[float, Field(gt=0, le=24 * 60)]
    """A job that takes longer is aborted."""
    quarantine_days: Annotated[int, Field(ge=1, le=366)]
    """So long a refused lead is not sent again, unless another version goes live."""

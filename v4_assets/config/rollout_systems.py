"""What other systems have and how it is reached: `sources`, `salesforce` and `references` of rollout.yaml."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from v4_assets.config.problems import Form
from v4_assets.config.rollout_policy import AnyShare, Frozen, Share
from v4_assets.sources.types import SourceTypes, readable, source_columns
from v4_assets.sql import Column, Type

RESERVED = """
    all and any array as asc assert_rows_modified at between by case cast collate contains create cross cube current
    default define desc distinct else end enum escape except exclude exists extract false fetch following for from full
    group grouping groups hash having if ignore in inner intersect interval into is join lateral left like limit lookup
    merge natural new no not null nulls of on or order outer over partition preceding proto qualify range recursive
    respect right rollup rows select set some struct tablesample then to treat true unbounded union unnest using when
    where window with within
"""
"""GoogleSQL's reserved keywords: https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical."""
FOLDER = "folder"
"""In the context of a validation: the folder that relative paths are relative to."""


def _not_reserved(name: str) -> str:
    if name.lower() in RESERVED.split():
        raise ValueError(f"{name} is a reserved keyword of GoogleSQL; give the column another name in a view")
    return name


TableName = Annotated[str, Form(r"^\w+$", "letters, digits and _")]
ColumnName = Annotated[
    str,
    Form(r"^[A-Za-z_][A-Za-z0-9_]{0,299}$", "at most 300 letters, digits and _, not a digit first"),
    AfterValidator(_not_reserved),
]


class LeadColumns(Frozen):
    """The columns of the CRM's Lead table."""

    id: ColumnName = "Id"
    """Salesforce Lead Id, 18 characters."""
    advisor_crd: ColumnName = "FA_CRD__c"
    """The advisor's CRD number, as text."""
    lead_source: ColumnName = "LeadSource"
    """Where the lead came from."""
    email: ColumnName = "Email"
    """The lead's own e-mail address."""
    linkedin: ColumnName = "LinkedIn_Profile_Apollo__c"
    """The lead's own LinkedIn profile."""
    company: ColumnName = "Company"
    """Employer as Salesforce knows it."""
    created_at: ColumnName = "CreatedDate"
    """Timestamp of the lead's creation."""
    entered_contacting: ColumnName = "stage_entered_contacting__c"
    """Timestamp of entering Contacting."""
    entered_call_scheduled: ColumnName = "Stage_Entered_Call_Scheduled__c"
    """Timestamp of entering Call Scheduled: the conversion."""
    is_deleted: ColumnName | None = None
    """Whether the lead is deleted or merged, as IsDeleted; null: the copy does not keep it."""
    is_converted: ColumnName | None = None
    """Whether the lead is converted, as IsConverted; null: the copy does not keep it."""

    @model_validator(mode="after")
    def _distinct(self) -> "LeadColumns":
        names = [name.lower() for name in self.model_dump().values() if name]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{', '.join(twice)} is named for two columns; each column needs a name of its own")
        return self


class LeadSource(Frozen):
    """The CRM's Lead table."""

    columns: LeadColumns = LeadColumns()


class ImpossibleValues(Frozen):
    """Shares of a source column's values that cannot be: a date of 1900, an Id of 16 characters. They count as NULL."""

    warn_above: Share = 0.001
    """Warning above this share of the rows."""
    block_above: Share = 0.05
    """Blocking above this share of the rows."""
    columns: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    """Another blocking share for single columns, by TABLE.COLUMN: the end date of a feed that writes 9999-12-31."""


def _zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name} is no time zone; write one of the tz database, such as America/New_York") from error


class Sources(Frozen):
    """Tables that other systems write."""

    lead: LeadSource = LeadSource()
    time_zone: Annotated[str, AfterValidator(_zone)] | None = None
    """Time zone of instants without one; needed where `types` reads an instant from DATETIME or DATE."""
    types: dict[str, Type] = Field(default_factory=dict)
    """Types of columns that are delivered in another type, by lead.KEY or TABLE.COLUMN: lead.advisor_crd: FLOAT64."""

    @model_validator(mode="after")
    def _readable(self) -> "Sources":
        for key, kind in self.types.items():
            declared = source_columns().get(key)
            if declared is None:
                raise ValueError(f"types.{key} is not a column that can be of another type")
            if kind != declared.type and kind not in readable(key):
                able = ", ".join((declared.type, *readable(key)))
                raise ValueError(f"types.{key} is {kind}, expected {able}; cast it in a view of your own")
            if declared.type == "TIMESTAMP" and kind != "TIMESTAMP" and self.time_zone is None:
                raise ValueError(f"types.{key} is {kind}, which names no time zone; set sources.time_zone")
        return self

    @property
    def source_types(self) -> SourceTypes:
        """The types as the catalogue of tables takes them."""
        return SourceTypes(self.types, self.time_zone)


SAMPLE_TYPES: dict[str, tuple[type, ...]] = {
    "STRING": (str,),
    "INT64": (int,),
    "FLOAT64": (float, int),
    "BOOL": (bool,),
    "DATE": (date,),
    "TIMESTAMP": (datetime,),
}
"""GoogleSQL's types, and what YAML reads for a value of each."""


class SourceColumn(Frozen):
    """A column of a source table that only one version needs."""

    table: Literal["lead", "ria_contacts_current", "contact_registered_employment_history", "broker_protocol_members"]
    """The source table it is a column of."""
    type: Literal["STRING", "INT64", "FLOAT64", "BOOL", "DATE", "TIMESTAMP"]
    """Its type in GoogleSQL; another one in the table stops the day."""
    sample: Annotated[tuple[Any, ...], Field(min_length=1)]
    """Values that the sample world gives it, each to about as many rows; null for not known."""
    meaning: Annotated[str, Field(min_length=1)] = "a column that only this version needs"
    """What it holds."""

    @model_validator(mode="after")
    def _fits(self) -> "SourceColumn":
        wanted = SAMPLE_TYPES[self.type]
        known = [value for value in self.sample if value is not None]
        # A bool is an int to Python, and a datetime a date.
        strict = [value for value in known if type(value) not in wanted]
        if strict or not known:
            raise ValueError(f"sample needs values of type {self.type}, null beside them; it has {list(self.sample)}")
        return self

    def column(self, name: str) -> Column:
        """The column as a source's contract has it."""
        return Column(name, self.type, self.meaning, sample=self.sample)


FieldName = Annotated[
    str, Field(max_length=80), Form(r"^[A-Za-z]\w*$", "letters, digits and _, a letter first, like V4_Score__c")
]


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
    """When the values on the lead were scored; null: not sent. Never compared, or every lead would change daily."""

    @model_validator(mode="after")
    def _all_different(self) -> "FieldNames":
        names = [name.lower() for name in self.model_dump().values() if name]
        if len(set(names)) < len(names):
            raise ValueError(f"two of {names} are the same field")
        return self


class SalesforceSync(Frozen):
    """How the live version's scores reach the org."""

    fields: FieldNames
    min_score_change: Annotated[float, Field(ge=0, le=1)] = 0.02
    """A lead is sent when its version, its deprioritize or its decile changes, or its score by at least this much."""
    full_sync_days: Annotated[int, Field(ge=1, le=366)] = 7
    """Once in this many days every difference is sent and every lead is read back. 1 does so every day."""
    max_changed_share: Share
    """Largest share, among leads whose values can be compared, whose deprioritize flips or whose decile moves by two or
    more; and largest share of the leads with values that are emptied. Above either, nothing is sent."""
    max_pending_share: AnyShare = 0.01
    """Largest share of the day's leads that may still be pending after a sync; above it, the run fails."""
    max_failure_rate: AnyShare
    """Largest share of the day's leads that the org refuses for good in one sync; above it, the run fails after
    recording everything."""
    max_uncovered_share: AnyShare = 0.02
    """Largest share of the day's leads that may be pending or refused while the check `coverage` passes. Leads that the
    org does not have, or has converted, do not count."""
    leads_that_left: Literal["leave", "clear"]
    """Fields of a lead that left the scored set without a call: clear empties them, leave keeps their values."""
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
    """Days until a refused lead is sent again. A change of the live version sends it at once, and so does
    `v4 sync retry-refused`."""


class ReferencePlaces(Frozen):
    """Places besides the project's own three datasets."""

    datasets: tuple[str, ...] = ()
    """Datasets with views and routines; on BigQuery each may be written `project.dataset`."""
    paths: tuple[Path, ...] = ()
    """Files and folders of text. In rollout.yaml relative to its folder."""
    exclude: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Patterns of files and folders below `paths` that are passed over: archive, *.ipynb, docs/old/*.md."""
    objects: dict[str, tuple[TableName, ...]] = Field(default_factory=dict)
    """Further tables and views bound to a version, by version: v4.0.0: [v4_prospect_scores]."""
    scheduled_queries: Path | None = None
    """File with the JSON that `bq ls --transfer_config --format=prettyjson` prints."""

    @field_validator("paths", "scheduled_queries")
    @classmethod
    def _beside_the_file(
        cls, value: tuple[Path, ...] | Path | None, info: ValidationInfo
    ) -> tuple[Path, ...] | Path | None:
        folder = (info.context or {}).get(FOLDER, Path())
        if isinstance(value, tuple):
            return tuple(folder / path.expanduser() for path in value)
        return folder / value.expanduser() if value else None

"""`sources` of rollout.yaml: names and types of the columns of the firm's own systems, validated and frozen."""

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from v4_assets.config.rollout_policy import Frozen, Share
from v4_assets.sources.types import readable, source_columns
from v4_assets.sql import Type
from v4_assets.tables import SourceTypes

RESERVED = """
    all and any array as asc assert_rows_modified at between by case cast collate contains create cross cube current
    default define desc distinct else end enum escape except exclude exists extract false fetch following for from full
    group grouping groups hash having if ignore in inner intersect interval into is join lateral left like limit lookup
    merge natural new no not null nulls of on or order outer over partition preceding proto qualify range recursive
    respect right rollup rows select set some struct tablesample then to treat true unbounded union unnest using when
    where window with within
"""
"""GoogleSQL's reserved keywords: https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical."""


def _not_reserved(name: str) -> str:
    if name.lower() in RESERVED.split():
        raise ValueError(f"{name} is a reserved keyword of GoogleSQL; give the column another name in a view")
    return name


ColumnName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,299}$"), AfterValidator(_not_reserved)]


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
    except (ValueError, OSError) as error:
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

"""`sources` of rollout.yaml: the names that the firm's own systems give their columns, validated and frozen."""

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from v4_assets.config.rollout_policy import Frozen

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

    @model_validator(mode="after")
    def _distinct(self) -> "LeadColumns":
        names = [name.lower() for name in self.model_dump().values()]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{', '.join(twice)} is named for two columns; each column needs a name of its own")
        return self


class LeadSource(Frozen):
    """The CRM's Lead table."""

    columns: LeadColumns = LeadColumns()


class Sources(Frozen):
    """Tables that other systems write."""

    lead: LeadSource = LeadSource()

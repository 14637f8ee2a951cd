"""The columns of the sources: their names at the firm, the type each is delivered in, and how SQL reads it. Pure.

A column is read in another type only where rollout.yaml says so (`sources.types`): a type that changes without notice
must stop the day, for most changes of a type are changes of the feed. Text never becomes a date or an instant here: its
format and its zone are the feed's own, so the firm's own view casts it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from v4_assets.sql import Column, Type

LEAD_COLUMNS = {
    "id": Column("Id", "STRING", "Salesforce Lead Id, 18 characters"),
    "advisor_crd": Column("FA_CRD__c", "STRING", "the advisor's CRD number; may hold stray non-digits"),
    "lead_source": Column("LeadSource", "STRING", "where the lead came from"),
    "email": Column("Email", "STRING", "the lead's own e-mail address"),
    "linkedin": Column("LinkedIn_Profile_Apollo__c", "STRING", "the lead's own LinkedIn profile"),
    "company": Column("Company", "STRING", "employer as Salesforce knows it"),
    "created_at": Column("CreatedDate", "TIMESTAMP", "creation of the lead"),
    "entered_contacting": Column("stage_entered_contacting__c", "TIMESTAMP", "entering Contacting"),
    "entered_call_scheduled": Column(
        "Stage_Entered_Call_Scheduled__c", "TIMESTAMP", "entering Call Scheduled: the conversion"
    ),
}
"""The Lead table's columns by what they hold, under their default names; SQL writes `{{lead.id}}`."""
OPTIONAL_LEAD_COLUMNS = {
    "is_deleted": Column("IsDeleted", "BOOL", "deleted, or merged into another lead"),
    "is_converted": Column("IsConverted", "BOOL", "converted into a contact"),
}
"""Columns that a copy of the CRM may lack; they are read once rollout.yaml names them."""
CONTACT_COLUMNS = (
    Column("RIA_CONTACT_CRD_ID", "INT64", "the advisor"),
    Column("PRIMARY_FIRM", "INT64", "where the advisor works now"),
    Column("PRIMARY_FIRM_NAME", "STRING", "its name"),
    Column("PRIMARY_FIRM_START_DATE", "DATE", "since when; about 15 % null"),
    Column("PRIMARY_FIRM_CLASSIFICATION", "STRING", "kind of firm, such as Independent RIA"),
    Column("REP_TYPE", "STRING", "IA, DR, BD, NA; about 5 % null"),
    Column("PRODUCING_ADVISOR", "BOOL", "whether the advisor produces"),
    Column("ACTIVE", "BOOL", "whether the advisor is active"),
    Column("INDUSTRY_TENURE_MONTHS", "INT64", "months in the industry; about 6 % null"),
    Column("LATEST_REGISTERED_EMPLOYMENT_COMPANY_CRD_ID", "INT64", "firm of the latest registration"),
    Column("LATEST_REGISTERED_EMPLOYMENT_COMPANY", "STRING", "its name"),
    Column("LATEST_REGISTERED_EMPLOYMENT_START_DATE", "DATE", "its start; about 10 % null"),
    Column("EMAIL", "STRING", "e-mail address; about 41 % null"),
    Column("LINKEDIN_PROFILE_URL", "STRING", "LinkedIn profile; 30-40 % null"),
)
HISTORY_COLUMNS = (
    Column("RIA_CONTACT_CRD_ID", "INT64", "the advisor"),
    Column("PREVIOUS_REGISTRATION_COMPANY_CRD_ID", "INT64", "the firm"),
    Column("PREVIOUS_REGISTRATION_COMPANY_NAME", "STRING", "its name"),
    Column("PREVIOUS_REGISTRATION_COMPANY_START_DATE", "DATE", "first day there"),
    Column("PREVIOUS_REGISTRATION_COMPANY_END_DATE", "DATE", "last day; null = current; filled 60-90 days late"),
)
PROTOCOL_COLUMNS = (Column("firm_crd_id", "INT64", "a member firm"),)
SOURCE_COLUMNS = {
    "ria_contacts_current": CONTACT_COLUMNS,
    "contact_registered_employment_history": HISTORY_COLUMNS,
    "broker_protocol_members": PROTOCOL_COLUMNS,
}
"""Columns of the tables whose columns are named the same everywhere."""


_WHOLE = "ABS({name}) < 1e15 AND {name} = TRUNC({name})"
READINGS = {
    ("STRING", "INT64"): "IF({name} < 1, 'no number of an advisor', CAST({name} AS STRING))",
    ("STRING", "FLOAT64"): (
        f"CASE WHEN {{name}} IS NULL THEN NULL WHEN {_WHOLE} AND {{name}} >= 1 "
        "THEN CAST(SAFE_CAST({name} AS INT64) AS STRING) ELSE 'no whole number' END"
    ),
    ("INT64", "FLOAT64"): (
        f"CASE WHEN {{name}} IS NULL THEN NULL WHEN {_WHOLE} THEN SAFE_CAST({{name}} AS INT64) ELSE -1 END"
    ),
    ("INT64", "STRING"): (
        r"CASE WHEN {name} IS NULL OR NOT REGEXP_CONTAINS({name}, r'\S') THEN NULL ELSE "
        r"COALESCE(SAFE_CAST(REGEXP_EXTRACT({name}, r'^\s*([0-9]{{1,18}})(?:[.]0+)?\s*$') AS INT64), -1) END"
    ),
    ("DATE", "DATETIME"): "DATE({name})",
    # An hour that the clock shows twice is the first one: DuckDB takes the second, Google the first.
    ("TIMESTAMP", "DATETIME"): (
        "IF(DATETIME(TIMESTAMP_SUB(TIMESTAMP({name}, '{zone}'), INTERVAL 1 HOUR), '{zone}') = {name}, "
        "TIMESTAMP_SUB(TIMESTAMP({name}, '{zone}'), INTERVAL 1 HOUR), TIMESTAMP({name}, '{zone}'))"
    ),
    ("TIMESTAMP", "DATE"): "TIMESTAMP({name}, '{zone}')",
}
"""Declared type and delivered type to the GoogleSQL that reads one as the other. A value without a reading becomes one
that the rules of sql/sources/ reject, so that it is counted."""
TEXT_ONLY = ("lead.id", "lead.email", "lead.linkedin", "lead.company", "lead.lead_source")
"""Columns of text that no number can stand for. Of the STRING columns this leaves the CRD number."""


def source_columns() -> dict[str, Column]:
    """Every column that may be of another type, by its name in rollout.yaml: lead.advisor_crd, TABLE.COLUMN."""
    found = {f"lead.{key}": column for key, column in LEAD_COLUMNS.items() if f"lead.{key}" not in TEXT_ONLY}
    found |= {f"{table}.{column.name}": column for table, columns in SOURCE_COLUMNS.items() for column in columns}
    return {key: column for key, column in found.items() if column.type != "STRING" or key == "lead.advisor_crd"}


def readable(key: str) -> tuple[str, ...]:
    """The types a column can be read from besides its declared one; none for a column that is not known."""
    column = source_columns().get(key)
    return tuple(delivered for declared, delivered in READINGS if column and declared == column.type)


@dataclass(frozen=True)
class SourceTypes:
    """Types of the sources' columns where they are not the declared ones, as in rollout.yaml."""

    of: Mapping[str, Type] = field(default_factory=dict)
    """Type by lead.KEY or TABLE.COLUMN."""
    time_zone: str | None = None
    """Zone of the instants that name none."""

    def delivered(self, table: str, declared: Mapping[str, Column]) -> tuple[Column, ...]:
        """The columns of a table, by key, in the types they are delivered in."""
        return tuple(
            replace(column, type=self.of.get(f"{table}.{key}", column.type)) for key, column in declared.items()
        )

    def expressions(self, table: str, declared: Mapping[str, Column]) -> dict[str, str]:
        """GoogleSQL that reads each column of a table, by TABLE.KEY, as its declared type."""
        found = {}
        for key, column in declared.items():
            delivered = self.of.get(f"{table}.{key}", column.type)
            reading = READINGS[column.type, delivered] if delivered != column.type else "{name}"
            found[f"{table}.{key}"] = reading.format(name=column.name, zone=self.time_zone)
        return found


LEAD = "lead"
BROUGHT = "brought"
"""In {{lead.brought}}: the observations of a source's columns that only some versions need."""
FURTHER = "further"
"""In {{lead.further}} of sql/sources/lead.sql: those columns."""


def lead_names(renamed: Mapping[str, str | None]) -> dict[str, str]:
    """Name of each column of the Lead table that there is, by its key; `renamed` as in rollout.yaml."""
    names = {key: renamed.get(key) or column.name for key, column in LEAD_COLUMNS.items()}
    return names | {key: name for key in OPTIONAL_LEAD_COLUMNS if (name := renamed.get(key))}


@dataclass(frozen=True)
class SourceReading:
    """The columns of every source as one installation has them."""

    lead_columns: Mapping[str, str]
    """As `lead_names` gives them."""
    brought: Mapping[str, tuple[Column, ...]] = field(default_factory=dict)
    types: SourceTypes = field(default_factory=SourceTypes)

    def delivered(self, source: str) -> tuple[Column, ...]:
        """A source's columns in the types they are delivered in."""
        return (*self.types.delivered(source, self._declared(source)), *self.brought.get(source, ()))

    @property
    def names(self) -> dict[str, str]:
        """The names in every other file: a Lead column, what the firm calls it, and observations of further columns."""
        return (
            {f"{LEAD}.{key}": key for key in LEAD_COLUMNS}
            | {f"{LEAD}_name.{key}": name for key, name in self.lead_columns.items()}
            | {f"{source}.{BROUGHT}": self._observed(source) for source in (LEAD, *SOURCE_COLUMNS)}
        )

    def own_names(self, source: str, table: str) -> dict[str, str]:
        """The names in a source's own file: the firm's table, and its columns as they are read."""
        columns = self.types.expressions(source, self._declared(source))
        further = "".join(f",\n    {column.name}" for column in self.brought.get(source, ()))
        absent = {f"{LEAD}.{key}": "FALSE" for key in OPTIONAL_LEAD_COLUMNS} if source == LEAD else {}
        return {source: table, f"{source}.{FURTHER}": further, **absent, **columns}

    def _observed(self, source: str) -> str:
        """What source_observations.sql adds to a source's columns for those that only some versions need."""
        return "".join(
            f",\n      STRUCT('{one.name}' AS column_name, COUNTIF({one.name} IS NULL) AS null_count, 0 AS "
            "impossible_count, CAST(NULL AS STRING) AS lowest, CAST(NULL AS STRING) AS highest)"
            for one in self.brought.get(source, ())
        )

    def _declared(self, source: str) -> dict[str, Column]:
        """The declared columns by key, under the names they have here."""
        if source == LEAD:
            every = {**LEAD_COLUMNS, **OPTIONAL_LEAD_COLUMNS}
            return {key: replace(every[key], name=name) for key, name in self.lead_columns.items()}
        return {column.name: column for column in SOURCE_COLUMNS[source]}

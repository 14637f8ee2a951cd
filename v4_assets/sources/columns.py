"""The columns of the firm's tables that are read, as its systems deliver them. Pure."""

from v4_assets.sql import Column

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

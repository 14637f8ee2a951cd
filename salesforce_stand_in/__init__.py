"""A stand-in Salesforce org: a HTTP server on this machine that an unmodified simple-salesforce client can talk to.

    with StandInOrg(folder, leads=[SeedLead("00Q…", {"V4_Score__c": 0.41}), "00Q…"]) as org:
        client = SalesforceClient(org.target)        # logs in by JWT bearer, as in production
        org.faults.request("drop_after", on="upload")   # the PUT takes effect, its answer is lost
        org.faults.row("UNABLE_TO_LOCK_ROW", [lead_id], times=2)
        org.faults.job("fail", rows=100)
        org.faults.set(down=True)                    # …and org.faults.clear()
        org.rows()[lead_id]["V4_Score__c"]; org.updates(); org.jobs(); org.requests["poll"]; org.bytes_in
        org.define(OrgField(…)); org.drop("V4_Score__c"); org.seed([…])

StandInOrg(folder, leads=(), *, fields=V4, sandbox=True, page_size=2000, host="127.0.0.1", port=0) keeps its state in
`folder` and finds it there again. Another process reaches it by `local_target(folder)` and upsets it by
`switch(folder, down=True)`; on the command line it is `python -m salesforce_stand_in serve FOLDER`. faults.py says
what can go wrong.

It imitates: login by JWT bearer (signature, issuer, audience, user, expiry) and client credentials;
expiry of tokens; the daily request limit and its header; describe with field-level security; SOQL as far as
soql.py says, page by page; Bulk API 2.0 ingest jobs that update Lead from CSV with their states, counts, errors, limits
on repetition and three result files; row errors; values as Salesforce keeps them (numbers unrounded). A caller adds
further APIs by `org.api.extensions`, as benchmarks/bulk_v1.py does for Bulk API 1.0.

It does not imitate: other objects and operations, triggers, flows, sharing, validation rules of its own (a fault plays
them), the other limits, result files that disappear after a week, the exact wording of every message, and time: a job
advances when it is asked after. It was built from documentation and never compared with a live org. It serves loopback
only and refuses everything else.
"""

from salesforce_stand_in.faults import Faults, JobFault, RequestFault, RowFault, Script
from salesforce_stand_in.fields import V4, OrgField
from salesforce_stand_in.server import StandInOrg, local_target, switch
from salesforce_stand_in.store import SeedLead

__all__ = [
    "V4", "Faults", "JobFault", "OrgField", "RequestFault", "RowFault", "Script", "SeedLead", "StandInOrg",
    "local_target", "switch",
]  # fmt: skip

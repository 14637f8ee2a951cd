"""The client of a Salesforce org, over HTTP. I/O only."""

"""A Salesforce org, over HTTP."""

-- salesforce_release: forget refusals of an org, so that the next sync sends these leads again.
-- grain:   one row per lead
-- inputs:  {{salesforce_state}}
-- params:  @org_id STRING, @code STRING (NULL: any), @lead_id STRING (NULL: any)
-- output:
--   lead_id  STRING  the other columns are those of salesforce_state

UPDATE {{salesforce_state}}
SET
  refused_code = NULL,
  refused_message = NULL,
  refused_on = NULL,
  -- A lead without values is not known any more.
  model_version = IF(score IS NULL, NULL, model_version)
WHERE org_id = @org_id
  AND refused_code IS NOT NULL
  AND (@code IS NULL OR refused_code = @code)
  AND (@lead_id IS NULL OR lead_id = @lead_id)

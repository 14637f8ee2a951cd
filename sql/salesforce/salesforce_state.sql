-- salesforce_state: what the leads of an org are known to carry: the last confirmed values, or why the org refused them.
-- grain:   one row per org_id and lead_id
-- inputs:  {{salesforce_state}}
-- params:  @org_id STRING
-- output:
--   org_id           STRING     the org, 18 characters
--   lead_id          STRING     Salesforce Lead Id, 18 characters
--   score            FLOAT64 [0..1]  two decimals; NULL when the lead carries none, or refused what was sent; a lead that refused known values sent again keeps them
--   percentile       INT64 [1..100]  as the org has it
--   deprioritize     BOOL       as the org has it
--   model_version    STRING     the version the values are of, or were refused of; NULL when the org does not say, and for a lead whose fields were emptied
--   as_of            DATE       the day they were sent; NULL when they were read from the org, refused or in doubt
--   refused_code     STRING     the org's code for its refusal; NULL when confirmed
--   refused_message  STRING     its words
--   refused_on       DATE       the day whose scores were refused
--   known_at         TIMESTAMP  since when this is known

SELECT
  org_id, lead_id, score, percentile, deprioritize, model_version, as_of, refused_code, refused_message, refused_on,
  known_at
FROM {{salesforce_state}}
WHERE org_id = @org_id

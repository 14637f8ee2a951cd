-- prospect_sample: some prospects, the same ones each time, for a test that writes nothing.
-- grain:   one row per prediction_date and advisor_crd
-- inputs:  {{prospects}}
-- params:  @sample_rows INT64
-- output:
--   prediction_date  DATE    first day of the month
--   advisor_crd      INT64   the advisor
--   firm_name        STRING  PRIMARY_FIRM_NAME
--   is_own           BOOL    one of the firm's own people
--   has_email        INT64 [0..1]  FinTrx has an e-mail address
--   has_linkedin     INT64 [0..1]  FinTrx has a LinkedIn profile
--   tie_break        INT64   salted hash of advisor_crd
--   retrospective    BOOL    a late month

SELECT prediction_date, advisor_crd, firm_name, is_own, has_email, has_linkedin, tie_break, retrospective
FROM {{prospects}}
WHERE advisor_crd IS NOT NULL
QUALIFY ROW_NUMBER() OVER (ORDER BY tie_break, advisor_crd) <= @sample_rows

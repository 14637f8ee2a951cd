-- prospect_choices: the advisors to contact, best first, as many as the callers take; and how many others are left out, by reason.
-- A list that was given out earlier in the same month is replaced, so its advisors can be listed again.
-- grain:   one row per place, and one per left_out
-- inputs:  {{prospects}}, {{prospect_scores}}, {{lead}}, {{prospect_list}}, {{prospect_lists}}
-- names:   {{lead.advisor_crd}}, {{lead.created_at}}, {{lead.entered_contacting}}, {{lead.entered_call_scheduled}}, {{prospects.percentile}}
-- params:  @month DATE (first day of the month), @cutoff TIMESTAMP (00:00 New York of the day the list is made), @first_contact DATE (contacted or listed since then is lately), @least_percentile INT64, @places INT64
-- output:
--   place          INT64 [1..]  1 = best; NULL in the row of a reason
--   advisor_crd    INT64   the advisor; NULL in the row of a reason
--   firm_name      STRING  PRIMARY_FIRM_NAME
--   score          FLOAT64 [0..1]  full precision
--   percentile     INT64 [0..100]  as the view v4_prospect_scores counts
--   narrative      STRING  the reasons as a sentence; candidates only
--   model_version  STRING  the version that scored
--   bundle_sha256  STRING  sha256 of everything that can change its scores
--   left_out       STRING [own people | open lead | contacted lately | listed lately | percentile too low]  why; NULL for the listed
--   advisors       INT64 [1..]  how many scored advisors the row stands for

WITH led AS (
  SELECT
    {{lead.advisor_crd}} AS advisor_crd,
    LOGICAL_OR(
      NOT is_gone AND ({{lead.entered_call_scheduled}} IS NULL OR {{lead.entered_call_scheduled}} >= @cutoff)
    ) AS is_open,
    MAX(
      IF({{lead.entered_contacting}} < @cutoff, DATE({{lead.entered_contacting}}, 'America/New_York'), NULL)
    ) AS contacted_on,
    MAX(
      IF({{lead.entered_call_scheduled}} < @cutoff, DATE({{lead.entered_call_scheduled}}, 'America/New_York'), NULL)
    ) AS called_on
  FROM {{lead}}
  WHERE {{lead.advisor_crd}} IS NOT NULL AND ({{lead.created_at}} IS NULL OR {{lead.created_at}} < @cutoff)
  GROUP BY {{lead.advisor_crd}}
),

listed AS (
  SELECT DISTINCT list.advisor_crd
  FROM {{prospect_list}} AS list
  JOIN {{prospect_lists}} AS given
    ON given.prediction_date = list.prediction_date AND given.edition = list.edition
  WHERE given.prediction_date <> @month
    AND given.given_out_at < @cutoff
    AND DATE(given.given_out_at, 'America/New_York') >= @first_contact
),

ranked AS (
  SELECT advisor_crd, score, {{prospects.percentile}} AS percentile, narrative, model_version, bundle_sha256
  FROM {{prospect_scores}}
  WHERE prediction_date = @month
),

standing AS (
  SELECT
    ranked.advisor_crd,
    advisors.firm_name,
    ranked.score,
    ranked.percentile,
    IF(ranked.percentile >= 80, ranked.narrative, NULL) AS narrative,
    ranked.model_version,
    ranked.bundle_sha256,
    advisors.tie_break,
    CASE
      WHEN advisors.is_own THEN 'own people'
      WHEN led.is_open THEN 'open lead'
      WHEN led.contacted_on >= @first_contact OR led.called_on >= @first_contact THEN 'contacted lately'
      WHEN listed.advisor_crd IS NOT NULL THEN 'listed lately'
      WHEN ranked.percentile < @least_percentile THEN 'percentile too low'
    END AS left_out
  FROM ranked
  JOIN {{prospects}} AS advisors
    ON advisors.prediction_date = @month AND advisors.advisor_crd = ranked.advisor_crd
  LEFT JOIN led ON led.advisor_crd = ranked.advisor_crd
  LEFT JOIN listed ON listed.advisor_crd = ranked.advisor_crd
),

ordered AS (
  SELECT *, ROW_NUMBER() OVER (ORDER BY score DESC, tie_break DESC, advisor_crd) AS place
  FROM standing
  WHERE left_out IS NULL
)

SELECT
  place, advisor_crd, firm_name, score, percentile, narrative, model_version, bundle_sha256,
  CAST(NULL AS STRING) AS left_out,
  1 AS advisors
FROM ordered
WHERE place <= @places
UNION ALL
SELECT
  CAST(NULL AS INT64) AS place,
  CAST(NULL AS INT64) AS advisor_crd,
  CAST(NULL AS STRING) AS firm_name,
  CAST(NULL AS FLOAT64) AS score,
  CAST(NULL AS INT64) AS percentile,
  CAST(NULL AS STRING) AS narrative,
  CAST(NULL AS STRING) AS model_version,
  CAST(NULL AS STRING) AS bundle_sha256,
  left_out,
  COUNT(*) AS advisors
FROM standing
WHERE left_out IS NOT NULL
GROUP BY left_out

-- inferred_departures: departures of advisors from firms in the year before the day, inferred from their current firm.
-- An advisor with a new primary firm left the firm of the latest earlier start on the day the new one began. The departed
-- firm's own end date is filled 60-90 days late, so departures are inferred from start dates and not from end dates.
-- grain:   one row per prediction_date and advisor_crd
-- inputs:  {{ria_contacts_current}}, {{contact_registered_employment_history}}
-- params:  @prediction_date DATE, @retrospective BOOL
-- output:
--   prediction_date    DATE   the scored day
--   advisor_crd        INT64  the advisor who moved
--   departed_firm_crd  INT64  the firm that was left (tie of starts: the smallest id)
--   departed_on        DATE   PRIMARY_FIRM_START_DATE at the new firm, in [prediction_date - 365 days, prediction_date)
--   retrospective      BOOL   computed on another day than prediction_date

WITH mover AS (
  -- A contact whose latest start lies before the window has no row in it, so filtering ahead of the choice is safe.
  SELECT RIA_CONTACT_CRD_ID AS advisor_crd, PRIMARY_FIRM AS firm_crd, PRIMARY_FIRM_START_DATE AS moved_on
  FROM {{ria_contacts_current}}
  WHERE PRIMARY_FIRM_START_DATE >= DATE_SUB(@prediction_date, INTERVAL 365 DAY)
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY RIA_CONTACT_CRD_ID ORDER BY PRIMARY_FIRM_START_DATE DESC, PRIMARY_FIRM NULLS LAST
  ) = 1
)

SELECT
  @prediction_date AS prediction_date,
  mover.advisor_crd,
  history.PREVIOUS_REGISTRATION_COMPANY_CRD_ID AS departed_firm_crd,
  mover.moved_on AS departed_on,
  @retrospective AS retrospective
FROM mover
JOIN {{contact_registered_employment_history}} AS history
  ON history.RIA_CONTACT_CRD_ID = mover.advisor_crd
WHERE mover.moved_on < @prediction_date
  AND history.PREVIOUS_REGISTRATION_COMPANY_CRD_ID <> mover.firm_crd
  AND history.PREVIOUS_REGISTRATION_COMPANY_START_DATE < mover.moved_on
  AND (
    history.PREVIOUS_REGISTRATION_COMPANY_END_DATE IS NULL
    OR history.PREVIOUS_REGISTRATION_COMPANY_END_DATE >= history.PREVIOUS_REGISTRATION_COMPANY_START_DATE
  )
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY mover.advisor_crd
  ORDER BY
    history.PREVIOUS_REGISTRATION_COMPANY_START_DATE DESC,
    history.PREVIOUS_REGISTRATION_COMPANY_CRD_ID
) = 1

-- lead: the firm's leads with values that can be: Ids of 18 characters, CRD numbers, instants of a working life.
-- {{lead}} stands for this query in every other file. A value that cannot be is NULL; found_… is what the table holds.
-- An Id of 15 characters gets the three of Salesforce's checksum, one letter or digit for the capitals in five characters.
-- A CRD number is the digits of the text; 123.0 is 123; an exponent, another decimal or over 18 digits is no number.
-- grain:   one row per row of the table
-- inputs:  {{lead}}
-- names:   {{lead.id}}, {{lead.advisor_crd}}, {{lead.email}}, {{lead.linkedin}}, {{lead.company}}, {{lead.created_at}}, {{lead.entered_contacting}}, {{lead.entered_call_scheduled}}, {{lead.is_deleted}}, {{lead.is_converted}}, {{lead.further}}
-- params:  @cutoff TIMESTAMP (prediction_date 00:00 New York), @retrospective BOOL
-- output:
--   id                            STRING     Salesforce Lead Id, 18 characters; NULL when it has neither 15 nor 18
--   advisor_crd                   INT64      the advisor's CRD number; NULL when the text holds none
--   has_crd                       BOOL       the field of the CRD number is not blank
--   has_email                     BOOL       the lead's own Email is not blank
--   has_linkedin                  BOOL       the lead's own LinkedIn profile is not blank
--   is_own                        BOOL       one of the firm's own people: the company holds SAVVY
--   is_gone                       BOOL       deleted, merged or converted by now
--   email                         STRING     the lead's own Email
--   linkedin                      STRING     the lead's own LinkedIn profile
--   company                       STRING     employer as Salesforce knows it
--   created_at                    TIMESTAMP  creation; from 1930 to the day after the scored day, otherwise NULL
--   entered_contacting            TIMESTAMP  entering Contacting, likewise
--   entered_call_scheduled        TIMESTAMP  entering Call Scheduled, likewise
--   found_id                      STRING     Id as the table has it
--   found_advisor_crd             STRING     CRD number as the table has it
--   found_created_at              TIMESTAMP  created_at as the table has it
--   found_entered_contacting      TIMESTAMP  entered_contacting as the table has it
--   found_entered_call_scheduled  TIMESTAMP  entered_call_scheduled as the table has it

WITH found AS (
  SELECT
    {{lead.id}} AS found_id,
    {{lead.advisor_crd}} AS found_advisor_crd,
    {{lead.email}} AS found_email,
    {{lead.linkedin}} AS found_linkedin,
    {{lead.company}} AS found_company,
    {{lead.created_at}} AS found_created_at,
    {{lead.entered_contacting}} AS found_entered_contacting,
    {{lead.entered_call_scheduled}} AS found_entered_call_scheduled,
    COALESCE({{lead.is_deleted}}, FALSE) OR COALESCE({{lead.is_converted}}, FALSE) AS is_gone{{lead.further}}
  FROM {{lead}} AS delivered
),

spelt AS (
  SELECT
    *,
    IF(
      REGEXP_CONTAINS(found_id, r'^[0-9A-Za-z]{15}$'),
      REGEXP_REPLACE(REGEXP_REPLACE(found_id, r'[^A-Z]', '0'), r'[A-Z]', '1'),
      NULL
    ) AS capitals,
    CONCAT(
      ':00000A:10000B:01000C:11000D:00100E:10100F:01100G:11100H:00010I:10010J:01010K:11010L:00110M:10110N:01110O:11110P',
      ':00001Q:10001R:01001S:11001T:00101U:10101V:01101W:11101X:00011Y:10011Z:010110:110111:001112:101113:011114:111115'
    ) AS checksum,
    IF(
      REGEXP_CONTAINS(found_advisor_crd, r'^[0-9]+$'),
      found_advisor_crd,
      REGEXP_REPLACE(found_advisor_crd, r'([0-9])[.]0+([^0-9.]|$)', r'\1\2')
    ) AS written_crd
  FROM found
)

SELECT
  CASE
    WHEN capitals IS NOT NULL THEN CONCAT(
      found_id,
      SUBSTR(checksum, STRPOS(checksum, CONCAT(':', SUBSTR(capitals, 1, 5))) + 6, 1),
      SUBSTR(checksum, STRPOS(checksum, CONCAT(':', SUBSTR(capitals, 6, 5))) + 6, 1),
      SUBSTR(checksum, STRPOS(checksum, CONCAT(':', SUBSTR(capitals, 11, 5))) + 6, 1)
    )
    WHEN REGEXP_CONTAINS(found_id, r'^[0-9A-Za-z]{18}$') THEN found_id
  END AS id,
  CASE
    WHEN REGEXP_CONTAINS(written_crd, r'^[0-9]{1,18}$') THEN NULLIF(SAFE_CAST(written_crd AS INT64), 0) -- engines agree: digits
    WHEN REGEXP_CONTAINS(written_crd, r'[0-9]([.]|[eE][+-]?)[0-9]') THEN NULL
    -- A comma is a decimal one unless it separates thousands.
    WHEN REGEXP_CONTAINS(written_crd, r'[0-9],[0-9]')
      AND NOT REGEXP_CONTAINS(written_crd, r'^[^0-9]*[0-9]{1,3}(,[0-9]{3})+[^0-9]*$') THEN NULL
    WHEN REGEXP_CONTAINS(REGEXP_REPLACE(written_crd, r'[^0-9]', ''), r'^[0-9]{1,18}$')
      THEN NULLIF(SAFE_CAST(REGEXP_REPLACE(written_crd, r'[^0-9]', '') AS INT64), 0) -- engines agree: digits
  END AS advisor_crd,
  COALESCE(REGEXP_CONTAINS(found_advisor_crd, r'[^\s\v\p{Z}\p{Cc}\p{Cf}]'), FALSE) AS has_crd,
  COALESCE(REGEXP_CONTAINS(found_email, r'[^\s\v\p{Z}\p{Cc}\p{Cf}]'), FALSE) AS has_email,
  COALESCE(REGEXP_CONTAINS(found_linkedin, r'[^\s\v\p{Z}\p{Cc}\p{Cf}]'), FALSE) AS has_linkedin,
  UPPER(COALESCE(found_company, '')) LIKE '%SAVVY%' AS is_own,
  is_gone,
  found_email AS email,
  found_linkedin AS linkedin,
  found_company AS company,
  IF(
    found_created_at >= TIMESTAMP '1930-01-01 00:00:00+00'
    AND found_created_at < IF(@retrospective, TIMESTAMP '2100-01-01 00:00:00+00', TIMESTAMP_ADD(@cutoff, INTERVAL 48 HOUR)),
    found_created_at,
    NULL
  ) AS created_at,
  IF(
    found_entered_contacting >= TIMESTAMP '1930-01-01 00:00:00+00'
    AND found_entered_contacting
      < IF(@retrospective, TIMESTAMP '2100-01-01 00:00:00+00', TIMESTAMP_ADD(@cutoff, INTERVAL 48 HOUR)),
    found_entered_contacting,
    NULL
  ) AS entered_contacting,
  IF(
    found_entered_call_scheduled >= TIMESTAMP '1930-01-01 00:00:00+00'
    AND found_entered_call_scheduled
      < IF(@retrospective, TIMESTAMP '2100-01-01 00:00:00+00', TIMESTAMP_ADD(@cutoff, INTERVAL 48 HOUR)),
    found_entered_call_scheduled,
    NULL
  ) AS entered_call_scheduled,
  found_id,
  found_advisor_crd,
  found_created_at,
  found_entered_contacting,
  found_entered_call_scheduled{{lead.further}}
FROM spelt

-- The weeks are reckoned from the day, which is exact; the field of the event is a size. Only cohorts that began within
-- the chosen days are shown: of the others the first week is not known.
WITH returned AS (
    SELECT
        CAST(cohort AS DATE) AS cohort,
        date_diff('week', CAST(cohort AS DATE), day) AS weeks,
        count(*) AS people
    FROM events
    WHERE event = 'person.returned'
      AND CAST(cohort AS DATE) >= $first
      AND day BETWEEN $first AND $last
      AND ($plan IS NULL OR plan = $plan)
    GROUP BY ALL
)
SELECT
    cohort,
    weeks,
    people,
    people / max(people) FILTER (weeks = 0) OVER (PARTITION BY cohort) AS share
FROM returned
ORDER BY cohort, weeks

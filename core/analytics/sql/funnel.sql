WITH steps (stage, place) AS (
    VALUES ('signed_up', 1), ('first_pipeline', 2), ('first_run', 3), ('first_completed', 4), ('tenth_run', 5)
),
reached AS (
    SELECT stage, count(*) AS people, quantile_disc(days, 0.5) AS days
    FROM events
    WHERE event = 'stage.reached'
      AND day BETWEEN $first AND $last
      AND ($plan IS NULL OR plan = $plan)
    GROUP BY stage
)
SELECT
    stage,
    coalesce(people, 0) AS people,
    coalesce(people, 0) / max(people) FILTER (stage = 'signed_up') OVER () AS share,
    days
FROM steps
LEFT JOIN reached USING (stage)
WHERE EXISTS (FROM reached)
ORDER BY place

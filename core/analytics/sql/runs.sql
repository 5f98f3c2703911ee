SELECT
    day,
    CAST(sum(runs) AS BIGINT) AS runs,
    CAST(coalesce(sum(runs) FILTER (status = 'failed'), 0) AS BIGINT) AS failed
FROM fact_runs
WHERE day BETWEEN $first AND $last
  AND ($plan IS NULL OR plan = $plan)
  AND ($trigger IS NULL OR trigger = $trigger)
  AND ($status IS NULL OR status = $status)
GROUP BY day
ORDER BY day

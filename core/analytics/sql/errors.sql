SELECT error, CAST(sum(runs) AS BIGINT) AS runs
FROM fact_runs
WHERE day BETWEEN $first AND $last
  AND error IS NOT NULL
  AND ($plan IS NULL OR plan = $plan)
  AND ($trigger IS NULL OR trigger = $trigger)
  AND ($status IS NULL OR status = $status)
GROUP BY error
ORDER BY runs DESC, error

WITH times AS (
    SELECT day, 'wait' AS what, unnest(wait_ms, recursive := true)
    FROM fact_runs
    WHERE day BETWEEN $first AND $last
      AND ($plan IS NULL OR plan = $plan)
      AND ($trigger IS NULL OR trigger = $trigger)
      AND ($status IS NULL OR status = $status)
    UNION ALL BY NAME
    SELECT day, 'took' AS what, unnest(duration_ms, recursive := true)
    FROM fact_runs
    WHERE day BETWEEN $first AND $last
      AND ($plan IS NULL OR plan = $plan)
      AND ($trigger IS NULL OR trigger = $trigger)
      AND ($status IS NULL OR status = $status)
),
sizes AS (
    SELECT day, what, size, sum(number) AS number
    FROM times
    GROUP BY ALL
),
running AS (
    SELECT
        *,
        sum(number) OVER (PARTITION BY day, what ORDER BY size) / sum(number) OVER (PARTITION BY day, what) AS part
    FROM sizes
)
SELECT
    day,
    min(size) FILTER (what = 'wait' AND part >= 0.5) AS wait_p50_ms,
    min(size) FILTER (what = 'wait' AND part >= 0.95) AS wait_p95_ms,
    min(size) FILTER (what = 'took' AND part >= 0.5) AS took_p50_ms,
    min(size) FILTER (what = 'took' AND part >= 0.95) AS took_p95_ms
FROM running
GROUP BY day
ORDER BY day

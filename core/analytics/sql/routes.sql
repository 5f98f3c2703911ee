-- The share of those that took a size or less; sizes are about 1.5 times apart.
WITH sizes AS (
    SELECT method, route, duration_ms AS size, count(*) AS number, count(*) FILTER (answer = '5xx') AS failed
    FROM events
    WHERE event = 'api.answered'
      AND day BETWEEN $first AND $last
      AND ($plan IS NULL OR plan = $plan)
      AND ($route IS NULL OR route = $route)
    GROUP BY method, route, size
),
running AS (
    SELECT
        *,
        sum(number) FILTER (size IS NOT NULL) OVER (PARTITION BY method, route ORDER BY size)
            / sum(number) FILTER (size IS NOT NULL) OVER (PARTITION BY method, route) AS part
    FROM sizes
)
SELECT
    method, route,
    CAST(sum(number) AS BIGINT) AS requests,
    sum(failed) / sum(number) AS errors,
    min(size) FILTER (part >= 0.5) AS p50_ms,
    min(size) FILTER (part >= 0.95) AS p95_ms,
    min(size) FILTER (part >= 0.99) AS p99_ms
FROM running
GROUP BY method, route
ORDER BY p95_ms DESC NULLS LAST, requests DESC, route

-- The share of those that took a size or less; sizes are about 1.5 times apart.
WITH sizes AS (
    SELECT page, duration_ms AS size, count(*) AS number
    FROM events
    WHERE event = 'page.viewed'
      AND day BETWEEN $first AND $last
      AND ($plan IS NULL OR plan = $plan)
      AND ($page IS NULL OR page = $page)
    GROUP BY page, size
),
running AS (
    SELECT
        *,
        sum(number) FILTER (size IS NOT NULL) OVER (PARTITION BY page ORDER BY size)
            / sum(number) FILTER (size IS NOT NULL) OVER (PARTITION BY page) AS part
    FROM sizes
)
SELECT
    page,
    CAST(sum(number) AS BIGINT) AS views,
    min(size) FILTER (part >= 0.5) AS p50_ms,
    min(size) FILTER (part >= 0.95) AS p95_ms
FROM running
GROUP BY page
ORDER BY views DESC, page

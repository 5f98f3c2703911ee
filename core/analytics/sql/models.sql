-- A histogram tells how many took a size or less and more than the size before; sizes are about 1.5 times apart.
WITH calls AS (
    FROM fact_steps
    WHERE day BETWEEN $first AND $last
      AND provider IS NOT NULL
      AND ($plan IS NULL OR plan = $plan)
      AND ($provider IS NULL OR provider = $provider)
      AND ($model IS NULL OR model = $model)
),
sizes AS (
    SELECT provider, model, size, sum(number) AS number
    FROM (SELECT provider, model, unnest(duration_ms, recursive := true) FROM calls)
    GROUP BY ALL
),
running AS (
    SELECT
        provider, model, size,
        sum(number) OVER (PARTITION BY provider, model ORDER BY size)
            / sum(number) OVER (PARTITION BY provider, model) AS part
    FROM sizes
),
took AS (
    SELECT
        provider, model,
        min(size) FILTER (part >= 0.5) AS p50_ms,
        min(size) FILTER (part >= 0.95) AS p95_ms,
        min(size) FILTER (part >= 0.99) AS p99_ms
    FROM running
    GROUP BY ALL
),
counted AS (
    SELECT
        provider, model,
        CAST(sum(steps) AS BIGINT) AS calls,
        coalesce(sum(steps) FILTER (status = 'failed'), 0) / sum(steps) AS errors,
        CAST(sum(price_micro_cents) AS BIGINT) AS price,
        CAST(sum(vendor_micro_cents) AS BIGINT) AS vendor_cost
    FROM calls
    GROUP BY ALL
)
SELECT
    counted.provider, counted.model, calls, errors, price, vendor_cost, price - vendor_cost AS margin,
    p50_ms, p95_ms, p99_ms
FROM counted
LEFT JOIN took
    ON took.provider = counted.provider AND took.model IS NOT DISTINCT FROM counted.model
ORDER BY calls DESC, counted.provider, counted.model

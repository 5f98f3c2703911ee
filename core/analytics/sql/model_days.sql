SELECT
    day,
    CAST(sum(steps) AS BIGINT) AS calls,
    CAST(coalesce(sum(steps) FILTER (status = 'failed'), 0) AS BIGINT) AS failed,
    CAST(sum(price_micro_cents) AS BIGINT) AS price,
    CAST(sum(vendor_micro_cents) AS BIGINT) AS vendor_cost,
    CAST(sum(price_micro_cents) - sum(vendor_micro_cents) AS BIGINT) AS margin
FROM fact_steps
WHERE day BETWEEN $first AND $last
  AND provider IS NOT NULL
  AND ($plan IS NULL OR plan = $plan)
  AND ($provider IS NULL OR provider = $provider)
  AND ($model IS NULL OR model = $model)
GROUP BY day
ORDER BY day

SELECT day, kind, CAST(sum(credit_micros) AS BIGINT) AS credits
FROM fact_credits
WHERE day BETWEEN $first AND $last
  AND ($plan IS NULL OR plan = $plan)
GROUP BY day, kind
ORDER BY day, kind

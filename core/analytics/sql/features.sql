SELECT feature, count(*) AS uses
FROM events
WHERE event = 'feature.used'
  AND day BETWEEN $first AND $last
  AND ($plan IS NULL OR plan = $plan)
  AND ($feature IS NULL OR feature = $feature)
GROUP BY feature
ORDER BY uses DESC, feature

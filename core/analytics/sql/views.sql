SELECT day, count(*) AS views
FROM events
WHERE event = 'page.viewed'
  AND day BETWEEN $first AND $last
  AND ($plan IS NULL OR plan = $plan)
  AND ($page IS NULL OR page = $page)
GROUP BY day
ORDER BY day

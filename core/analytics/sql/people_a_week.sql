-- Who comes is told once a week, so an event is a person. The first and last week may be cut by the chosen days.
SELECT CAST(date_trunc('week', day) AS DATE) AS week, count(*) AS people
FROM events
WHERE event = 'person.returned'
  AND day BETWEEN $first AND $last
  AND ($plan IS NULL OR plan = $plan)
GROUP BY week
ORDER BY week

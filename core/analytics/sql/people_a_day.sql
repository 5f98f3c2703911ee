-- A person is in one row of a day, so that the rows of a day can be added up; those of two days cannot.
SELECT day, CAST(sum(people) AS BIGINT) AS people
FROM fact_people
WHERE day BETWEEN $first AND $last
  AND ($plan IS NULL OR plan = $plan)
GROUP BY day
ORDER BY day

"""Queries that teach: what the events say, and how to ask it."""

EXAMPLES = (
    (
        "What is looked at",
        "Pages by day. Rows without a page are those that were too rare to be told by it.",
        "SELECT day, page, count(*) AS views\nFROM events\nWHERE event = 'page.viewed' AND page IS NOT NULL\n"
        "GROUP BY ALL\nORDER BY day, views DESC",
    ),
    (
        "How runs end",
        "Each status with its share of all runs.",
        "SELECT status, count(*) AS runs,\n       round(100 * count(*) / sum(count(*)) OVER (), 1) AS percent\n"
        "FROM events\nWHERE event = 'run.ended'\nGROUP BY status\nORDER BY runs DESC",
    ),
    (
        "How long models take",
        "Medians and the slowest twentieth. Numbers are kept by their size: a value is right within a quarter.",
        "SELECT provider, model, count(*) AS steps,\n       median(duration_ms) AS median_ms,\n"
        "       quantile_cont(duration_ms, 0.95) AS p95_ms\nFROM events\n"
        "WHERE event = 'step.ended' AND duration_ms IS NOT NULL\nGROUP BY ALL\nORDER BY steps DESC",
    ),
    (
        "How far people come",
        "Each stage, and what part of those who signed up reached it.",
        "WITH reached AS (\n  SELECT stage, count(*) AS people\n  FROM events\n  WHERE event = 'stage.reached'\n"
        "  GROUP BY stage\n)\nSELECT stage, people, round(100 * people / max(people) OVER (), 1) AS percent\n"
        "FROM reached\nORDER BY people DESC",
    ),
    (
        "What people are told went wrong",
        "Codes of errors by where they were shown.",
        "SELECT surface, error, count(*) AS times\nFROM events\nWHERE event = 'error.met' AND error IS NOT NULL\n"
        "GROUP BY ALL\nORDER BY times DESC",
    ),
)
"""A title, what it teaches, the query."""

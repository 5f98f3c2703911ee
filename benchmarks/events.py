"""A lake of any size: sealed days of events, and facts beside them, drawn by DuckDB itself.

Days are written as sealing writes them and listed in the same way, so whatever reads a lake reads these. Their words
are spread as a service has them: few pages are looked at often, models differ in speed, people come back less and less.
"""

from datetime import date, timedelta
from pathlib import Path

from core.analytics.catalogue import FEATURES
from core.analytics.coarse import SIZES
from core.analytics.columns import SEALED, TYPES
from core.analytics.engine import open_duckdb, quoted
from core.analytics.facts import FACTS
from core.analytics.facts_commands import YOUNG_DAYS, write_folded
from core.analytics.facts_store import Built, facts_of
from core.analytics.lake import LakeFile, alone, lake_of, settle, write_list
from core.platform.runtime import Runtime

PAGES = ("notebook", "runs", "run", "pipelines", "usage", "schedules", "keys", "my-data", "plan", "reviews")
ROUTES = ("/runs", "/runs/{id}", "/pipelines", "/pipelines/{id}/run", "/models", "/files", "/user/usage")
MODELS = (("anthropic", "claude-haiku-4-5"), ("anthropic", "claude-sonnet-4-5"), ("openai", "gpt-5-mini"),
          ("openai", "gpt-5"), ("groq", "llama-3.3-70b"))  # fmt: skip
_SIZES = f"[{', '.join(map(str, SIZES))}]"
ERRORS = ("VENDOR_BUSY", "TIMEOUT")
TOGETHER = 50


def _list(words: tuple[str, ...]) -> str:
    return f"[{', '.join(repr(word) for word in words)}]"


def _pick(words: tuple[str, ...], chance: str, *, steep: float = 2.0) -> str:
    """One of the words, the first ones more often."""
    return f"{_list(words)}[1 + CAST(floor({len(words)} * pow({chance}, {steep})) AS INTEGER)]"


def _time(middle: int, spread: int, chance: str) -> str:
    """A coarse time around a place in the list of sizes, with a tail."""
    beyond = f"CAST(round({spread} * ln(1 / (1.0001 - {chance})) - 1) AS INTEGER)"
    place = f"least({len(SIZES)}, greatest(1, {middle} + {beyond}))"
    return f"CAST({_SIZES}[{place}] AS INTEGER)"


def _drawn(day: date, rows: int) -> str:
    """The events of a day. `a` decides what happened; the other chances are of their own."""
    monday = day - timedelta(days=day.weekday())
    week = "CAST(floor(20 * pow(c, 2.5)) AS INTEGER)"
    fields = {
        "event": "CASE WHEN a < 0.46 THEN 'page.viewed' WHEN a < 0.66 THEN 'step.ended' WHEN a < 0.80 THEN "
        "'api.answered' WHEN a < 0.90 THEN 'run.ended' WHEN a < 0.975 THEN 'feature.used' WHEN a < 0.985 THEN "
        "'error.met' WHEN a < 0.996 THEN 'person.returned' ELSE 'stage.reached' END",
        "page": f"CASE event WHEN 'page.viewed' THEN {_pick(PAGES, 'b')} END",
        "feature": f"CASE event WHEN 'feature.used' THEN {_pick(FEATURES, 'b')} END",
        "status": "CASE WHEN event IN ('run.ended', 'step.ended') THEN if(b < 0.94, 'completed', 'failed') END",
        "trigger": f"CASE event WHEN 'run.ended' THEN {_pick(('manual', 'cron', 'api', 'webhook'), 'c')} END",
        "funding": "CASE event WHEN 'run.ended' THEN if(c < 0.7, 'platform', 'own_key') END",
        "step_type": f"CASE event WHEN 'step.ended' THEN {_pick(('llm', 'transform', 'code', 'webhook'), 'c')} END",
        "provider": "CASE event WHEN 'step.ended' THEN 'anthropic' END",
        "model": f"CASE event WHEN 'step.ended' THEN {_pick(tuple(model for _, model in MODELS), 'b')} END",
        "error": f"CASE WHEN status = 'failed' OR event = 'error.met' THEN {_pick(ERRORS, 'c')} END",
        "surface": "CASE event WHEN 'error.met' THEN if(b < 0.6, 'app', 'api') END",
        "method": "CASE event WHEN 'api.answered' THEN if(b < 0.7, 'GET', 'POST') END",
        "route": f"CASE event WHEN 'api.answered' THEN {_pick(ROUTES, 'b')} END",
        "answer": "CASE event WHEN 'api.answered' THEN CASE WHEN c < 0.96 THEN '2xx' WHEN c < 0.995 THEN '4xx' "
        "ELSE '5xx' END END",
        "stage": "CASE event WHEN 'stage.reached' THEN "
        f"{_pick(('signed_up', 'first_pipeline', 'first_run', 'first_completed', 'tenth_run'), 'b', steep=1.6)} END",
        "cohort": f"CASE event WHEN 'person.returned' THEN "
        f"strftime(DATE '{monday.isoformat()}' - CAST(7 * {week} AS INTEGER), '%Y-%m-%d') END",
        "days": f"CASE event WHEN 'stage.reached' THEN {_time(3, 2, 'c')} END",
        "duration_ms": f"CASE WHEN event IN ('page.viewed', 'api.answered') THEN {_time(14, 2, 'd')} "
        f"WHEN event IN ('run.ended', 'step.ended') THEN {_time(24, 3, 'd')} END",
        "plan": _pick(("free", "starter", "pro", "enterprise"), "e"),
        "hour": f"TIMESTAMP '{day.isoformat()}' + to_hours(CAST(floor(24 * d) AS INTEGER))",
        "day": f"DATE '{day.isoformat()}'",
        "shown": "true",
    }
    made = ", ".join(f"CAST({fields.get(name, 'NULL')} AS {TYPES[name]}) AS {name}" for name in SEALED)
    second = f"SELECT *, {fields['status']} AS status FROM (SELECT *, {fields['event']} AS event FROM chances)"
    known = made.replace(f"CAST({fields['event']} AS VARCHAR) AS event", "event").replace(
        f"CAST({fields['status']} AS VARCHAR) AS status", "status"
    )
    return (
        f"WITH chances AS (SELECT random() AS a, random() AS b, random() AS c, random() AS d, random() AS e "
        f"FROM range({rows})) SELECT {known} FROM ({second}) ORDER BY event, hour"
    )


def make_events(runtime: Runtime, number: int, *, days: int = 760) -> int:
    """Write so many events of so many days, up to yesterday, into the lake of a runtime; answers how many."""
    lake, today = lake_of(runtime), runtime.clock.now().date()
    rows, made = max(1, number // days), list[LakeFile]()
    with alone(lake), open_duckdb(lake.root) as connection:
        for back in range(days, 0, -1):
            day = today - timedelta(days=back)
            name = f"{back:032x}"
            path = lake.new_path(name)
            connection.execute(f"COPY ({_drawn(day, rows)}) TO {quoted(path)} (FORMAT parquet, COMPRESSION zstd)")
            made.append(LakeFile(name, day.isoformat(), rows, path.stat().st_size, True))
            lake.bring(made[-1])
            if len(made) == TOGETHER or back == 1:
                with runtime.database.write() as session:
                    write_list(runtime, session, lake, made, ())
                settle(runtime, lake, made, ())
                made = []
    return rows * days


_FACT_ROWS = {
    "fact_runs": (
        "SELECT person, day, hour, plan, {trigger} AS trigger, if(c < 0.7, 'platform', 'own_key') AS funding, "
        "if(b < 0.95, 'completed', 'failed') AS status, if(b < 0.95, NULL, 'VENDOR_BUSY') AS error, 1 AS runs, "
        "{wait} AS wait_ms, {took} AS duration_ms FROM drawn"
    ),
    "fact_steps": (
        "SELECT person, day, hour, plan, if(c < 0.7, 'platform', 'own_key') AS funding, 'llm' AS step_type, "
        "{provider} AS provider, {model} AS model, if(b < 0.97, 'completed', 'failed') AS status, "
        "if(b < 0.97, NULL, 'TIMEOUT') AS error, 1 AS steps, 0 AS retries, CAST(2000 * d AS INTEGER) AS input_tokens, "
        "CAST(600 * e AS INTEGER) AS output_tokens, CAST(3e6 * d AS BIGINT) AS credit_micros, "
        "if(c < 0.7, CAST(3e6 * d AS BIGINT), 0) AS price_micro_cents, "
        "if(c < 0.7, CAST(2.4e6 * d AS BIGINT), 0) AS vendor_micro_cents, {took} AS duration_ms FROM drawn"
    ),
    "fact_credits": (
        "SELECT person, day, NULL::TIMESTAMP AS hour, plan, {kind} AS kind, CAST(4e6 * d AS BIGINT) AS credit_micros, "
        "1 AS movements FROM drawn"
    ),
    "fact_people": "SELECT DISTINCT person, day, NULL::TIMESTAMP AS hour, plan FROM drawn",
}


def make_facts(runtime: Runtime, rows_a_day: int, *, days: int, people: int) -> None:
    """Write facts of so many rows a day and people, folded as real ones are, up to today."""
    folder, today = facts_of(runtime), runtime.clock.now().date()
    parts = {
        "trigger": _pick(("manual", "cron", "api", "webhook"), "d"),
        "kind": _pick(("spent", "granted", "expired"), "b", steep=1.3),
        "wait": _time(10, 2, "d"), "took": _time(24, 3, "e"),
        "model": _pick(tuple(model for _, model in MODELS), "e"),
        "provider": _pick(tuple(provider for provider, _ in MODELS), "e"),
    }  # fmt: skip
    first = today - timedelta(days=days - 1)
    with open_duckdb() as connection:
        connection.execute(
            "CREATE TEMP TABLE drawn AS SELECT 'p' || who AS person, day, "
            "CAST(day AS TIMESTAMP) + to_hours(CAST(floor(24 * e) AS INTEGER)) AS hour, "
            f"{_list(('free', 'starter', 'pro', 'enterprise'))}[1 + who % 4] AS plan, b, c, d, e FROM ("
            f"SELECT CAST(floor({people} * pow(random(), 1.5)) AS INTEGER) AS who, "
            f"CAST(DATE '{first.isoformat()}' + CAST(n % {days} AS INTEGER) AS DATE) AS day, "
            f"random() AS b, random() AS c, random() AS d, random() AS e FROM range({rows_a_day * days}) t(n) "
            # Fewer at the weekend, more as time goes by.
            "WHERE random() < (0.6 + 0.4 * n % 7 / 7))"
        )
        for fact in FACTS.values():
            rows = _FACT_ROWS[fact.name].format(**parts)
            connection.execute(f"CREATE OR REPLACE TEMP TABLE rows_of_{fact.name} AS {rows}")
            write_folded(connection, folder, fact, first, today)
    folder.note(Built(runtime.clock.now(), today - timedelta(days=YOUNG_DAYS)))


def parquet_files(runtime: Runtime) -> list[Path]:
    """The files of the lake as they lie."""
    return sorted(lake_of(runtime).root.glob("events/dt=*/*.parquet"))

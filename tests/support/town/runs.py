"""Runs of ninety days with their steps and what they sent: the newest are under way, and a few of those are stuck."""

from collections.abc import Callable
from datetime import timedelta

from core.platform.runtime import Runtime
from tests.support.town.copying import Words, one_of, write_rows

DAYS = 90
PENDING, RUNNING, WAITING, STUCK = 40, 160, 3_000, 4
"""Of the newest runs: so many each, in this order. Fewer runs have fewer of them."""
TRIGGERS = {"api": 40, "cron": 30, "manual": 20, "webhook": 8, "retry": 2}
ENDS = {"completed": 91, "failed": 6, "cancelled": 3}
FAILURES = ("VENDOR_BUSY", "TIMEOUT", "OUTPUT_INVALID", "PROMPT_FAILED", "CODE_FAILED")
MODELS = ("claude-haiku-4-5", "gpt-5-mini", "claude-sonnet-4-5", "llama-3.3-70b", "gpt-5")
PROVIDERS = ("anthropic", "openai", "anthropic", "groq", "openai")
REGIONS = ("US", "US", "US", "EU", "US")
FOUND = {
    "NULL": 30,
    "": 40,
    "user.contact.email": 15,
    "user.contact.email,user.contact.phone_number": 10,
    "user.financial.bank_account": 5,
}


def rank_of(people: int) -> str:
    """Whose a run is: one in twenty is the busiest person's, half fall to one person in twenty, the rest to all."""
    few = max(1, people // 20)
    return (
        f"CASE WHEN n.v % 20 = 0 THEN 0 WHEN n.v % 20 < 10 THEN (n.v * 7919) % {few} ELSE (n.v * 104729) % {people} END"
    )


def add_runs(runtime: Runtime, busiest: str, people: int, number: int, tell: Callable[[str], None]) -> None:
    """Every run has a step, one in three a second; most call a model, and that is in the ledger of what left."""
    words, vault = Words(runtime), runtime.vault
    now = int(runtime.clock.now().timestamp() * 1000)
    apart = int(timedelta(days=DAYS).total_seconds() * 1000) // number
    # The newest ones are seconds apart, so that what waits for a worker waits no longer than it may.
    lively = min(PENDING + RUNNING, number // 20)
    back = f"({number} - n.v)"
    before = f"{lively * 4000} + ({back} - {lively}) * {apart}"
    asked = f"({now} - CASE WHEN {back} < {lively} THEN {back} * 4000 ELSE {before} END)"
    pending, running = min(PENDING, number // 100), min(RUNNING, number // 50)
    waiting, stuck = min(WAITING, number // 20), STUCK
    ended = f"{back} >= {pending + running + waiting + stuck}"
    end = one_of(ENDS, "n.v * 31 + n.v / 20")
    status = (
        f"CASE WHEN {back} < {pending} THEN 'pending' WHEN {back} < {pending + running} THEN 'running' "
        f"WHEN {back} < {pending + running + stuck} THEN 'running' WHEN NOT {ended} THEN 'waiting' ELSE {end} END"
    )
    took = "(900 + (n.v * 613) % 42000)"
    lease = f"CASE WHEN {back} < {pending + running} THEN {now} + 86400000 ELSE {now} - 3600000 END"
    request = vault.seal_json(busiest, "runs.request:town", {"definition": {"name": "Town", "steps": []}, "input": {}})
    result = vault.seal_json(busiest, "runs.result:town", {"output": "what came of it " * 12, "error": None})
    whose = rank_of(people)
    run = words.id(asked)
    funding = one_of({"platform": 60, "own_key": 25, "free": 15}, "n.v * 17")
    at_work = f"{back} >= {pending} AND {back} < {pending + running + stuck}"
    write_rows(
        runtime, "runs", number,
        {
            "id": run, "owner_id": "p.id", "trigger_type": one_of(TRIGGERS, "n.v * 13"), "status": status,
            "plan": "p.plan", "funding_mode": funding, "request": ":request",
            "result": f"CASE WHEN {ended} THEN :result END",
            "error_code": f"CASE WHEN {ended} AND {end} = 'failed' THEN {one_of(FAILURES, 'n.v')} END",
            "quote_low": "200000", "quote_likely": "380000", "quote_max": "900000", "fence": "1", "last_seq": "3",
            "lease_owner": f"CASE WHEN {at_work} THEN 'serve:town' END",
            "lease_until": f"CASE WHEN {at_work} THEN {words.moment(lease)} END",
            "working_since": f"CASE WHEN {at_work} THEN {words.moment(asked)} END", "worked_ms": "0",
            "created_at": words.moment(asked),
            "started_at": f"CASE WHEN {back} >= {pending} THEN {words.moment(f'{asked} + 40')} END",
            "completed_at": f"CASE WHEN {ended} THEN {words.moment(f'{asked} + {took}')} END",
        },
        person=whose, tell=tell, request=request, result=result,
    )  # fmt: skip
    content = vault.seal_json(busiest, "step_runs.content:town", {"prompt": "said", "raw": "said", "parsed": "said"})
    model, provider = one_of(MODELS, "n.v"), one_of(PROVIDERS, "n.v")
    for index in (0, 1):
        calls = index == 0
        failed = f"{ended} AND {end} = 'failed'" if calls else "1 = 0"
        write_rows(
            runtime, "step_runs", number,
            {
                "id": words.id(asked, index + 1), "run_id": run, "owner_id": "p.id",
                "step_id": f"'{('ask', 'tidy')[index]}'", "frame": "''", "visit": "1", "step_index": str(index),
                "attempt": "1", "type": f"'{('llm', 'transform')[index]}'",
                "provider": provider if calls else "NULL", "model": model if calls else "NULL",
                "status": f"CASE WHEN NOT {ended} THEN 'running' WHEN {failed} THEN 'failed' ELSE 'completed' END",
                "content": ":content", "input_tokens": "400 + n.v % 1900", "output_tokens": "60 + n.v % 700",
                "held_micros": "0",
                "credit_micros": f"CASE WHEN {funding} = 'platform' THEN 90000 + (n.v * 71) % 800000 ELSE 0 END",
                "cost_micro_cents": f"CASE WHEN {funding} = 'platform' THEN 90000 + (n.v * 71) % 800000 ELSE 0 END",
                "error_code": f"CASE WHEN {failed} THEN {one_of(FAILURES, 'n.v')} END",
                "started_at": words.moment(f"{asked} + 40"),
                "completed_at": f"CASE WHEN {ended} THEN {words.moment(f'{asked} + {took}')} END",
            },
            person=whose, where=f"{back} >= {pending}" + ("" if calls else " AND n.v % 3 = 0"), tell=tell,
            content=content,
        )  # fmt: skip
    host = "'hooks.' || " + one_of(("example.org", "example.net", "shop.example", "crm.example"), "n.v") + " "
    rare = "CASE WHEN n.v % 4001 = 0 THEN 'host' || n.v || '.example' ELSE " + host + "END"
    write_rows(
        runtime, "egress", number,
        {
            "id": words.id(asked, 3), "owner_id": "p.id", "run_id": run, "step_id": "'ask'",
            "kind": "CASE WHEN n.v % 9 = 0 THEN 'webhook' ELSE 'model' END",
            "recipient": f"CASE WHEN n.v % 9 = 0 THEN {rare} ELSE {provider} END",
            "region": f"CASE WHEN n.v % 9 = 0 THEN NULL ELSE {one_of(REGIONS, 'n.v')} END",
            "purpose": "CASE WHEN n.v % 9 = 0 THEN 'result' ELSE 'prompt' END",
            "funding": f"CASE WHEN {funding} = 'free' THEN 'platform' ELSE {funding} END",
            "categories": one_of(FOUND, "n.v * 7"), "size": "500 + n.v % 9000",
            "outcome": "CASE WHEN n.v % 40 = 0 THEN 'failed' ELSE 'answered' END", "at": words.moment(f"{asked} + 50"),
        },
        person=whose, where=f"{back} >= {pending} AND n.v % 10 < 8", tell=tell,
    )  # fmt: skip

"""Money of a town: what each person was granted and spent, and who pays for a plan, late or not."""

from core.platform.runtime import Runtime
from tests.support.town.copying import Words, one_of, write_rows

DAY = 86_400_000


def add_money(runtime: Runtime, people: int) -> None:
    """A grant a person, two settlements on average, and a subscription for one in five."""
    words, now = Words(runtime), int(runtime.clock.now().timestamp() * 1000)
    at = f"({now} - (n.v * 7919) % {60 * DAY})"
    ledger = {
        "owner_id": "p.id", "monthly_micros": "0", "month": "1", "number": "n.v", "hash": ":hash",
        "balance_micros": "0", "spent_micros": "0", "plan": "p.plan", "created_at": words.moment(at),
    }  # fmt: skip
    for kind, times, accounts in (("grant", 1, ("granted", "available")), ("settle", 2, ("held", "spent"))):
        number = people * times
        said = words.text("n.v")
        cause = f"'{kind}/town/' || {said}"
        mine = {
            **ledger, "id": words.id(at, 16 + times), "kind": f"'{kind}'", "cause": cause,
            "idempotency_key": f"'{kind}/' || {cause}", "number": f"{times} + n.v / {people}",
        }  # fmt: skip
        write_rows(runtime, "ledger_transactions", number, mine, person=f"n.v % {people}", hash=b"\0" * 32)
        for position, (account, sign) in enumerate(zip(accounts, ("-", ""), strict=True)):
            entry = {
                "transaction_id": words.id(at, 16 + times), "position": str(position), "owner_id": "p.id",
                "account": f"'{account}'", "amount_micros": f"{sign}(1000000 + n.v % 900000)",
            }  # fmt: skip
            write_rows(runtime, "ledger_entries", number, entry, person=f"n.v % {people}")
    paid = max(10, people // 5)
    since = f"({now} - (n.v * 104729) % {500 * DAY})"
    write_rows(
        runtime, "billing_subscriptions", paid,
        {
            "id": f"'sub_town' || {words.text('n.v')}", "owner_id": "p.id",
            "status": one_of({"past_due": 2, "unpaid": 1, "trialing": 3, "active": 94}, "n.v * 37"),
            "plan": one_of(("starter", "starter", "pro"), "n.v"), "interval": one_of(("month", "month", "year"), "n.v"),
            "item_id": "'si_town'", "started_at": words.moment(since),
            "period_start": words.moment(f"{now} - (n.v * 31337) % {29 * DAY}"),
            "period_end": words.moment(f"{now} + {29 * DAY} - (n.v * 31337) % {29 * DAY}"),
            "ends_at": f"CASE WHEN n.v % 25 = 0 THEN {words.moment(f'{now} + {9 * DAY}')} END",
            "cents": "2900", "currency": "'eur'",
        },
        person=f"n.v % {people}",
    )  # fmt: skip
    write_rows(
        runtime, "billing_events", max(10, people // 2),
        {
            "id": f"'evt_town' || {words.text('n.v')}", "type": "'invoice.paid'", "subject_kind": "'subscription'",
            "subject_id": f"'sub_town' || {words.text('n.v')}",
            "state": "CASE WHEN n.v <= 8 THEN 'received' ELSE 'done' END",
            "attempts": "CASE WHEN n.v <= 2 THEN 3 ELSE 1 END",
            "error_code": "CASE WHEN n.v <= 2 THEN 'PAYMENT_FAILED' END",
            "received_at": words.moment(f"{now} - n.v * 60000"),
        },
    )  # fmt: skip
    write_rows(
        runtime, "discount_codes", 130,
        {
            "id": words.id(f"({now} - n.v * 3600000)", 20), "code": f"'TOWN-' || {words.text('n.v')}",
            "percent": "5 + n.v % 60", "cycles": "3", "is_limited": "n.v % 10 = 0", "made_by": "p.id",
            "created_at": words.moment(f"({now} - n.v * 3600000)"),
        },
        person="0",
    )  # fmt: skip
    write_rows(
        runtime, "billing_refunds", 300,
        {
            "id": words.id(f"({now} - n.v * 3600000)", 21), "owner_id": "p.id",
            "cause": f"'town/' || {words.text('n.v')}", "position": "0", "payment_id": "'pi_town'",
            "amount": "500 + n.v", "currency": "'eur'", "credit_micros": "0",
            "state": one_of({"done": 95, "failed": 2, "sent": 3}, "n.v * 37"),
            "created_at": words.moment(f"{now} - n.v * 3600000"),
        },
        person=f"(n.v * 7919) % {people}",
    )  # fmt: skip

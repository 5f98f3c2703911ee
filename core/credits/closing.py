"""The ledger of a person who leaves: what is left ends, and nothing but ids and amounts stays.

The books are kept for ten years (Code de commerce L123-22) under an id that is then nobody's. The causes of charges
name the steps that were charged, in words their person chose: those are taken out, and the chain is made anew from
there. So whoever kept a hash of the person's own sees that it was; the certificate of the erasure says so too.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from core.credits.booking import TRANSACTIONS, Movement, lock, post
from core.credits.chain import START, hash_link
from core.credits.models import CreditAccount
from core.credits.movements import link_of, movement_pages
from core.platform.runtime import Runtime

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
CHARGE = re.compile(rf"((?:unlimited:|hold:)*{UUID}):(?!step\.[0-9a-f]+$)(.+)", re.DOTALL)
"""A cause that names a step of a run: `run:step:attempt`, also as that of what a hold took or gave back."""
RENAME = (
    update(TRANSACTIONS)
    .where(TRANSACTIONS.c.id == bindparam("b_id"))
    .values(cause=bindparam("cause"), idempotency_key=bindparam("idempotency_key"), hash=bindparam("hash"))
)


def expire_credits(runtime: Runtime, session: Session, owner_id: str, *, cause: str) -> int:
    """End what a person has left, and let no month follow; answers how many micro-credits ended.

    Nothing may be held any more: see `core.execution.draining`.
    """
    connection = session.connection()
    account = lock(connection, owner_id)
    left = account.available_micros
    if left:
        amounts = {"available": -left, "expired": left}
        post(runtime, connection, account, [Movement("expire", cause, amounts, -account.monthly_micros)])
    over = {"month_ends_at": None, "month_plan": None, "month_granted_micros": None, "month_began_micros": None}
    session.execute(update(CreditAccount).where(CreditAccount.owner_id == owner_id).values(over))
    return left


def forget_words(
    runtime: Runtime, owner_id: str, hash_: Callable[[bytes], bytes], between: Callable[[], None] = lambda: None
) -> int:
    """Take the names of steps out of the movements of a person who is gone; answers how many were renamed.

    `hash_`: under a key that is destroyed afterwards, so that no word can be guessed, and a repetition does the same.
    In short transactions, from the first movement to the last: until the last is written, the chain does not hold.
    """
    with runtime.database.read() as session:
        last = session.scalar(select(CreditAccount.movements).where(CreditAccount.owner_id == owner_id)) or 0
    renamed, head = 0, START
    for rows, amounts in movement_pages(runtime, owner_id, 1, last):
        written: list[dict[str, Any]] = []
        for row in rows:
            cause = _without_words(row.cause, hash_)
            renamed += cause != row.cause
            head = hash_link(head, replace(link_of(row, amounts[row.id]), cause=cause))
            if (cause, head) != (row.cause, row.hash):
                key = row.idempotency_key.replace(row.cause, cause)
                written.append({"b_id": row.id, "cause": cause, "idempotency_key": key, "hash": head})
        if written:
            with runtime.database.write() as session:
                session.connection().execute(RENAME, written)
                if rows[-1].number == last:
                    session.execute(update(CreditAccount).where(CreditAccount.owner_id == owner_id).values(head=head))
        between()
    return renamed


def _without_words(cause: str, hash_: Callable[[bytes], bytes]) -> str:
    """`run:step.HASH` in place of `run:step:attempt`: still one cause a call, the same for its hold and its end."""
    found = CHARGE.fullmatch(cause)
    if found is None:
        return cause
    run_id = found[1].rpartition(":")[2]
    return f"{found[1]}:step.{hash_(f'{run_id}:{found[2]}'.encode()).hex()[:24]}"

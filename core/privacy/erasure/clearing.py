"""The second half of an erasure in our own stores: mails, what an address finds, what the law keeps, old pages."""

from datetime import timedelta
from typing import Any, cast

from sqlalchemy import delete, func, select
from sqlalchemy.engine import CursorResult

from core.accounts.audit import record_act
from core.accounts.closing import forget_person_tries
from core.credits.closing import expire_credits, forget_words
from core.platform.mail.commands import erase_mails
from core.platform.old_pages import cut_log
from core.platform.runtime import Runtime
from core.privacy.erasure.subject import subject_of
from core.privacy.inventory import find_table, owned_by, tables
from core.privacy.models import PrivacyRequestRow
from core.privacy.retention.holds import forget_reasons
from core.privacy.steps import Done, Later, Work

READERS_WAIT = timedelta(seconds=5)


def clear_mails(runtime: Runtime, work: Work) -> Done:
    """Delete what was written to the person: mails sent and unsent, and their files where mails land in a folder."""
    subject = subject_of(runtime, work.request_id)
    erased = erase_mails(
        runtime, account_id=work.account_id, address=subject.address or None, between=work.renew
    )  # fmt: skip
    return Done({"mails": erased} if erased else {})


def clear_addresses(runtime: Runtime, work: Work) -> Done:
    """Delete what is found by the person's address alone: codes, discounts and invitations for it, tries from it."""
    subject = subject_of(runtime, work.request_id)
    forget_person_tries(runtime, work.account_id, subject.address)
    counts: dict[str, int] = {}
    for entry in tables():
        if entry.address is None or subject.address_index is None:
            continue
        table = find_table(entry.name)
        with runtime.database.write() as session:
            found = delete(table).where(table.c[entry.address] == subject.address_index)
            done = cast(CursorResult[Any], session.execute(found)).rowcount
        if done:
            counts[entry.name] = done
    return Done(counts)


def clear_books(runtime: Runtime, work: Work) -> Done:
    """Of what the law keeps, keep only what it asks for: what was paid and charged, under an id that is nobody's.

    Credits that are left end. Checkouts that were never paid are no books. The reasons of legal holds that are over go.
    """
    owner_id = work.account_id
    checkouts, redemptions = find_table("billing_checkouts"), find_table("discount_redemptions")
    credits = find_table("credit_accounts")
    with runtime.database.write() as session:
        unpaid = delete(checkouts).where(checkouts.c.owner_id == owner_id, checkouts.c.state != "paid")
        left = cast(CursorResult[Any], session.execute(unpaid)).rowcount
        session.execute(
            delete(redemptions).where(redemptions.c.owner_id == owner_id, redemptions.c.state != "redeemed")
        )
        ended = 0
        if session.scalar(select(credits.c.owner_id).where(credits.c.owner_id == owner_id)) is not None:
            ended = expire_credits(runtime, session, owner_id, cause=f"erasure:{work.request_id}")
    words = runtime.vault.keyed_hash(work.request_id, "steps")
    renamed = forget_words(runtime, owner_id, words, work.renew)
    counts = {
        "credits_ended_micros": ended,
        "unpaid_checkouts": left,
        "causes_without_words": renamed,
        "holds_without_reasons": forget_reasons(runtime, owner_id),
    }
    return Done({name: count for name, count in counts.items() if count})


def clear_files(runtime: Runtime, work: Work) -> Done:
    """Delete copies of data that the person asked for, wherever their names say whose they are."""
    mine = select(PrivacyRequestRow.id).where(PrivacyRequestRow.account_id == work.account_id)
    with runtime.database.read() as session:
        names = (work.account_id, *session.scalars(mine))
    folder, deleted = runtime.settings.exports, 0
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file() and any(name in str(path.relative_to(folder)) for name in names):
            path.unlink(missing_ok=True)
            deleted += 1
    return Done({"exports": deleted} if deleted else {})


def cut_logs(runtime: Runtime, work: Work) -> Done | Later:
    """Overwrite what the deleted rows left in the files of the database, as far as that can be done at once."""
    with runtime.database.write() as session:
        record_act(runtime, session, "account.erased", actor_id=None, subject_id=work.account_id)
    if not (cut_log(runtime.database.engine, work.renew) and runtime.vault.cut_log(work.renew)):
        return Later("READERS_IN_THE_WAY", READERS_WAIT)
    return Done()


def kept_rows(runtime: Runtime, account_id: str) -> dict[str, tuple[int, str]]:
    """Tables with rows of the person's that stay: how many, and which time of keeping the law has for them."""
    kept: dict[str, tuple[int, str]] = {}
    for entry in tables():
        if entry.owner is None or not entry.kept_by_law or entry.name == "held_rows":
            continue  # what holds keep has its own lines, under the law of each
        rows = select(func.count()).select_from(find_table(entry.name)).where(owned_by(entry, account_id))
        with runtime.database.read() as session:
            count = session.scalar(rows) or 0
        rules = {field.rules.retention for field in entry.fields} & {"law_10_years", "proof_5_years"}
        if count:
            kept[entry.name] = (count, next(iter(rules), "proof_5_years"))
    return kept

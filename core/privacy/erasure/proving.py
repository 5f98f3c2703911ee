"""The end of an erasure: it is proven, certified, and told to the person, after which nothing of it can be read."""

from datetime import timedelta

from sqlalchemy import select

from core.platform.logging import get_logger
from core.platform.mail.commands import erase_mails, send_due
from core.platform.mail.folder import filed_mail
from core.platform.mail.postings import enqueue_mail
from core.platform.runtime import Runtime
from core.privacy.erasure.certificates import get_certificate, held_words, make_certificate
from core.privacy.erasure.clearing import kept_rows
from core.privacy.erasure.models import ErasureRow
from core.privacy.erasure.rows import left_rows
from core.privacy.erasure.subject import Subject, forget_subject, subject_of
from core.privacy.inventory import find_table
from core.privacy.outcomes import LEFT
from core.privacy.scan.commands import coverage, scan
from core.privacy.scan.domain import Hit, ScanResult
from core.privacy.steps import Again, Done, Later, Work

NOTICE = "account_erased"
NOT_DONE = ("drain", "keep", "prove", "certify")
"""Steps whose counts are of what was found or kept, and not of what was erased."""
MAIL_WAITS = timedelta(minutes=1)

log = get_logger("privacy")


def prove(runtime: Runtime, work: Work) -> Done | Again:
    """Look for the person everywhere. What is found is erased once more; the log names the places."""
    left = left_rows(runtime, work.account_id)
    if left:
        log.warning("privacy.rows_left", request=work.request_id, tables=sorted(left))
        return Again("ROWS_LEFT", "mails")
    subject = subject_of(runtime, work.request_id)
    if not subject.values:
        return Done()
    result = scan(runtime, subject.values, between=Renewal(runtime, work))
    theirs = [hit for hit in result.hits if not _is_of_another(runtime, subject, hit)]
    if theirs:
        places = sorted({f"{hit.store}: {hit.place}" for hit in theirs})
        log.warning("privacy.found_again", request=work.request_id, places=places[:20])
        return Again("FOUND_AGAIN", "mails")
    return Done({"bytes_scanned": result.bytes_read, "in_mails_of_others": len(result.hits)})


def certify(runtime: Runtime, work: Work) -> Done:
    """Write the certificate."""
    subject = subject_of(runtime, work.request_id)
    with runtime.database.read() as session:
        row = session.get_one(ErasureRow, work.request_id)
    counted = {name: dict(counts) for name, counts in work.done.items() if name not in NOT_DONE}
    covered, not_covered = coverage(runtime)
    proven = ScanResult((), covered, not_covered, work.done.get("prove", {}).get("bytes_scanned", 0))
    made = make_certificate(
        runtime,
        number=row.number,
        request_id=work.request_id,
        account_id=work.account_id,
        received_at=work.received_at,
        key_gone_at=row.key_gone_at,
        found=work.done.get("drain", {}),
        steps=counted,
        kept=kept_rows(runtime, work.account_id),
        scan=proven if subject.values else None,
        values=len(subject.values),
    )
    counts = {"certificates": 1 if made.number else 0}
    held = sum(each["count"] for each in made.body.get("held", ()))
    return Done({**counts, LEFT: held} if held else counts)


def notify(runtime: Runtime, work: Work) -> Done | Later:
    """Tell the person by mail, once and for all; then destroy the key that the mail and their address were sealed with.

    Without a mail server there is nobody to carry it: nothing is written, and the command line prints it.
    """
    with runtime.database.read() as session:
        row = session.get_one(ErasureRow, work.request_id)
    subject = subject_of(runtime, work.request_id)
    sent = 0
    if subject.address and runtime.settings.smtp_url:
        held = held_words(get_certificate(runtime, row.number), subject.language)
        values = {"number": row.number, "when": f"{runtime.clock.now():%Y-%m-%d %H:%M} UTC", "held": held}
        with runtime.database.write() as session:
            enqueue_mail(
                runtime, session, kind=NOTICE, to=subject.address, values=values, cause=f"erased:{work.request_id}",
                account_id=work.request_id, language=subject.language,
            )  # fmt: skip
        send_due(runtime)
        mails = find_table("mail_outbox")
        with runtime.database.read() as session:
            state = session.scalar(select(mails.c.state).where(mails.c.account_id == work.request_id))
        if state == "queued":
            return Later("NOTICE_WAITS", MAIL_WAITS)
        sent = int(state == "sent")
    erase_mails(runtime, account_id=work.request_id, address=None)
    forget_subject(runtime, work.request_id)
    runtime.vault.cut_log(work.renew)
    return Done({"notices": sent} if sent else {})


class Renewal:
    """Lengthens the lease of a request, at most every ten seconds."""

    def __init__(self, runtime: Runtime, work: Work) -> None:
        self._runtime, self._work = runtime, work
        self._at = runtime.clock.now()

    def __call__(self) -> None:
        now = self._runtime.clock.now()
        if now - self._at > timedelta(seconds=10):
            self._at = now
            self._work.renew()


def _is_of_another(runtime: Runtime, subject: Subject, hit: Hit) -> bool:
    """Whether a hit lies in a mail of the development folder that was written to somebody else: it is theirs."""
    if hit.store != "data folder" or not hit.place.startswith("mail/"):
        return False
    mail = filed_mail(runtime.settings.mail_dir, hit.place.removeprefix("mail/").removesuffix(".eml"))
    return mail is not None and mail.to.casefold() != subject.address.casefold()

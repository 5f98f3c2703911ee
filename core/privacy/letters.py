"""Mails about a request: at each state that concerns its person, and to privacy admins before it is late."""

from datetime import datetime

from sqlalchemy.orm import Session

from core.accounts.domain import Account
from core.accounts.letters import tell
from core.accounts.queries import account_of
from core.platform.runtime import Runtime
from core.privacy.domain import LINK_LIFE, Right
from core.privacy.models import PrivacyRequestRow
from core.privacy.rights import title_of
from core.shared.errors import NotFound

MY_DATA = "/app/my-data"
ROOM = "/app/privacy-requests"
CONFIRM = "/privacy/confirm"
ANSWERS: dict[Right, tuple[str, str]] = {
    "access": (
        "Your copy is ready under My data. It can be fetched once, for seven days.",
        "Votre copie est prête sous Mes données. Elle peut être téléchargée une fois, pendant sept jours.",
    ),
    "portability": (
        "Your data is ready under My data. It can be fetched once, for seven days.",
        "Vos données sont prêtes sous Mes données. Elles peuvent être téléchargées une fois, pendant sept jours.",
    ),
    "rectification": (
        "Your data was corrected, and who received it from us was told.",
        "Vos données ont été rectifiées, et leurs destinataires en ont été informés.",
    ),
    "erasure": ("Your account was deleted.", "Votre compte a été supprimé."),
    "restriction": (
        "Nothing is done with your data any more but to keep it: no runs, schedules, analytics or news, and nothing "
        "is deleted for its age. You can end this under My data.",
        "Vos données ne sont plus que conservées : ni exécutions, ni planifications, ni statistiques, ni "
        "nouvelles, et rien n’est supprimé pour son âge. Vous pouvez y mettre fin sous Mes données.",
    ),
    "objection": (
        "Your use of the service is not counted any more, and no news is sent to you.",
        "Votre usage du service n’est plus compté, et aucune nouvelle ne vous est envoyée.",
    ),
}
"""What a request that was fulfilled came to, in English and French."""
PARTLY = (
    "A part of it could not be done, or words of other people were left out (GDPR Art. 15(4)): the request under My "
    "data says what and why. You may complain to the CNIL (cnil.fr) and go to court.",
    "Une partie n’a pas pu être faite, ou des propos d’autres personnes ont été retirés (RGPD Art. 15(4)) : la demande "
    "sous Mes données dit quoi et pourquoi. Vous pouvez saisir la CNIL (cnil.fr) et un tribunal.",
)
PARTLY_ERASED = (
    "A part is kept for a legal claim or duty, sealed with a key of its own (GDPR Art. 17(3)(b) and (e)), and deleted "
    "when that ends: the certificate says what, until when and under which law. You may complain to the CNIL (cnil.fr) "
    "and go to court.",
    "Une partie est gardée pour un litige ou une obligation légale, chiffrée avec une clé à part (RGPD Art. 17(3)(b) "
    "et (e)), et supprimée ensuite : le certificat dit quoi, jusqu’à quand et selon quelle loi. Vous pouvez saisir la "
    "CNIL (cnil.fr) et un tribunal.",
)
LAPSED = (
    "Nobody followed the link that was to show that you asked, so nothing was done. You can ask again at any time.",
    "Personne n’a suivi le lien qui devait montrer que la demande venait de vous ; rien n’a donc été fait. Vous pouvez "
    "la refaire à tout moment.",
)


def tell_received(runtime: Runtime, session: Session, account: Account, row: PrivacyRequestRow) -> None:
    """That it came in and by when it is answered."""
    received = {"received": day(row.received_at), "due": day(row.extended_until or row.due_at)}
    # Asked again through the form: it is said again, so not by the request alone.
    _tell(runtime, session, account, row, "privacy_request", received, cause=f"privacy_request:{runtime.ids.new()}")


def tell_link(
    runtime: Runtime, session: Session, account: Account, row: PrivacyRequestRow, token: str, *, to: str | None = None
) -> None:
    """The link that shows who asked."""
    values = {
        "right": title_of(_right(row), account.language),
        "confirm_url": f"{runtime.settings.public_url}{CONFIRM}?token={token}",
        "days": str(LINK_LIFE.days),
    }
    cause = f"privacy_identity:{runtime.ids.new()}"
    tell(runtime, session, account, "privacy_identity", values, to=to, cause=cause)


def tell_extended(runtime: Runtime, session: Session, row: PrivacyRequestRow, reason: str) -> None:
    """That it takes longer, until when and why: in the first month, as Art. 12(3) says."""
    assert row.extended_until is not None
    values = {"until": day(row.extended_until), "reason": reason}
    _tell(runtime, session, account_of(runtime, session, row.account_id), row, "privacy_extended", values)


def tell_decided(runtime: Runtime, session: Session, row: PrivacyRequestRow, reason: str) -> None:
    """That it was decided, and goes on."""
    account = account_of(runtime, session, row.account_id)
    _tell(runtime, session, account, row, "privacy_decided", {"reason": reason})


def tell_refused(runtime: Runtime, session: Session, row: PrivacyRequestRow, reason: str) -> None:
    """That it was refused, why, and where to complain (Art. 12(4))."""
    account = account_of(runtime, session, row.account_id)
    _tell(runtime, session, account, row, "privacy_refused", {"reason": reason})


def tell_fulfilled(runtime: Runtime, session: Session, row: PrivacyRequestRow) -> None:
    """That it was carried out; to nobody where the account is gone."""
    account = _account(runtime, session, row.account_id)
    if account is not None:
        place = 1 if account.language == "fr" else 0
        said = [ANSWERS[_right(row)][place]]
        if row.outcome == "partial":
            said.append(PARTLY[place])
        _tell(runtime, session, account, row, "privacy_done", {"answer": "\n\n".join(said)})


def tell_lapsed(runtime: Runtime, session: Session, row: PrivacyRequestRow) -> None:
    """That nobody proved who asked."""
    account = _account(runtime, session, row.account_id)
    if account is not None:
        _tell(runtime, session, account, row, "privacy_done", {"answer": LAPSED[account.language == "fr"]})


def tell_lifting(runtime: Runtime, session: Session, row: PrivacyRequestRow, lift_at: datetime, reason: str) -> None:
    """That a restriction is about to end: before it does, as Art. 18(3) says."""
    values = {"when": f"{lift_at:%Y-%m-%d %H:%M} UTC", "reason": reason}
    account = account_of(runtime, session, row.account_id)
    _tell(runtime, session, account, row, "privacy_lifting", values)


def tell_message(runtime: Runtime, session: Session, row: PrivacyRequestRow, message: str) -> None:
    """Words of the privacy team's."""
    account = account_of(runtime, session, row.account_id)
    cause = f"privacy_message:{runtime.ids.new()}"
    _tell(runtime, session, account, row, "privacy_message", {"said": message}, cause=cause)


def tell_revealed(runtime: Runtime, session: Session, row: PrivacyRequestRow, reason: str) -> None:
    """That somebody looked at who they are, and why."""
    account = account_of(runtime, session, row.account_id)
    cause = f"privacy_revealed:{runtime.ids.new()}"
    _tell(runtime, session, account, row, "privacy_revealed", {"reason": reason}, cause=cause)


def remind(runtime: Runtime, session: Session, row: PrivacyRequestRow, admin: Account, reminder: str) -> bool:
    """A privacy admin, of a request that is due; once a request, admin and reminder: whether it was now."""
    answer_by = row.extended_until or row.due_at
    values = {
        "right": title_of(_right(row), admin.language),
        "due": day(answer_by),
        "left": left_words(answer_by, runtime.clock.now(), admin.language),
        "number": row.id[-8:],
        "requests_url": f"{runtime.settings.public_url}{ROOM}?request={row.id}",
    }
    cause = f"privacy_due:{row.id}:{reminder}:{admin.id}"
    return tell(runtime, session, admin, "privacy_due", values, cause=cause)


def left_words(answer_by: datetime, now: datetime, language: str) -> str:
    """How long is left, or for how long it is late: `due in 3 days`."""
    late, days = now > answer_by, abs((answer_by - now).days) if now <= answer_by else (now - answer_by).days
    if language == "fr":
        unit = f"{days} jour{'s' if days > 1 else ''}"
        return f"en retard de {unit}" if late else f"à répondre dans {unit}"
    unit = f"{days} day{'' if days == 1 else 's'}"
    return f"late by {unit}" if late else f"due in {unit}"


def day(moment: datetime) -> str:
    """A day as mails write it (UTC)."""
    return f"{moment:%Y-%m-%d}"


def _tell(
    runtime: Runtime,
    session: Session,
    account: Account,
    row: PrivacyRequestRow,
    kind: str,
    values: dict[str, str],
    *,
    cause: str | None = None,
) -> None:
    common = {
        "right": title_of(_right(row), account.language),
        "privacy_url": f"{runtime.settings.public_url}{MY_DATA}?request={row.id}",
    }
    tell(runtime, session, account, kind, {**common, **values}, cause=cause or f"{kind}:{row.id}")


def _account(runtime: Runtime, session: Session, account_id: str) -> Account | None:
    try:
        return account_of(runtime, session, account_id)
    except NotFound:
        return None


def _right(row: PrivacyRequestRow) -> Right:
    return row.right  # type: ignore[return-value]

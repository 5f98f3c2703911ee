"""Using a right without signing in: an address and a right in a public form, then a link mailed to that address.

Whoever asks learns nothing about who has an account: an unknown address gets the same answer after the same work. It is
written under the installation's own account and taken back.
"""

from sqlalchemy.orm import Session

from core.accounts.audit import record_act
from core.accounts.domain import Account, clean_email
from core.accounts.postings import lock_person
from core.accounts.queries import account_of, find_account, get_operator
from core.accounts.throttle import client_network
from core.platform.ratelimits import count_try
from core.platform.runtime import Runtime
from core.privacy.asking import SEVERAL, add_request, go_on, new_request, open_request
from core.privacy.beginning import begin, check_may_leave
from core.privacy.details import details_of
from core.privacy.domain import Details, PrivacyRequestView, Right, clean_details
from core.privacy.letters import tell_received
from core.privacy.links import add_link, mail_link, request_of_link, use_up
from core.privacy.models import PrivacyRequestRow
from core.privacy.postings import lock_request, move
from core.privacy.queries import request_view
from core.shared.errors import InvalidInput, LimitExceeded

ASKED_A_CLIENT, ASKED_AN_ADDRESS, HOUR = 30, 5, 3600


def ask_by_form(runtime: Runtime, *, email: str, right: Right, text: str = "", client_host: str | None = None) -> None:
    """Mail a link that shows who asked to the owner of an address; where nobody has it, only the work is the same.

    What is no address, and an address that asks too often, is answered like any other. Raises InvalidInput for a
    correction that does not say what is wrong; LimitExceeded for a client that asks for many.
    """
    client = client_network(client_host)
    if client:
        count_try(runtime, "privacy-client", client, limit=ASKED_A_CLIENT, seconds=HOUR)
    said = clean_details(right, Details(text))
    try:
        address = clean_email(email)
        count_try(runtime, "privacy-address", address, limit=ASKED_AN_ADDRESS, seconds=HOUR)
    except (InvalidInput, LimitExceeded):
        return
    known = find_account(runtime, address)
    nobody = get_operator(runtime)
    with runtime.database.write() as session:
        if known is not None and not known.is_operator:
            _ask(runtime, session, known, right, said, to=None)
            return
        with session.begin_nested() as nothing:
            _ask(runtime, session, nobody, right, said, to=address)
            nothing.rollback()
        add_link(runtime, session, None)  # something is kept for everybody


def link_right(runtime: Runtime, token: str) -> Right:
    """The right that a link confirms. Raises Forbidden LINK_INVALID."""
    with runtime.database.read() as session:
        row = session.get_one(PrivacyRequestRow, request_of_link(runtime, session, token))
    return request_view(row).right


def confirm_by_link(runtime: Runtime, token: str) -> PrivacyRequestView:
    """Confirm with a mailed link that it was the owner of the address who asked; the link works once.

    Raises Forbidden LINK_INVALID; Conflict LAST_ADMIN (the link stays usable).
    """
    with runtime.database.write() as session:
        row = lock_request(session, request_of_link(runtime, session, token))
        right = request_view(row).right
        check_may_leave(session, row.account_id, right)
        lock_person(session, row.account_id)
        use_up(runtime, session, token)
        account = account_of(runtime, session, row.account_id)
        row.identity = "link"
        move(runtime, session, row, "verified", "system", "identity_link")
        tell_received(runtime, session, account, row)
        begin(runtime, session, row, account, details_of(runtime, row), keep=None)
    return go_on(runtime, row.id, right)


def _ask(runtime: Runtime, session: Session, account: Account, right: Right, said: Details, *, to: str | None) -> None:
    lock_person(session, account.id)
    waiting = open_request(session, account.id, right)
    if waiting is not None and right not in SEVERAL:
        if waiting.status == "awaiting_identity":
            mail_link(runtime, session, account, waiting)
        else:
            tell_received(runtime, session, account, waiting)
        return
    row = new_request(runtime, session, account.id, right, said, channel="form")
    add_request(runtime, session, row, "person", None)
    move(runtime, session, row, "awaiting_identity", "system", "identity_asked")
    mail_link(runtime, session, account, row, to=to)
    record_act(
        runtime, session, "privacy.asked",
        actor_id=None, subject_id=account.id, request=row.id, right=right, channel="form",
    )  # fmt: skip

"""The steps that carry out a correction, a restriction and an objection: all in our own stores, but for Stripe's.

What they do counts from the moment of the request: the steps make sure of it, however often they are run.
"""

from datetime import timedelta

from core.accounts.domain import clean_email
from core.accounts.postings import write_objection
from core.accounts.profile import update_profile
from core.accounts.queries import get_account
from core.accounts.standing import standing_of
from core.analytics.commands import forget_visitor
from core.credits.payments.queries import customer_id_of
from core.platform.runtime import Runtime
from core.privacy.details import open_details
from core.privacy.models import PrivacyRequestRow
from core.privacy.outcomes import LEFT
from core.privacy.restrictions import begin_restriction
from core.privacy.steps import Done, Later, RightStep, Work

ADDRESS_WAITS = timedelta(hours=24)
"""As long as the link to a new address works."""
LOOK_AGAIN = timedelta(minutes=5)


def _correct(runtime: Runtime, work: Work) -> Done | Later:
    details = open_details(runtime, work.request_id)
    changed = 0
    if details.name is not None or details.language is not None:
        update_profile(runtime, work.account_id, name=details.name, language=details.language)
        changed = (details.name is not None) + (details.language is not None)
    if details.email is None:
        return Done({"fields": changed})
    if get_account(runtime, work.account_id).email == clean_email(details.email):
        return Done({"fields": changed + 1})
    if runtime.clock.now() < work.received_at + ADDRESS_WAITS:
        return Later("ADDRESS_UNCONFIRMED", LOOK_AGAIN)
    return Done({"fields": changed, LEFT: 1})  # nobody followed the link at the new address


def _tell_recipients(runtime: Runtime, work: Work) -> Done:
    """GDPR Art. 19. Stripe writes its invoices to the address and in the language it was given."""
    if runtime.payments is None:
        return Done({"recipients": 0})
    customer_id = customer_id_of(runtime, work.account_id)
    if customer_id is None:
        return Done({"recipients": 0})
    account = get_account(runtime, work.account_id)
    runtime.payments.update_customer(customer_id, account.email, account.language)
    return Done({"recipients": 1})


def _restrict(runtime: Runtime, work: Work) -> Done:
    with runtime.database.write() as session:
        row = session.get_one(PrivacyRequestRow, work.request_id)
        begin_restriction(runtime, session, row)
    return Done({"accounts": 1})


def _object(runtime: Runtime, work: Work) -> Done:
    if standing_of(runtime, work.account_id).objected_at is None:
        with runtime.database.write() as session:
            write_objection(session, work.account_id, runtime.clock.now())
    return Done({"accounts": 1})


def _forget_use(runtime: Runtime, work: Work) -> Done:
    """After the objection counts: no process writes another event of theirs."""
    return Done({"events": forget_visitor(runtime, work.account_id)})


RECTIFICATION = (
    RightStep("correct", "Your own fields are corrected", "executing", _correct),
    RightStep("tell_recipients", "Who received them is told", "propagating", _tell_recipients),
)
RESTRICTION = (RightStep("restrict", "Nothing uses your data but to keep it", "executing", _restrict),)
OBJECTION = (
    RightStep("object", "Your use is not counted, and no news is sent", "executing", _object),
    RightStep("forget_use", "What was counted of today and yesterday is deleted", "executing", _forget_use),
)

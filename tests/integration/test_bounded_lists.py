"""Lists and figures of admins over many rows: turned page by page they have all once, and count up to a limit."""

import pytest
from sqlalchemy import select

from core.accounts.invitations import list_invitations
from core.accounts.models import AccountRow
from core.accounts.queries import installation_overview
from core.credits.payments.queries import list_subscriptions, subscription_figures
from core.platform.bounded import count_up_to
from core.platform.mail.queries import list_mails, outbox_figures
from core.platform.runtime import Runtime
from core.privacy.retention import oldest
from core.privacy.retention.oldest import oldest_known, oldest_logs
from tests.support.town import build_town
from tests.support.town.people import plan_of

PEOPLE = 200


def test_pages_of_admins_have_everything_once(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    build_town(runtime, PEOPLE, 400, lambda _: None)
    figures, seen, cursor = subscription_figures(runtime), list[str](), None
    while True:
        page = list_subscriptions(runtime, limit=7, cursor=cursor)
        seen += [each.subscription.id for each in page.items]
        if (cursor := page.next_cursor) is None:
            break
    assert len(seen) == len(set(seen)) == figures.open == PEOPLE // 5
    late = list_subscriptions(runtime, overdue=True).items
    assert len(late) == figures.overdue and all(each.subscription.grace_end is not None for each in late)

    first = list_invitations(runtime, 100)
    rest = list_invitations(runtime, 100, first.next_cursor)
    assert len({each.id for each in (*first.items, *rest.items)}) == 150 and rest.next_cursor is None

    outbox = outbox_figures(runtime)
    assert outbox.queued == PEOPLE and outbox.sent + outbox.failed + outbox.dropped == 4 * PEOPLE
    ended = list_mails(runtime, states=("sent", "failed", "dropped"), limit=1000).items
    assert [mail.id for mail in ended] == sorted((mail.id for mail in ended), reverse=True) and len(ended) == 4 * PEOPLE

    overview = installation_overview(runtime)
    assert overview.people == PEOPLE and sum(overview.by_plan.values()) == PEOPLE
    assert overview.by_plan["free"] == sum(plan_of(rank) == "free" for rank in range(PEOPLE))
    with runtime.database.read() as session:
        assert count_up_to(session, select(AccountRow), 50) == 51
        assert count_up_to(session, select(AccountRow), 1_000) == PEOPLE + 1, "with the operator"

    looked, at = oldest_known(runtime)
    assert at == runtime.clock.now() or looked == oldest_logs(runtime)
    monkeypatch.setattr(oldest, "LOOKED_AT", 10)
    known, at = oldest_known(runtime)
    assert at is not None and [each.excepted for each in known] == [each.excepted for each in oldest_logs(runtime)]

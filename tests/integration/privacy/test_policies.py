"""A policy's way on both databases: draft, publication, who is told and when, taking it back, what counts for whom."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import event, text

from core.accounts.acceptances import list_acceptances
from core.accounts.audit import list_acts
from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.accounts.domain import Account, SessionView
from core.accounts.profile import update_profile
from core.accounts.queries import find_session
from core.bootstrap import prepare
from core.platform.jobs.commands import run_job
from core.platform.jobs.queries import find_due
from core.platform.mail.models import MailRow
from core.platform.runtime import Runtime
from core.privacy.policies import notices
from core.privacy.policies.commands import drop_draft, publish, save_draft, take_back
from core.privacy.policies.domain import PolicyVersion
from core.privacy.policies.notices import has_notices, note_shown, put_away, send_notices, versions_to_show
from core.privacy.policies.queries import (
    all_versions,
    announced_version,
    current_version,
    forget_versions,
    get_draft,
    list_versions,
    notice_figures,
    version_before,
)
from core.privacy.policies.use import note_policy_use
from core.shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from jobs.catalogue import JOBS
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock

NOW = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
DAY = date(2026, 12, 20)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(clock=clock, **database_settings)


@pytest.fixture
def root(runtime: Runtime) -> SessionView:
    create_account(runtime, email="root@example.org", password=PASSWORD, roles=("admin",))
    return session_of(runtime, "root@example.org")


def session_of(runtime: Runtime, email: str) -> SessionView:
    view = find_session(runtime, sign_in(runtime, email=email, password=PASSWORD).token)
    assert view is not None
    return view


def person(runtime: Runtime, name: str) -> Account:
    return create_account(runtime, email=f"{name}@example.org", password=PASSWORD)


def announce(runtime: Runtime, by: SessionView, *, day: date = DAY, words: str = "kept for 14 days") -> PolicyVersion:
    draft = get_draft(runtime, "privacy")
    changed = draft.text + f"\n\nLogs are {words}.\n"
    saved = save_draft(
        runtime, by, "privacy", text=changed, summary="Logs go sooner.", material=True, effective_on=day,
        revision=draft.revision,
    )  # fmt: skip
    return publish(runtime, by, "privacy", revision=saved.revision)


def mails(runtime: Runtime) -> list[tuple[str, str, str]]:
    with runtime.database.read() as session:
        rows = session.query(MailRow).filter(MailRow.kind.like("policy%")).order_by(MailRow.id)
        return [(row.account_id or "", row.kind, row.language) for row in rows]


def test_the_first_versions_come_with_the_software(runtime: Runtime) -> None:
    found = list_versions(runtime, "privacy")
    assert [each.version for each in found] == ["2026-02-25"] and found[0].shipped
    assert current_version(runtime, "terms").version == "2026-02-25" and announced_version(runtime, "privacy") is None
    assert "{{" not in found[0].text and version_before(runtime, found[0]) is None


def test_the_first_version_follows_the_settings_until_somebody_has_an_account(
    runtime: Runtime, runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock
) -> None:
    other = runtime_with(clock=clock, controller="Otters Ltd", first_policy_date=date(2026, 6, 1), **database_settings)
    assert "Otters Ltd" in current_version(other, "privacy").text
    assert [each.version for each in list_versions(other, "privacy")] == ["2026-06-01"]
    person(other, "ada")
    prepare(runtime)
    forget_versions(other)
    assert "Otters Ltd" in current_version(other, "privacy").text, "what people were shown stays"


def test_a_draft_is_published_and_everybody_is_told_once(
    runtime: Runtime, root: SessionView, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "BATCH", 2)
    people = [person(runtime, f"p{number}") for number in range(5)]
    update_profile(runtime, people[1].id, language="fr")
    assert not has_notices(runtime, NOW)
    version = announce(runtime, root)
    assert current_version(runtime, "privacy").version == "2026-02-25"
    assert announced_version(runtime, "privacy") == version and version.version == "2026-12-20"
    assert notice_figures(runtime, version).waiting == 6
    due = {each.job.name: each for each in find_due(runtime, JOBS)}["policy_notices"]
    done = run_job(runtime, due.job, due.scheduled_for)
    assert done is not None and done.done == 6
    told = mails(runtime)
    assert {account for account, _, _ in told} == {root.account.id, *(each.id for each in people)}
    assert sorted(language for _, _, language in told) == ["en"] * 5 + ["fr"]
    assert notice_figures(runtime, version).mailed == 6 and notice_figures(runtime, version).waiting == 0
    assert not has_notices(runtime, NOW) and send_notices(runtime) == 0 and len(mails(runtime)) == 6
    # Who comes later, but before the day, is told too.
    clock.advance(days=3)
    late = person(runtime, "late")
    assert has_notices(runtime, clock.now()) and send_notices(runtime) == 1
    assert mails(runtime)[-1][0] == late.id
    acts = [act.act for act in list_acts(runtime, 10).items]
    assert "policy.published" in acts
    clock.advance(days=30)
    assert current_version(runtime, "privacy").id == version.id and announced_version(runtime, "privacy") is None
    person(runtime, "after")
    assert not has_notices(runtime, clock.now()), "it counts: there is nothing to announce any more"


def test_a_batch_that_is_cut_mails_nobody_twice_and_nobody_never(
    runtime: Runtime, root: SessionView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "BATCH", 3)
    for number in range(6):
        person(runtime, f"p{number}")
    announce(runtime, root)
    written = 0

    def cut(*_: object) -> None:
        nonlocal written
        written += 1
        if written == 5:
            raise ConnectionError("cut")

    real = notices.tell
    monkeypatch.setattr(notices, "tell", lambda *a, **k: (cut(), real(*a, **k)))
    with pytest.raises(ConnectionError):
        send_notices(runtime)
    assert len(mails(runtime)) == 3, "the first batch is kept, the second is not"
    assert send_notices(runtime) == 4
    accounts = [account for account, _, _ in mails(runtime)]
    assert len(accounts) == len(set(accounts)) == 7


def test_each_batch_is_a_transaction_of_its_own(
    runtime: Runtime, root: SessionView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "BATCH", 2)
    for number in range(5):
        person(runtime, f"p{number}")
    announce(runtime, root)
    commits = 0

    def count(_connection: object) -> None:
        nonlocal commits
        commits += 1

    event.listen(runtime.database.engine, "commit", count)
    send_notices(runtime)
    event.remove(runtime.database.engine, "commit", count)
    assert commits >= 3


def test_who_has_no_key_any_more_stops_nobody(runtime: Runtime, root: SessionView) -> None:
    gone = person(runtime, "gone")
    person(runtime, "ada")
    version = announce(runtime, root)
    runtime.vault.forget(gone.id)
    assert send_notices(runtime) == 2 and not has_notices(runtime, NOW)
    assert notice_figures(runtime, version).waiting == 1, "and is not counted as told"


def test_what_cannot_be_published_is_refused(runtime: Runtime, root: SessionView, clock: FixedClock) -> None:
    draft = get_draft(runtime, "privacy")
    assert draft.revision == 0 and "{{retention_table}}" in draft.text

    def save(revision: int, **values: object) -> int:
        fields = {"text": draft.text, "summary": "What.", "material": True, "effective_on": DAY} | values
        return save_draft(runtime, root, "privacy", revision=revision, **fields).revision  # type: ignore[arg-type]

    for values, code in (
        ({"effective_on": None}, "NO_DAY"),
        ({"effective_on": date(2026, 12, 9)}, "TOO_SOON"),
        ({"effective_on": date(2026, 11, 1)}, "TOO_SOON"),
        ({"summary": " "}, "NO_SUMMARY"),
        ({"text": draft.text.replace("{P12}", "")}, "POLICY_INCOMPLETE"),
    ):
        revision = save(get_draft(runtime, "privacy").revision, **values)
        with pytest.raises(InvalidInput) as refused:
            publish(runtime, root, "privacy", revision=revision)
        assert refused.value.code == code
    with pytest.raises(Conflict, match="Somebody else saved"):
        save(1)
    with pytest.raises(Conflict):
        publish(runtime, root, "privacy", revision=1)
    revision = save(get_draft(runtime, "privacy").revision)
    clock.advance(minutes=11)
    with pytest.raises(Forbidden, match="Confirm your password"):
        publish(runtime, root, "privacy", revision=revision)
    person(runtime, "eve")
    eve = session_of(runtime, "eve@example.org")
    for act in (
        lambda: publish(runtime, eve, "privacy", revision=revision),
        lambda: take_back(runtime, eve, "x"),
        lambda: drop_draft(runtime, eve, "privacy"),
        lambda: save_draft(
            runtime, eve, "privacy", text="x", summary="", material=False, effective_on=None, revision=revision
        ),
    ):
        with pytest.raises(Forbidden, match="Only an admin"):
            act()
    assert len(all_versions(runtime)) == 2
    publish(runtime, session_of(runtime, "root@example.org"), "privacy", revision=revision)
    again = session_of(runtime, "root@example.org")
    with pytest.raises(Conflict, match="announced already"):
        announce(runtime, again, day=date(2027, 1, 20))
    drop_draft(runtime, again, "privacy")
    assert get_draft(runtime, "privacy").revision == 0


def test_a_version_is_taken_back_and_people_are_told(runtime: Runtime, root: SessionView, clock: FixedClock) -> None:
    ada = person(runtime, "ada")
    version = announce(runtime, root)
    send_notices(runtime)
    take_back(runtime, root, version.id)
    assert announced_version(runtime, "privacy") is None and get_draft(runtime, "privacy").revision == 1
    assert "kept for 14 days" in get_draft(runtime, "privacy").text
    assert has_notices(runtime, NOW) and send_notices(runtime) == 2 and not has_notices(runtime, NOW)
    assert [kind for account, kind, _ in mails(runtime) if account == ada.id] == ["policy_change", "policy_withdrawn"]
    with pytest.raises(NotFound):
        take_back(runtime, root, version.id)
    assert [each.version for each in list_versions(runtime, "privacy")] == ["2026-02-25"]
    # The same day again is another version.
    assert announce(runtime, root).version == "2026-12-20.2"
    clock.advance(days=40)
    latest = session_of(runtime, "root@example.org")
    with pytest.raises(NotFound):
        take_back(runtime, latest, current_version(runtime, "privacy").id)
    assert "policy.taken_back" in [act.act for act in list_acts(runtime, 20).items]


def test_going_on_to_use_it_makes_a_version_count_once(runtime: Runtime, root: SessionView, clock: FixedClock) -> None:
    ada = person(runtime, "ada")
    assert list_acceptances(runtime, ada.id) == ()
    note_policy_use(runtime, ada.id)
    first = {(each.document, each.version, each.way) for each in list_acceptances(runtime, ada.id)}
    assert first == {("privacy", "2026-02-25", "use"), ("terms", "2026-02-25", "use")}
    version = announce(runtime, root)
    note_policy_use(runtime, ada.id)
    assert len(list_acceptances(runtime, ada.id)) == 2, "an announced version does not count yet"
    clock.advance(days=30)
    note_policy_use(runtime, ada.id)
    clock.advance(days=1)
    note_policy_use(runtime, ada.id)
    newest = list_acceptances(runtime, ada.id)[0]
    assert (newest.version, newest.way, newest.at) == (version.version, "use", NOW + timedelta(days=30))


def test_the_notice_in_the_app_is_shown_recorded_and_put_away(
    runtime: Runtime, root: SessionView, clock: FixedClock
) -> None:
    ada = person(runtime, "ada")
    version = announce(runtime, root)
    assert versions_to_show(runtime, ada.created_at) == (version,)
    assert note_shown(runtime, ada.id, version)
    assert notice_figures(runtime, version).seen == 1
    assert send_notices(runtime) == 2, "who saw it is mailed all the same"
    put_away(runtime, ada.id, version.id)
    assert not note_shown(runtime, ada.id, version)
    clock.advance(days=30)
    assert versions_to_show(runtime, ada.created_at) == ()


def test_what_is_stored_about_telling_is_ids_and_times(runtime: Runtime, root: SessionView) -> None:
    announce(runtime, root)
    send_notices(runtime)
    with runtime.database.read() as session:
        rows = session.execute(text("SELECT * FROM policy_notices")).mappings().all()
    assert len(rows) == 1 and "root@example.org" not in str(rows)

"""The outbox on both databases, sending to a real SMTP server."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from core.accounts.commands import create_account
from core.platform.mail.commands import LEASE, erase_mails, send_due
from core.platform.mail.domain import MAX_ATTEMPTS, MailView, OutboxFigures
from core.platform.mail.postings import enqueue_mail
from core.platform.mail.queries import list_mails, outbox_figures
from core.platform.runtime import Runtime
from core.shared.errors import InvalidInput, InvariantViolated
from tests.conftest import PASSWORD
from tests.integration.mail.conftest import TO, enqueue
from tests.support.clock import FixedClock
from tests.support.mail_sink import MailSink, mail_sink

ROOT = Path(__file__).resolve().parents[3]
Sending = Callable[..., Runtime]


def only(runtime: Runtime) -> MailView:
    """The one mail there is."""
    (mail,) = list_mails(runtime).items
    return mail


def contents(runtime: Runtime) -> list[bytes | None]:
    """What is stored of the mails' contents."""
    with runtime.database.read() as session:
        return [row[0] for row in session.execute(text("SELECT content FROM mail_outbox ORDER BY id"))]


def test_a_mail_is_kept_or_lost_with_what_causes_it(sending: Sending) -> None:
    runtime = sending()
    wakes: list[int] = []
    runtime.mail.start(lambda: wakes.append(1))
    with pytest.raises(ZeroDivisionError), runtime.database.write() as session:
        session.execute(text("DELETE FROM mail_outbox"))
        _ = enqueue_in(runtime, session), 1 // 0
    assert list_mails(runtime).items == () and wakes == []
    with runtime.database.write() as session:
        assert enqueue_in(runtime, session)
        assert wakes == [], "nobody is woken for a mail that is not there yet"
    assert only(runtime).state == "queued" and wakes == [1]
    enqueue(runtime, "another")
    assert wakes == [1], "one that is awake is not woken again"
    assert not runtime.mail.may_rest() and runtime.mail.may_rest(), "there was news, and then none"
    enqueue(runtime, "a third")
    assert wakes == [1, 1]


def enqueue_in(runtime: Runtime, session: Session) -> bool:
    """Enqueue in a transaction that is open already."""
    values = {"pipeline": "P", "step": "", "reason": "R", "run_url": f"{runtime.settings.public_url}/app/"}
    return enqueue_mail(runtime, session, kind="run_failed", to=TO, values=values, cause="joined")


def test_a_mail_is_sent_once_and_then_only_its_kind_and_times_are_left(
    sending: Sending, sink: MailSink, clock: FixedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime = sending(app_url="http://stepiq.example", mail_from="stepIQ <robot@stepiq.example>")
    person = create_account(runtime, email=TO, password=PASSWORD)
    assert enqueue(runtime, "run_failed:1", account_id=person.id)
    assert not enqueue(runtime, "run_failed:1", account_id=person.id), "one cause is mailed once"
    (sealed,) = contents(runtime)
    assert sealed is not None and b"canary" not in sealed
    clock.advance(seconds=7)
    assert send_due(runtime) == 1 and send_due(runtime) == 0
    (mail,) = sink.received
    sent = only(runtime)
    assert mail.to == [TO] and mail.message["To"] == TO and mail.message["From"] == "stepIQ <robot@stepiq.example>"
    assert mail.message["Message-ID"] == f"<{sent.id}@stepiq.example>"
    assert mail.message["Date"].datetime == sent.created_at
    assert mail.message["Auto-Submitted"] == "auto-generated" and mail.message["Content-Language"] == "en"
    parts = [part.get_content_type() for part in mail.message.walk()]
    assert parts == ["multipart/alternative", "text/plain", "text/html"]
    for part in mail.message.iter_parts():
        assert "The canary failed." in part.get_content()
    assert contents(runtime) == [None]
    assert (sent.state, sent.attempts, sent.ended_at) == ("sent", 1, clock.now())
    assert not enqueue(runtime, "run_failed:1", account_id=person.id), "nor after it was sent"
    assert "canary" not in "".join(capsys.readouterr())


def test_what_is_put_off_is_tried_again_later_under_the_same_id(
    sending: Sending, sink: MailSink, clock: FixedClock
) -> None:
    runtime = sending()
    enqueue(runtime, "1")
    sink.recipient_answers.append("450 greylisted, try later")
    sink.data_answers.append("451 try later")
    assert send_due(runtime) == 0
    mail = only(runtime)
    assert (mail.state, mail.reason, mail.attempts) == ("queued", "smtp_450", 1)
    assert timedelta(seconds=11) < mail.next_attempt_at - clock.now() < timedelta(seconds=19)
    assert send_due(runtime) == 0 and only(runtime).attempts == 1, "not before its time"
    clock.moment = mail.next_attempt_at
    assert send_due(runtime) == 0 and only(runtime).reason == "smtp_451"
    clock.moment = only(runtime).next_attempt_at
    assert send_due(runtime) == 1
    assert (only(runtime).state, only(runtime).attempts) == ("sent", 3)
    first, second = sink.received
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert first.message["Date"] == second.message["Date"]


def test_what_is_refused_for_good_ends_and_holds_nobody_up(sending: Sending, sink: MailSink) -> None:
    runtime = sending()
    for cause in "123":
        enqueue(runtime, cause)
    sink.recipient_answers.append("550 no such user " + TO)
    sink.data_answers.append("554 not this")
    assert send_due(runtime) == 1
    states = [(mail.state, mail.reason) for mail in reversed(list_mails(runtime).items)]
    assert states == [("failed", "smtp_550"), ("failed", "smtp_554"), ("sent", None)]
    assert contents(runtime) == [None, None, None]


def test_a_server_that_is_gone_costs_one_try_and_the_mails_wait(
    sending: Sending, clock: FixedClock, sink: MailSink
) -> None:
    with mail_sink() as other:
        port = int(other.url.rsplit(":", 1)[1])
    runtime = sending(smtp_url=other.url)
    enqueue(runtime, "1")
    enqueue(runtime, "2")
    assert send_due(runtime) == 0
    second, first = list_mails(runtime).items
    assert (first.state, first.reason, first.attempts) == ("queued", "unreachable", 1)
    assert (second.state, second.attempts) == ("queued", 0)
    clock.moment = first.next_attempt_at
    with mail_sink(port=port) as back:
        assert send_due(runtime) == 2
        assert len(back.received) == 2


def test_a_mail_is_given_up_after_many_tries(sending: Sending, sink: MailSink, clock: FixedClock) -> None:
    runtime = sending()
    enqueue(runtime, "1")
    began = clock.now()
    for _ in range(MAX_ATTEMPTS):
        sink.recipient_answers.append("450 later")
        clock.moment = only(runtime).next_attempt_at
        send_due(runtime)
    mail = only(runtime)
    assert (mail.state, mail.reason, mail.attempts) == ("failed", "smtp_450", MAX_ATTEMPTS)
    assert timedelta(hours=16) < clock.now() - began < timedelta(hours=30)
    assert contents(runtime) == [None]


def test_a_crash_after_sending_repeats_the_mail_under_the_same_id(
    sending: Sending, sink: MailSink, clock: FixedClock
) -> None:
    """kill -9 of the sending process when the server has the mail and has not answered yet."""
    clock.moment = datetime.now(UTC)  # the child has the machine's clock
    runtime = sending()
    enqueue(runtime, "1")
    settings = runtime.settings
    environment = {
        **os.environ,
        "STEPIQ_DATA_DIR": str(settings.data_dir),
        "DATABASE_URL": settings.database_url,
        "KEY_STORE_URL": settings.key_store_url,
        "SMTP_URL": sink.url,
    }
    code = (
        "from core.bootstrap import build_runtime; from core.platform.settings import load_settings\n"
        "from core.platform.mail.commands import send_due; send_due(build_runtime(load_settings()))"
    )
    child = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment)
    sink.on_data = child.kill
    assert child.wait(timeout=60) == -9
    sink.on_data = None
    mail = only(runtime)
    assert (mail.state, mail.attempts) == ("queued", 1)
    assert send_due(runtime) == 0, "the dead process still has its lease"
    clock.advance(seconds=LEASE.total_seconds() + 60)
    assert send_due(runtime) == 1
    assert only(runtime).state == "sent" and only(runtime).attempts == 2
    first, second = sink.received
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert first.message.get_body(("plain",)).get_content() == second.message.get_body(("plain",)).get_content()  # type: ignore[union-attr]


def test_two_processes_never_send_the_same_mail(sending: Sending, sink: MailSink) -> None:
    one, other = sending(), sending()
    for cause in range(40):
        enqueue(one, str(cause))
    sink.meet = 2  # the first two mails are answered when both are under way: both processes are sending
    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(send_due, (one, other)))
    assert sum(counts) == 40 and min(counts) >= 1
    assert len(sink.ids) == 40 == len(set(sink.ids))
    assert outbox_figures(one).sent == 40
    assert {mail.attempts for mail in list_mails(one).items} == {1}


def test_who_lost_the_claim_records_nothing(sending: Sending, sink: MailSink, clock: FixedClock) -> None:
    """A process stands still for longer than its lease; another one sends; then the first goes on."""
    slow, other = sending(), sending()
    enqueue(slow, "1")
    sent_meanwhile: list[int] = []

    def meanwhile() -> None:
        sink.on_data = None
        clock.advance(seconds=LEASE.total_seconds() + 1)
        sent_meanwhile.append(send_due(other))

    sink.on_data = meanwhile
    sink.data_answers.append("451 the first one hears this")
    assert send_due(slow) == 0 and sent_meanwhile == [1]
    assert (only(slow).state, only(slow).reason, only(slow).attempts) == ("sent", None, 2)
    assert len(set(sink.ids)) == 1


def test_nor_when_the_other_one_has_only_put_the_mail_off(sending: Sending, sink: MailSink, clock: FixedClock) -> None:
    slow, other = sending(), sending()
    enqueue(slow, "1")

    def meanwhile() -> None:
        sink.on_data = None
        clock.advance(seconds=LEASE.total_seconds() + 1)
        send_due(other)

    sink.on_data = meanwhile
    sink.data_answers.extend(["554 the first one hears this", "452 the other one this"])
    assert send_due(slow) == 0
    mail = only(slow)
    assert (mail.state, mail.reason, mail.attempts) == ("queued", "smtp_452", 2)


def test_a_mail_whose_owner_has_no_key_any_more_is_dropped(sending: Sending, sink: MailSink) -> None:
    runtime = sending()
    person = create_account(runtime, email=TO, password=PASSWORD)
    enqueue(runtime, "1", account_id=person.id)
    enqueue(runtime, "2")
    keys = runtime.vault._keys
    with keys._engine.begin() as connection:
        connection.execute(text("DELETE FROM data_keys WHERE subject_id = :id"), {"id": person.id})
    assert send_due(sending()) == 1, "the mail to nobody's account still goes"
    sent, dropped = list_mails(runtime).items
    assert (sent.state, dropped.state, dropped.reason) == ("sent", "dropped", "key_gone")
    assert contents(runtime) == [None, None] and len(sink.received) == 1


def test_a_mail_moved_to_another_row_does_not_open(sending: Sending, sink: MailSink) -> None:
    runtime = sending()
    enqueue(runtime, "1")
    enqueue(runtime, "2")
    with runtime.database.write() as session:
        swap = "UPDATE mail_outbox SET content = (SELECT content FROM mail_outbox ORDER BY id DESC LIMIT 1)"
        session.execute(text(swap))
    assert send_due(runtime) == 1
    assert [mail.reason for mail in list_mails(runtime).items] == [None, "seal_broken"]


def test_what_came_too_late_is_dropped_also_where_nothing_is_sent(
    sending: Sending, sink: MailSink, clock: FixedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    production = {"env": "production", "master_key": "ab" * 32, "app_url": "https://stepiq.example", "bcrypt_cost": 12}
    silent = sending(smtp_url="", **production)
    silent.mail.start(lambda: None)
    assert capsys.readouterr().out.count("mail.no_server") == 1
    enqueue(silent, "1")
    clock.advance(hours=71)
    assert send_due(silent) == 0 and only(silent).state == "queued", "kept for a server that may still be named"
    assert not silent.settings.mail_dir.exists()
    enqueue(silent, "2")
    clock.advance(hours=2)
    assert send_due(silent) == 0
    assert [(mail.state, mail.reason) for mail in list_mails(silent).items] == [
        ("queued", None),
        ("dropped", "expired"),
    ]
    named = sending(**production)
    clock.advance(hours=71)
    assert send_due(named) == 0 and sink.received == []
    assert {mail.reason for mail in list_mails(named).items} == {"expired"}


def test_operators_see_mails_without_what_they_say(sending: Sending, sink: MailSink, clock: FixedClock) -> None:
    runtime = sending()
    for cause in range(5):
        enqueue(runtime, str(cause))
    sink.recipient_answers.append("550 no")
    send_due(runtime, limit=2)
    clock.advance(minutes=61)
    enqueue(runtime, "young")
    assert outbox_figures(runtime) == OutboxFigures(queued=4, queued_over_an_hour=3, sent=1, failed=1, dropped=0)
    first = list_mails(runtime, limit=4)
    rest = list_mails(runtime, limit=4, cursor=first.next_cursor)
    assert len(first.items) == 4 and len(rest.items) == 2 and rest.next_cursor is None
    assert [mail.id for mail in first.items + rest.items] == sorted(
        (m.id for m in first.items + rest.items), reverse=True
    )
    assert [mail.state for mail in list_mails(runtime, states=("failed", "sent")).items] == ["sent", "failed"]
    assert "canary" not in repr(first) + repr(rest)


def test_an_erased_person_has_no_mails_and_no_mail_files(sending: Sending, clock: FixedClock) -> None:
    runtime = sending(smtp_url="")
    person = create_account(runtime, email=TO, password=PASSWORD)
    enqueue(runtime, "before the account")
    enqueue(runtime, "with it", account_id=person.id)
    enqueue(runtime, "somebody else", to="other@example.org")
    assert send_due(runtime) == 3
    folder = runtime.settings.mail_dir
    assert len(list(folder.iterdir())) == 3
    enqueue(runtime, "queued before the account", to="Grace.Canary@Example.org")
    enqueue(runtime, "queued", account_id=person.id, to="new-address@example.org")
    enqueue(runtime, "queued for somebody else", to="other@example.org")
    assert erase_mails(runtime, account_id=person.id, address=TO) == 3
    (left,) = folder.iterdir()
    assert b"other@example.org" in left.read_bytes()
    assert not any(mail.account_id for mail in list_mails(runtime).items)
    assert outbox_figures(runtime).queued == 1
    assert erase_mails(runtime, account_id=person.id, address=TO) == 0


@pytest.mark.parametrize(
    "wrong", ["not an address", "a@b\nBcc: victim@example.org", "a@example.org, b@example.org", ""]
)
def test_only_one_address_is_mailed_to(sending: Sending, wrong: str) -> None:
    runtime = sending()
    with pytest.raises(InvalidInput):
        enqueue(runtime, "1", to=wrong)
    assert list_mails(runtime).items == ()


def test_kinds_have_their_values_and_links_stay_here(sending: Sending) -> None:
    runtime = sending()
    values = {"pipeline": "P", "step": "s", "reason": "R", "run_url": f"{runtime.settings.public_url}/app/"}
    for changes in (
        {"kind": "unknown"},
        {"language": "xx"},
        {"values": {**values, "more": "x"}},
        {"values": {"pipeline": "P"}},
        {"values": {**values, "run_url": "javascript:alert(1)"}},
        {"values": {**values, "run_url": runtime.settings.public_url + ".evil.example/"}},
    ):
        with pytest.raises(InvariantViolated):
            enqueue(runtime, "1", **changes)  # type: ignore[arg-type]


def test_values_cannot_make_headers_and_odd_text_arrives(sending: Sending, sink: MailSink) -> None:
    runtime = sending()
    url = f"{runtime.settings.public_url}/app/run?id=1"
    subject = "Numbers\r\nBcc: victim@example.org\r\n\r\n<b>body</b>\0 \ud800 é"
    body = "<script>alert(1)</script>\n.\nFrom here\n" + "x" * 2000 + "\n日本 \ud83d"
    enqueue(
        runtime,
        "1",
        kind="delivery",
        language="fr",
        values={"pipeline": "Été", "subject": subject, "text": body, "run_url": url},
    )
    assert send_due(runtime) == 1
    (mail,) = sink.received
    assert mail.to == [TO] and mail.message["Bcc"] is None
    assert mail.message["Subject"] == "Numbers Bcc: victim@example.org <b>body</b> ? é"
    plain, html = (mail.message.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None and html is not None
    arrived = plain.get_content().replace("\r\n", "\n")
    assert "<script>alert(1)</script>\n.\nFrom here\n" + "x" * 2000 + "\n日本" in arrived
    assert "<script>" not in html.get_content() and "&lt;script&gt;" in html.get_content()


def test_long_text_is_cut_and_says_so(sending: Sending, sink: MailSink) -> None:
    runtime = sending()
    values = {"pipeline": "P", "subject": "S", "text": "x" * 300_000, "run_url": f"{runtime.settings.public_url}/app/"}
    enqueue(runtime, "1", kind="delivery", values=values)
    assert send_due(runtime) == 1
    plain = sink.received[0].message.get_body(("plain",))
    assert plain is not None and plain.get_content().count("x") < 100_100 and "ends here" in plain.get_content()

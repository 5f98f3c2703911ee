"""The SMTP transport against a real server: encryption, signing in, and servers that misbehave."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from threading import Event, Thread
from time import monotonic

import pytest

from core.platform.mail.domain import default_sender, parse_smtp_url
from core.platform.mail.mailer import build_mailer
from core.platform.mail.message import build_message
from core.platform.mail.rendering import Rendered
from core.platform.mail.smtp import SmtpTransport
from core.platform.mail.transports import SendFailure
from tests.support.mail_sink import mail_sink, make_certificate

SENT = datetime(2027, 1, 31, 12, 0, tzinfo=UTC)


def message(to: str = "grace@example.org") -> EmailMessage:
    """A small mail."""
    rendered = Rendered("Subject", "From me\n.\nText\n", "<p>Text</p>")
    return build_message(
        rendered, mail_id="1", host="localhost", sender=default_sender("localhost"), to=to, language="en", date=SENT
    )


def transport(url: str, **options: object) -> SmtpTransport:
    """A transport that demands TLS unless told otherwise."""
    return SmtpTransport(parse_smtp_url(url), local_host="localhost", **{"plain_allowed": False, **options})  # type: ignore[arg-type]


def send(over: SmtpTransport, *mails: EmailMessage) -> None:
    """Send over one session."""
    with over.session() as session:
        for mail in mails or (message(),):
            session.send("1", mail)


def refusal(over: SmtpTransport, mail: EmailMessage | None = None) -> SendFailure:
    """What sending fails with."""
    with pytest.raises(SendFailure) as failure:
        send(over, mail or message())
    return failure.value


def test_plain_text_goes_only_where_it_was_allowed() -> None:
    with mail_sink() as sink:
        failure = refusal(transport(sink.url))
        assert (failure.reason, failure.permanent, failure.everywhere) == ("tls_not_offered", False, True)
        assert sink.received == []
        send(transport(sink.url, plain_allowed=True), message(), message())
        assert [mail.encrypted for mail in sink.received] == [False, False]
        text = sink.received[0].message.get_body(("plain",))
        assert text is not None and text.get_content().splitlines() == ["From me", ".", "Text"]


@pytest.mark.parametrize(
    ("env", "url", "allowed"),
    [
        ("development", "smtp://127.0.0.1:25", True),
        ("development", "smtp://localhost:25", True),
        ("development", "smtp://mail.example.org", False),
        ("production", "smtp://127.0.0.1:25", False),
    ],
)
def test_only_development_on_this_machine_may_do_without_tls(settings_with, env: str, url: str, allowed: bool) -> None:  # type: ignore[no-untyped-def]
    production = {"master_key": "ab" * 32, "app_url": "https://stepiq.example", "bcrypt_cost": 12}
    made = build_mailer(settings_with(env=env, smtp_url=url, **(production if env == "production" else {}))).transport
    assert isinstance(made, SmtpTransport) and made.plain_allowed is allowed


def test_starttls_is_used_where_it_is_offered_and_its_certificate_checked(tmp_path: Path) -> None:
    server, trusting = make_certificate(tmp_path)
    with mail_sink(starttls=server) as sink:
        send(transport(sink.url, tls=trusting), message(), message())
        send(transport(sink.url, tls=trusting, plain_allowed=True))
        assert [mail.encrypted for mail in sink.received] == [True, True, True]
        failure = refusal(transport(sink.url, plain_allowed=True))
        assert (failure.reason, failure.permanent, failure.everywhere) == ("certificate_refused", False, True)
        assert len(sink.received) == 3


def test_a_certificate_of_another_name_is_refused(tmp_path: Path) -> None:
    server, trusting = make_certificate(tmp_path, name="mail.example.org")
    for options in ({"starttls": server}, {"implicit": server}):
        with mail_sink(**options) as sink:
            assert refusal(transport(sink.url, tls=trusting)).reason == "certificate_refused"
            assert sink.received == []


def test_tls_from_the_first_byte(tmp_path: Path) -> None:
    server, trusting = make_certificate(tmp_path)
    with mail_sink(implicit=server) as sink:
        assert sink.url.startswith("smtps://")
        send(transport(sink.url, tls=trusting))
        assert [mail.encrypted for mail in sink.received] == [True]
        assert refusal(transport(sink.url)).reason == "certificate_refused"
    with mail_sink() as plain:
        assert refusal(transport(plain.url.replace("smtp:", "smtps:"))).reason == "tls_failed"


def test_signing_in_waits_for_encryption_and_a_wrong_password_is_not_the_mails_fault(tmp_path: Path) -> None:
    server, trusting = make_certificate(tmp_path)
    user, password = "mailer@stepiq.example", "p@ss:w/rd#"
    with mail_sink(starttls=server, login=(user, password)) as sink:
        url = sink.url.replace("//", "//mailer%40stepiq.example:p%40ss%3Aw%2Frd%23@")
        send(transport(url, tls=trusting))
        assert [mail.user for mail in sink.received] == [user] and len(sink.sign_ins) == 1
        wrong = refusal(transport(url.replace("p%40ss", "pass"), tls=trusting))
        assert (wrong.reason, wrong.permanent, wrong.everywhere) == ("sign_in_refused", False, True)
        nobody = refusal(transport(sink.url, tls=trusting))
        assert (nobody.permanent, nobody.everywhere) == (False, True), "a server that wants a sign-in"
    with mail_sink(starttls=server) as open_sink:
        assert refusal(transport(open_sink.url.replace("//", "//a:b@"), tls=trusting)).reason == "sign_in_not_offered"


def test_refusals_are_told_apart() -> None:
    with mail_sink() as sink:
        over = transport(sink.url, plain_allowed=True)
        for answer, permanent, everywhere in (("450 a", False, False), ("550 a", True, False), ("421 a", False, True)):
            sink.recipient_answers.append(answer)
            failure = refusal(over)
            assert (failure.reason, failure.permanent, failure.everywhere) == (
                f"smtp_{answer[:3]}",
                permanent,
                everywhere,
            )
            sink.data_answers.append(answer)
            failure = refusal(over)
            assert (failure.reason, failure.permanent, failure.everywhere) == (
                f"smtp_{answer[:3]}",
                permanent,
                everywhere,
            )


def test_no_failure_holds_the_address_or_the_servers_words() -> None:
    with mail_sink() as sink:
        sink.recipient_answers.append("550 grace@example.org is not here")
        failure = refusal(transport(sink.url, plain_allowed=True))
        assert failure.__suppress_context__ and "grace" not in repr(failure) + str(failure)


def test_an_address_that_is_not_ascii_needs_a_server_that_can(tmp_path: Path) -> None:
    with mail_sink() as sink:
        send(transport(sink.url, plain_allowed=True), message("jörg@example.org"))
        assert sink.received[0].to == ["jörg@example.org"]
    with mail_sink(utf8=False) as old:
        failure = refusal(transport(old.url, plain_allowed=True), message("jörg@example.org"))
        assert (failure.reason, failure.permanent) == ("address_not_supported", True)


@contextmanager
def dripping(greeting: bytes) -> Iterator[int]:
    """A server that greets, and then answers with single bytes and no end (but for the test's: ten seconds)."""
    over = Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            client, _ = listening.accept()
            with client:
                client.sendall(greeting)
                for _ in range(500):
                    if over.wait(0.02):
                        return
                    try:
                        client.sendall(b"2")
                    except OSError:
                        return

        thread = Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            thread.join()


def test_a_server_that_drips_is_cut_off() -> None:
    with dripping(b"220 hello\r\n") as port:
        over = transport(f"smtp://127.0.0.1:{port}", plain_allowed=True, send_seconds=0.5)
        began = monotonic()
        failure = refusal(over)
        assert (failure.permanent, failure.everywhere) == (False, True)
        assert monotonic() - began < 5


def test_nothing_is_sent_when_connecting_took_the_time_there_was() -> None:
    with mail_sink() as sink:
        over = transport(sink.url, plain_allowed=True, send_seconds=0.0)
        assert refusal(over).everywhere and sink.received == []


def test_a_server_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    over = transport(f"smtp://127.0.0.1:{port}", plain_allowed=True)
    assert refusal(over).reason == "unreachable"
    over.server = replace(over.server, host="nowhere.invalid")
    assert refusal(over).reason == "unreachable"

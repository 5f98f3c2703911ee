"""What the settings of mail may be, when mails are tried again, and what may stand in a header."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from core.platform.mail.domain import (
    MAX_ATTEMPTS,
    SmtpServer,
    clean_recipient,
    default_sender,
    mail_host,
    one_line,
    parse_sender,
    parse_smtp_url,
    retry_delay,
)
from core.platform.mail.mailer import build_mailer
from core.platform.mail.message import build_message
from core.platform.mail.rendering import Rendered
from core.platform.settings import Settings
from core.shared.errors import InvalidInput


def test_smtp_addresses() -> None:
    assert parse_smtp_url("smtp://mail.example.org") == SmtpServer("mail.example.org", 587, False, "", "")
    assert parse_smtp_url("smtps://u%40x:p%2Fw@mail.example.org") == SmtpServer(
        "mail.example.org", 465, True, "u@x", "p/w"
    )
    assert parse_smtp_url("smtp://[::1]:25").is_loopback and parse_smtp_url("smtp://localhost").is_loopback
    assert not parse_smtp_url("smtp://localhost.example.org").is_loopback
    assert "p/w" not in repr(parse_smtp_url("smtps://u:p%2Fw@h"))


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.org",
        "http://mail.example.org",
        "smtp://",
        "smtp://h:99999",
        "smtp://h:port",
        "smtp://user@h",
        "smtp://:secret@h",
        "smtp://user:sec#ret@h",
        "smtp://user:secr%C3%A9t@h",
        "smtp://h/path",
        "smtp://h?tls=no",
        "smtp://h ost",
        "smtp://h\nost",
    ],
)
def test_wrong_smtp_addresses_are_refused_without_quoting_them(url: str) -> None:
    with pytest.raises(ValueError) as refusal:
        parse_smtp_url(url)
    assert "sec" not in str(refusal.value)


def test_senders() -> None:
    named = parse_sender("Step IQ <robot@stepiq.example>")
    assert (named.display_name, named.addr_spec) == ("Step IQ", "robot@stepiq.example")
    assert parse_sender("robot@stepiq.example").addr_spec == "robot@stepiq.example"
    for wrong in ("robot", "Step IQ", "a@b\nBcc: c@example.org", "<>", "a@stepiq.example, b@stepiq.example"):
        with pytest.raises(ValueError):
            parse_sender(wrong)


def test_the_sender_is_of_the_installations_own_host(settings_with: Callable[..., Settings]) -> None:
    assert mail_host("https://app.stepiq.example:8443/x") == "app.stepiq.example"
    assert mail_host("http://127.0.0.1:8501") == "localhost"
    assert mail_host("https://bücher.example") == "xn--bcher-kva.example"
    assert str(build_mailer(settings_with()).sender) == "stepIQ <no-reply@localhost>"
    named = build_mailer(settings_with(app_url="https://stepiq.example"))
    assert str(named.sender) == "stepIQ <no-reply@stepiq.example>" and named.host == "stepiq.example"


def test_wrong_settings_are_named_with_the_others_and_not_quoted(settings_with: Callable[..., Settings]) -> None:
    with pytest.raises(InvalidInput) as refusal:
        settings_with(SMTP_URL="smtp://user:hunter2/x@mail", MAIL_FROM="nobody", PORT="eighty")
    lines = refusal.value.message.splitlines()
    assert len(lines) == 3 and "hunter2" not in refusal.value.message
    for name in ("SMTP_URL", "MAIL_FROM", "PORT"):
        assert any(line.startswith(f"{name}: ") for line in lines)


def test_tries_come_ever_later_up_to_an_hour_and_end_after_about_a_day() -> None:
    delays = [retry_delay(attempt, 0.5).total_seconds() for attempt in range(1, MAX_ATTEMPTS)]
    assert delays[:3] == [15, 30, 60] and max(delays) == 3600
    assert all(later >= sooner for sooner, later in pairwise(delays))
    assert 20 * 3600 < sum(delays) < 28 * 3600
    assert retry_delay(1, 0.0).total_seconds() == 11.25 and retry_delay(1, 1.0).total_seconds() == 18.75
    assert retry_delay(10**6, 1.0).total_seconds() == 4500


def test_a_header_is_one_line() -> None:
    assert one_line(" a\r\n\tb\0c\u2028d ") == "a b c d"
    assert len(one_line("x" * 500)) == 200 and one_line("x" * 500).endswith("…")


def test_recipients() -> None:
    assert clean_recipient(" Grace@Bücher.example ") == "Grace@xn--bcher-kva.example"
    assert clean_recipient("jörg@example.org") == "jörg@example.org"
    for wrong in ("a", "a@", "a@b c", "a@example.org\n", "a@example.org,b@example.org", "Grace <a@example.org>"):
        if wrong.strip() != "a@example.org":
            with pytest.raises(ValueError):
                clean_recipient(wrong)


def test_a_message_refuses_line_breaks_in_headers() -> None:
    with pytest.raises(ValueError):
        build_message(
            Rendered("a\r\nBcc: b@example.org", "text", "<p>html</p>"),
            mail_id="1",
            host="localhost",
            sender=default_sender("localhost"),
            to="a@example.org",
            language="en",
            date=datetime(2027, 1, 31, tzinfo=UTC),
        )

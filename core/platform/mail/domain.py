"""Mail: the kinds there are, when a mail is tried again, what the settings name, and what others may see. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.utils import getaddresses
from ipaddress import ip_address
from typing import Literal
from urllib.parse import unquote, urlsplit

from email_validator import EmailNotValidError, validate_email

State = Literal["queued", "sent", "failed", "dropped"]
"""`failed`: the server refused it for good, or every try was used. `dropped`: not sent, and rightly so."""

LANGUAGES = ("en", "fr")
MAX_ATTEMPTS = 30  # the last one about a day after the first
FIRST_DELAY, LONGEST_DELAY = 15.0, 3600.0  # seconds
LONGEST_VALUE = 100_000  # characters of one value; longer text is cut, and the mail says so
LONGEST_SUBJECT = 200  # characters
TRIAL_HOST = "trial.example.com"
"""Addresses there are of accounts that the installation makes to try itself: nothing is mailed (RFC 2606)."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of mail: the values its templates are given, and how long it is worth sending."""

    values: frozenset[str]
    useful_for: timedelta


KINDS: Mapping[str, Kind] = {
    "run_failed": Kind(frozenset({"pipeline", "step", "reason", "run_url"}), timedelta(days=3)),
    "run_completed": Kind(frozenset({"pipeline", "duration", "credits", "run_url"}), timedelta(days=3)),
    "review_asked": Kind(frozenset({"pipeline", "step", "message", "answer_by", "review_url"}), timedelta(days=3)),
    "schedule_paused": Kind(frozenset({"schedule", "reason", "schedules_url"}), timedelta(days=3)),
    "confirm_address": Kind(frozenset({"code", "minutes"}), timedelta(minutes=10)),
    "address_known": Kind(frozenset({"login_url", "reset_url"}), timedelta(hours=1)),
    "invitation": Kind(frozenset({"register_url", "days"}), timedelta(days=7)),
    "reset_password": Kind(frozenset({"reset_url", "minutes"}), timedelta(hours=1)),
    "password_changed": Kind(frozenset({"when", "reset_url"}), timedelta(days=3)),
    "address_confirm": Kind(frozenset({"confirm_url", "hours"}), timedelta(hours=24)),
    "address_changed": Kind(frozenset({"when", "undo_url", "days"}), timedelta(days=7)),
    "new_sign_in": Kind(frozenset({"device", "when", "security_url"}), timedelta(days=1)),
    "second_factor_on": Kind(frozenset({"when", "security_url"}), timedelta(days=3)),
    "recovery_codes": Kind(frozenset({"left", "when", "security_url"}), timedelta(days=3)),
    "second_factor_off": Kind(frozenset({"when", "security_url"}), timedelta(days=3)),
    "usage_alert": Kind(frozenset({"percent", "used", "granted", "renews", "usage_url"}), timedelta(days=3)),
    "payment_failed": Kind(frozenset({"plan", "until", "billing_url"}), timedelta(days=3)),
    "unusual_spend": Kind(frozenset({"spent", "usual", "times", "day", "usage_url"}), timedelta(days=1)),
    "plan_announced": Kind(frozenset({"before", "plan", "day", "changes", "plan_url"}), timedelta(days=7)),
    "plan_changed": Kind(frozenset({"before", "plan", "day", "changes", "plan_url"}), timedelta(days=7)),
    "schedules_paused": Kind(frozenset({"plan", "schedules", "schedules_url"}), timedelta(days=3)),
    "privacy_request": Kind(frozenset({"right", "received", "due", "privacy_url"}), timedelta(days=7)),
    "account_erased": Kind(frozenset({"number", "when", "held"}), timedelta(days=7)),
    "privacy_identity": Kind(frozenset({"right", "confirm_url", "days"}), timedelta(days=7)),
    "privacy_extended": Kind(frozenset({"right", "until", "reason", "privacy_url"}), timedelta(days=30)),
    "privacy_decided": Kind(frozenset({"right", "reason", "privacy_url"}), timedelta(days=30)),
    "privacy_refused": Kind(frozenset({"right", "reason", "privacy_url"}), timedelta(days=30)),
    "privacy_done": Kind(frozenset({"right", "answer", "privacy_url"}), timedelta(days=30)),
    "privacy_lifting": Kind(frozenset({"right", "when", "reason", "privacy_url"}), timedelta(days=3)),
    "privacy_message": Kind(frozenset({"right", "said", "privacy_url"}), timedelta(days=30)),
    "privacy_revealed": Kind(frozenset({"right", "reason", "privacy_url"}), timedelta(days=30)),
    "privacy_due": Kind(frozenset({"right", "due", "left", "number", "requests_url"}), timedelta(days=1)),
    "privacy_copy": Kind(frozenset({"right", "copy_url", "days"}), timedelta(days=7)),
    "account_suspended": Kind(frozenset({"when", "reason", "privacy_url"}), timedelta(days=30)),
    "suspension_ended": Kind(frozenset({"when", "login_url"}), timedelta(days=7)),
    "content_looked_at": Kind(frozenset({"when", "until", "reason", "privacy_url"}), timedelta(days=30)),
    "policy_change": Kind(frozenset({"effective", "summary", "policy_url"}), timedelta(days=30)),
    "terms_change": Kind(frozenset({"effective", "summary", "policy_url"}), timedelta(days=30)),
    "policy_withdrawn": Kind(frozenset({"effective", "policy_url"}), timedelta(days=30)),
    "terms_withdrawn": Kind(frozenset({"effective", "policy_url"}), timedelta(days=30)),
    "promise_broken": Kind(frozenset({"promises", "promises_url"}), timedelta(days=3)),
    "schedule_capped": Kind(frozenset({"schedule", "reason", "schedules_url"}), timedelta(days=3)),
    "delivery": Kind(frozenset({"pipeline", "subject", "text", "run_url"}), timedelta(days=3)),
}


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """What `SMTP_URL` names. `implicit_tls`: TLS from the first byte (RFC 8314), else STARTTLS (RFC 3207)."""

    host: str
    port: int
    implicit_tls: bool
    user: str
    password: str = field(repr=False)

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine."""
        return is_loopback(self.host)


@dataclass(frozen=True, slots=True)
class MailView:
    """A mail as an operator sees it: everything but what it says and to which address."""

    id: str
    account_id: str | None
    kind: str
    language: str
    state: State
    reason: str | None
    attempts: int
    created_at: datetime
    next_attempt_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class OutboxFigures:
    """How many mails there are in each state, and how many of them have waited for more than an hour."""

    queued: int
    queued_over_an_hour: int
    sent: int
    failed: int
    dropped: int


@dataclass(frozen=True, slots=True)
class FiledMail:
    """A mail that landed in the data folder, with what it says."""

    id: str
    to: str
    sender: str
    subject: str
    date: datetime
    text: str
    html: str


def retry_delay(attempt: int, chance: float) -> timedelta:
    """How long to wait after the n-th failed try: doubling, at most an hour, a quarter more or less by chance (0-1)."""
    seconds = min(FIRST_DELAY * 2.0 ** min(attempt - 1, 20), LONGEST_DELAY)
    return timedelta(seconds=seconds * (0.75 + chance / 2))


def one_line(text: str, limit: int = LONGEST_SUBJECT) -> str:
    """Text that may stand in a header: no line breaks, no control characters, at most `limit` characters."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return plain if len(plain) <= limit else plain[: limit - 1].rstrip() + "…"


def clean_recipient(address: str) -> str:
    """An address a server takes: its domain in ASCII. Raises ValueError when it is none."""
    try:
        found = validate_email(address.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise ValueError("not an e-mail address") from None
    return found.ascii_email or f"{found.local_part}@{found.ascii_domain}"


def mask_address(address: str) -> str:
    """An address by its first letters alone: `a…@e…`."""
    name, _, host = address.rpartition("@")
    return f"{name[:1]}…@{host[:1]}…"


def parse_sender(value: str) -> Address:
    """`MAIL_FROM`: an address, or a name with an address in angle brackets. Raises ValueError."""
    (name, address), *more = getaddresses([value])
    if not address or more or not value.isprintable():
        raise ValueError("must look like name@host or stepIQ <name@host>")
    return Address(one_line(name), addr_spec=clean_recipient(address))


def default_sender(host: str) -> Address:
    """The sender where `MAIL_FROM` is not set."""
    return Address("stepIQ", "no-reply", host)


def mail_host(public_url: str) -> str:
    """The name that mails are sent under: the host of APP_URL, or `localhost` where that is only a number."""
    host = urlsplit(public_url).hostname or "localhost"
    try:
        ip_address(host)
    except ValueError:
        return host.encode("idna").decode()
    return "localhost"


def parse_smtp_url(url: str) -> SmtpServer:
    """`smtp[s]://[user:password@]host[:port]`, percent-encoded. Raises ValueError, which quotes nothing of it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("must look like smtp://user:password@host:587") from None
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or not url.isprintable() or " " in url:
        raise ValueError("must look like smtp://user:password@host:587 or smtps://user:password@host:465")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("must end after the host and port; encode special characters of the password (%23 for #)")
    if bool(parts.username) != bool(parts.password):
        raise ValueError("needs both a user and a password, or neither")
    implicit = parts.scheme == "smtps"
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not (user + password).isascii():
        raise ValueError("can hold only ASCII in the user and password")
    return SmtpServer(parts.hostname, port or (465 if implicit else 587), implicit, user, password)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"

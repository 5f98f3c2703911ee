"""People: who they are, what they may, and the decisions that need no database."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, get_args
from unicodedata import category

from email_validator import EmailNotValidError, validate_email
from zxcvbn import zxcvbn

from core.shared.errors import InvalidInput
from core.shared.masking import MIN_LENGTH
from core.shared.money import MICROS, micros_from_credits

ROLES = ("admin", "privacy_admin", "accounting")
LANGUAGES = ("en", "fr")
Funding = Literal["own_first", "platform_first", "own_only"]
FUNDINGS: tuple[Funding, ...] = get_args(Funding)
Screening = Literal["off", "warn", "mask", "block"]
SCREENINGS: tuple[Screening, ...] = get_args(Screening)
"""What becomes of personal data in what models are sent, from the laxest to the strictest."""
SESSION_LIFE = timedelta(days=14)
LONGEST_SESSION = timedelta(days=90)
"""However often a sign-in is renewed, after this the password is asked for again."""
CONFIRMED_FOR = timedelta(minutes=10)
"""How long after the password was asked for a dangerous act may follow without asking again."""
SETUP_LIFE = timedelta(hours=24)
PASSWORD_MIN = 8
PASSWORD_MAX_BYTES = 72  # bcrypt reads no further
CONFIRM_ABOVE_MICROS = 25 * MICROS
"""Until a person says otherwise, a run that may cost more than this is confirmed first."""
CONFIRM_LIMIT_MAX = 1_000_000  # credits
SECRET_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
SECRET_MAX_BYTES = 16 * 1024
SECRETS_A_SCOPE = 100


@dataclass(frozen=True, slots=True)
class Account:
    """A person, as every room above sees them."""

    id: str
    plan: str
    roles: frozenset[str]
    name: str
    email: str
    created_at: datetime
    is_operator: bool = False
    confirm_above_micros: int = CONFIRM_ABOVE_MICROS
    """A run whose quoted maximum is above this is confirmed before it starts."""
    funding: Funding = "own_first"
    """Whose model key runs use: the person's own or the platform's first, or their own only."""
    language: str = "en"
    """Of the mails this person gets."""
    has_second_factor: bool = False
    password_changed_at: datetime | None = None
    personal_data: Screening = "warn"
    """What becomes of personal data in what models are sent, where a pipeline does not say."""

    @property
    def is_admin(self) -> bool:
        """Whether the admin rooms are open to this person."""
        return "admin" in self.roles


@dataclass(frozen=True, slots=True)
class SessionView:
    """A signed-in browser or client."""

    id: str
    account: Account
    csrf_key: bytes
    expires_at: datetime
    confirmed_at: datetime | None = None
    """When the password was last asked for in this session."""

    def is_confirmed(self, now: datetime) -> bool:
        """Whether a dangerous act may follow without asking for the password again."""
        return self.confirmed_at is not None and now - self.confirmed_at <= CONFIRMED_FOR


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The answer to a sign-in: the token to keep, and whose it is."""

    token: str
    account: Account
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OwnKey:
    """A vendor key of a person's own, in plain text, and where it is sent: to `base_url` only, where there is one."""

    secret: str = field(repr=False)
    base_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class OwnKeyView:
    """A vendor key of a person's own, by its last four characters; `host` is that of its base URL, if it has one."""

    provider: str
    hint: str
    created_at: datetime
    host: str | None = None


@dataclass(frozen=True, slots=True)
class SecretView:
    """A secret of a person's, without its value. `pipeline_id` is None where it is for all pipelines."""

    name: str
    pipeline_id: str | None
    created_at: datetime
    updated_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A sign-in as its person sees it in the list: from what device, when, last used when."""

    id: str
    device: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    is_current: bool


@dataclass(frozen=True, slots=True)
class InvitationView:
    """An invitation; `email` is None where anybody with the link may use it."""

    id: str
    email: str | None
    plan: str
    roles: frozenset[str]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Admission:
    """What a person may register as: the plan and the roles of their invitation, or those of everybody."""

    plan: str
    roles: tuple[str, ...] = ()
    invitation_id: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class AcceptanceView:
    """A version of a policy that came to count for a person; `way` is registration or use."""

    document: str
    version: str
    way: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AuditView:
    """An act of the audit log."""

    seq: int
    at: datetime
    actor_id: str | None
    act: str
    subject_id: str | None
    details: dict[str, object]


@dataclass(frozen=True, slots=True)
class AuditProof:
    """What a check of the audit log found: its rows, and what is wrong with them."""

    rows: int
    problems: tuple[str, ...]


SCOPES = ("pipelines:read", "pipelines:write", "pipelines:execute", "webhooks:trigger")
"""What an API key may be allowed to do."""


@dataclass(frozen=True, slots=True)
class ApiKeyView:
    """An API key without its secret part."""

    id: str
    name: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    max_micros_per_month: int | None = None


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """An API key that was made just now: the only time that all of it is seen."""

    key: str
    view: ApiKeyView


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Whom a live API key speaks for, and what it may do."""

    account: Account
    scopes: frozenset[str]
    key_id: str


@dataclass(frozen=True, slots=True)
class InstallationOverview:
    """How many people there are."""

    people: int
    admins: int
    by_plan: dict[str, int]


def cookie_name(*, https: bool) -> str:
    """Name of the session cookie. `__Host-` binds it to this host (RFC 6265bis, section 4.1.3.2)."""
    return "__Host-stepiq_session" if https else "stepiq_session"


def clean_email(email: str) -> str:
    """Normalise an address for look-ups. Raises InvalidInput when it is none."""
    try:
        found = validate_email(email.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise InvalidInput(
            "INVALID_EMAIL", "Enter an e-mail address such as name@example.org.", field="email"
        ) from None
    return found.normalized.lower()


def clean_name(name: str | None) -> str | None:
    """A name as it is kept: one line without control characters, at most 200 characters; None when nothing is left."""
    plain = "".join(" " if category(c) == "Cc" else c for c in name or "")
    return " ".join(plain.split())[:200] or None


def check_password(password: str, *, hints: tuple[str, ...] = ()) -> None:
    """Refuse a password that is too short, too long for bcrypt, or among the first a guesser tries."""
    if len(password) < PASSWORD_MIN:
        raise InvalidInput("WEAK_PASSWORD", f"Use at least {PASSWORD_MIN} characters.", field="password")
    if len(password.encode()) > PASSWORD_MAX_BYTES:
        raise InvalidInput(
            "PASSWORD_TOO_LONG",
            f"Use at most {PASSWORD_MAX_BYTES} characters, where accented letters count twice and other scripts "
            "up to four times: the rest would not be checked.",
            field="password",
        )
    if "\0" in password:
        raise InvalidInput("WEAK_PASSWORD", "A password cannot hold a NUL character.", field="password")
    found = zxcvbn(password[:72], user_inputs=[hint for hint in hints if hint])
    if found["score"] == 0:
        advice = [found["feedback"]["warning"], *found["feedback"]["suggestions"]]
        told = " ".join(line.rstrip(".") + "." for line in advice if line)
        raise InvalidInput(
            "WEAK_PASSWORD",
            f"This is among the first passwords a guesser tries. {told or 'Choose another.'}",
            field="password",
        )


def clean_language(language: str) -> str:
    """A language that mails are written in. Raises InvalidInput."""
    if language not in LANGUAGES:
        raise InvalidInput("UNKNOWN_LANGUAGE", f"Choose one of {', '.join(LANGUAGES)}.", field="language")
    return language


def clean_funding(funding: str) -> Funding:
    """Whose model keys runs use. Raises InvalidInput."""
    if funding not in FUNDINGS:
        raise InvalidInput("UNKNOWN_FUNDING", f"Choose one of {', '.join(FUNDINGS)}.", field="funding")
    return funding


def clean_screening(mode: str) -> Screening:
    """What becomes of personal data. Raises InvalidInput."""
    if mode not in SCREENINGS:
        raise InvalidInput("UNKNOWN_SCREENING", f"Choose one of {', '.join(SCREENINGS)}.", field="personal_data")
    return mode


def clean_roles(roles: Iterable[str]) -> tuple[str, ...]:
    """Roles in their order, each once. Raises InvalidInput for one there is not."""
    wanted = set(roles)
    if wanted - set(ROLES):
        raise InvalidInput("UNKNOWN_ROLE", f"Choose among the roles {', '.join(ROLES)}.", field="roles")
    return tuple(role for role in ROLES if role in wanted)


def confirm_limit(credits: float) -> int:
    """The confirm limit in micro-credits. Raises InvalidInput for what is no amount of credits."""
    if not 0 <= credits <= CONFIRM_LIMIT_MAX:
        raise InvalidInput(
            "INVALID_LIMIT", f"Enter a number of credits between 0 and {CONFIRM_LIMIT_MAX:,}.", field="confirm_limit"
        )
    return micros_from_credits(str(credits))


def check_secret(name: str, value: str) -> None:
    """Refuse a name that `{{env.NAME}}` cannot say, and a value that cannot be kept or masked. Neither is quoted."""
    if not SECRET_NAME.fullmatch(name):
        raise InvalidInput(
            "INVALID_SECRET_NAME",
            "A name is made of letters from A to Z, digits and _ (at most 100), and does not begin with a digit.",
            field="name",
        )
    if len(value.strip()) < MIN_LENGTH:
        raise InvalidInput(
            "SECRET_TOO_SHORT",
            f"A secret has at least {MIN_LENGTH} characters, spaces around it not counted: "
            "a shorter one could not be told from other text, so it could not be kept out of outputs.",
            field="value",
        )
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidInput("INVALID_SECRET", "A secret is text in UTF-8.", field="value") from None
    if "\0" in value:
        raise InvalidInput("INVALID_SECRET", "A secret cannot hold a NUL character.", field="value")
    if size > SECRET_MAX_BYTES:
        raise InvalidInput(
            "SECRET_TOO_LONG",
            f"A secret has at most {SECRET_MAX_BYTES // 1024} KB. Nothing was saved.",
            field="value",
        )

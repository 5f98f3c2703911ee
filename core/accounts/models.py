"""Tables of people, their sessions, the vendor keys they bring, and their secrets."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.platform.annotations import not_personal, personal
from core.platform.database import Base, UtcDateTime

ACCOUNT = "account"
RIGHTS = "data subject requests"
ASKED = {"legal_basis": "legal_obligation", "legal_ref": "GDPR Art. 17, 18, 21", "origin": "observed"}
NOTICES = "policy notices"
EVIDENCE = {"legal_basis": "legal_obligation", "legal_ref": "GDPR Art. 5(2)", "origin": "observed"}
SHOWN = {"origin": "observed", "legal_basis": "legal_obligation", "legal_ref": "GDPR Art. 13(1)(e), (f)"}
OVERSIGHT = {"origin": "derived", "legal_basis": "legitimate_interests", "legal_ref": "GDPR Art. 6(1)(f)"}


def _index_of_few(name: str, column: str) -> Index:
    """An index over the few rows whose column is set, in the order of the pages that list them."""
    few = text(f"{column} IS NOT NULL")
    return Index(name, "id", sqlite_where=few, postgresql_where=few)


class AccountRow(Base):
    """A person, or the installation's operator (who has no address and no password)."""

    __tablename__ = "accounts"
    __table_args__ = (
        Index(None, "plan", "id"),
        Index(None, "roles", "id"),
        _index_of_few("ix_accounts_suspended", "suspended_at"),
        _index_of_few("ix_accounts_restricted", "restricted_at"),
        _index_of_few("ix_accounts_closing", "closing_at"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    email_index: Mapped[bytes | None] = mapped_column(
        LargeBinary,
        unique=True,
        info=personal("user.contact.email", ACCOUNT, "Keyed hash of your address", export="never"),
    )
    email: Mapped[bytes | None] = mapped_column(
        LargeBinary,
        info=personal("user.contact.email", ACCOUNT, "E-mail address", export="portable", erase="shred-key"),
    )
    name: Mapped[bytes | None] = mapped_column(
        LargeBinary, info=personal("user.name", ACCOUNT, "Name", export="portable", erase="shred-key")
    )
    password_hash: Mapped[str | None] = mapped_column(
        String(80),
        info=personal("user.authorization.password", ACCOUNT, "Password, as a bcrypt hash", export="never"),
    )
    plan: Mapped[str] = mapped_column(
        String(20), info=personal("user.account.settings", "billing", "Plan", origin="derived")
    )
    roles: Mapped[str] = mapped_column(
        String(100), info=personal("user.account.settings", ACCOUNT, "Roles", origin="derived")
    )
    is_operator: Mapped[bool] = mapped_column(Boolean, info=not_personal("marks the system's own account"))
    signed_up: Mapped[bool] = mapped_column(
        Boolean, info=personal("user.account.settings", ACCOUNT, "Account made by signing up", origin="observed")
    )
    confirm_above_micros: Mapped[int | None] = mapped_column(
        BigInteger, info=personal("user.account.settings", ACCOUNT, "Cost above which a run asks first")
    )
    funding: Mapped[str | None] = mapped_column(
        String(20), info=personal("user.account.settings", "service", "Whose model key runs use first")
    )
    personal_data: Mapped[str | None] = mapped_column(
        String(5), info=personal("user.account.settings", "service", "What becomes of personal data in prompts")
    )
    language: Mapped[str | None] = mapped_column(
        String(2), info=personal("user.account.settings", ACCOUNT, "Language of mails")
    )
    totp_secret: Mapped[bytes | None] = mapped_column(
        LargeBinary,
        info=personal(
            "user.authorization.credentials",
            "security",
            "Key of the second factor",
            export="never",
            erase="shred-key",
        ),
    )
    totp_on_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.account.settings", "security", "Second factor switched on", origin="observed")
    )
    totp_last_step: Mapped[int | None] = mapped_column(
        BigInteger, info=not_personal("the newest code that was used, so that none counts twice")
    )
    password_changed_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.account.settings", "security", "Password changed", origin="observed")
    )
    signed_in_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.behavior", "security", "Last sign-in", origin="observed")
    )
    automation_paused_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.account.settings", "service", "Schedules and keys paused", origin="observed")
    )
    suspended_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.account.settings", "security", "Account suspended", **OVERSIGHT)
    )
    suspension_reason: Mapped[bytes | None] = mapped_column(
        LargeBinary,
        info=personal("user.account.settings", "security", "Why it was suspended", erase="shred-key", **OVERSIGHT),
    )
    restricted_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.account.settings", RIGHTS, "Use of your data restricted", **ASKED)
    )
    objected_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.account.settings", RIGHTS, "Objected to analytics and news", **ASKED)
    )
    closing_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.account.settings", RIGHTS, "Deletion of the account began", **ASKED)
    )
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.account.settings", ACCOUNT, "Account made", origin="observed")
    )


class SessionRow(Base):
    """A sign-in. Looked up at every request and rerun, so ending it works at once."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True, info=not_personal("opaque id"))
    device: Mapped[bytes] = mapped_column(
        LargeBinary,
        info=personal(
            "user.device",
            "security",
            "Browser of a sign-in",
            origin="observed",
            retention="session",
            erase="shred-key",
        ),
    )
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime,
        info=personal("user.behavior", "security", "Signed in", origin="observed", retention="session"),
    )
    last_used_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime,
        info=personal("user.behavior", "security", "Last use of a sign-in", origin="observed", retention="session"),
    )
    confirmed_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=not_personal("when the password was last asked for, so that a dangerous act may follow")
    )
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("when the sign-in ends"))
    ended_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime,
        info=personal("user.behavior", "security", "Signed out", origin="observed", retention="session"),
    )


class SetupToken(Base):
    """A one-time link with which the owner's account is made."""

    __tablename__ = "setup_tokens"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True, info=not_personal("keyed hash of a link"))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("when the link ends"))
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("when the link was used"))


class SignUpCodeRow(Base):
    """The code that proves an address before an account is made. Asked again, it is replaced."""

    __tablename__ = "sign_up_codes"

    email_index: Mapped[bytes] = mapped_column(
        LargeBinary,
        primary_key=True,
        info=personal("user.contact.email", ACCOUNT, "Keyed hash of an address", export="never", erase="expire"),
    )
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, info=not_personal("keyed hash of a random code"))
    tries_left: Mapped[int] = mapped_column(Integer, info=not_personal("how often the code may still be tried"))
    sent_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("when the code was mailed"))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("when the code ends"))


class AccountLinkRow(Base):
    """A one-time link that was mailed: a new password, a new address, or taking one back."""

    __tablename__ = "account_links"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True, info=not_personal("keyed hash of a link"))
    # None where the address has no account: it costs the same, so that the time tells nothing.
    account_id: Mapped[str | None] = mapped_column(
        ForeignKey("accounts.id"), index=True, info=not_personal("opaque id")
    )
    purpose: Mapped[str] = mapped_column(String(20), info=not_personal("what the link does"))
    address: Mapped[bytes | None] = mapped_column(
        LargeBinary,
        info=personal(
            "user.contact.email", ACCOUNT, "Address to change to", retention="short_lived", erase="shred-key"
        ),
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("when the link was made"))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("when the link ends"))


class InvitationRow(Base):
    """A one-time link with which somebody may make an account."""

    __tablename__ = "invitations"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True, info=not_personal("keyed hash of a link"))
    invited_by: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True, info=not_personal("opaque id"))
    email_index: Mapped[bytes | None] = mapped_column(
        LargeBinary,
        info=personal("user.contact.email", ACCOUNT, "Keyed hash of an invited address", export="never"),
    )
    email: Mapped[bytes | None] = mapped_column(
        LargeBinary,
        info=personal("user.contact.email", ACCOUNT, "Invited address", retention="short_lived", erase="shred-key"),
    )
    plan: Mapped[str] = mapped_column(String(20), info=not_personal("plan of the account to make"))
    roles: Mapped[str] = mapped_column(String(100), info=not_personal("roles of the account to make"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("when it was made"))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("when it ends"))
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("when it was used"))
    used_by: Mapped[str | None] = mapped_column(String(36), info=not_personal("opaque id"))


class RecoveryCodeRow(Base):
    """A code that stands in once for the second factor."""

    __tablename__ = "recovery_codes"

    code_hash: Mapped[bytes] = mapped_column(
        LargeBinary, primary_key=True, info=not_personal("keyed hash of a random code")
    )
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True, info=not_personal("opaque id"))
    used_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.behavior", "security", "Recovery code used", origin="observed")
    )


class PolicyAcceptanceRow(Base):
    """That a person was shown a version of a policy when registering, or used the service while it counted."""

    __tablename__ = "policy_acceptances"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True, info=not_personal("opaque id"))
    document: Mapped[str] = mapped_column(String(10), primary_key=True, info=not_personal("privacy or terms"))
    version: Mapped[str] = mapped_column(
        String(14), primary_key=True, info=personal("user.behavior", NOTICES, "Version of a policy", **EVIDENCE)
    )
    way: Mapped[str] = mapped_column(
        String(12), info=personal("user.behavior", NOTICES, "How a version came to count for you", **EVIDENCE)
    )
    at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.behavior", NOTICES, "First use under a version of a policy", **EVIDENCE)
    )


class AuditRow(Base):
    """An act that matters, by opaque ids only. Each row's hash covers the row before it."""

    __tablename__ = "audit_log"
    __table_args__ = (Index(None, "act", "seq"),)

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False, info=not_personal("order"))
    at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("when it was done, by whom the id alone tells"))
    # No foreign keys: the log outlives an account, and says nothing about it once the account is gone.
    actor_id: Mapped[str | None] = mapped_column(
        String(36), index=True, info=not_personal("opaque id, none for the system")
    )
    act: Mapped[str] = mapped_column(String(60), info=not_personal("what was done"))
    subject_id: Mapped[str | None] = mapped_column(
        String(36), index=True, info=not_personal("opaque id of what it was done to")
    )
    details: Mapped[str] = mapped_column(String(2000), info=not_personal("declared values as JSON, nothing personal"))
    hash: Mapped[bytes] = mapped_column(LargeBinary, info=not_personal("keyed hash over this row and the one before"))


class AuditHead(Base):
    """The end of the audit log: its row is the lock that puts all writers in one order."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, info=not_personal("there is one row"))
    seq: Mapped[int] = mapped_column(BigInteger, info=not_personal("number of rows"))
    hash: Mapped[bytes] = mapped_column(LargeBinary, info=not_personal("hash of the last row"))


class OwnKeyRow(Base):
    """A vendor key that a person brings; calls on it cost no credits."""

    __tablename__ = "own_keys"
    __table_args__ = (UniqueConstraint("account_id", "provider"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), info=not_personal("opaque id"))
    provider: Mapped[str] = mapped_column(
        String(60), info=personal("user.account.settings", "service", "Vendor of an own key")
    )
    secret: Mapped[bytes] = mapped_column(
        LargeBinary,
        info=personal("user.authorization.credentials", "service", "Own vendor key", export="never", erase="shred-key"),
    )
    base_url: Mapped[bytes | None] = mapped_column(
        LargeBinary,
        info=personal("user.account.settings", "service", "Address that an own key is sent to", erase="shred-key"),
    )
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.account.settings", "service", "Own key saved", origin="observed")
    )


class ProviderNoticeRow(Base):
    """That a person was shown the terms of a provider, as they were read on a date, before its first use."""

    __tablename__ = "provider_notices"

    owner_id: Mapped[str] = mapped_column(
        ForeignKey("accounts.id"), primary_key=True, info=not_personal("opaque account id")
    )
    provider: Mapped[str] = mapped_column(
        String(60), primary_key=True, info=personal("user.behavior", "service", "Provider whose terms you saw", **SHOWN)
    )
    terms_dated: Mapped[str] = mapped_column(
        String(10), primary_key=True, info=not_personal("date on which the terms were read")
    )
    seen_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.behavior", "service", "Terms of a provider seen", **SHOWN)
    )


class ApiKeyRow(Base):
    """A key for programs. Only a keyed hash of it is kept, so it is shown once and looked up by hash."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True, info=not_personal("opaque id"))
    key_hash: Mapped[bytes] = mapped_column(
        LargeBinary,
        unique=True,
        info=personal("user.authorization.credentials", "service", "API key, as a keyed hash", export="never"),
    )
    prefix: Mapped[str] = mapped_column(
        String(20), info=personal("user.authorization.credentials", "service", "First characters of an API key")
    )
    name: Mapped[bytes] = mapped_column(
        LargeBinary, info=personal("user.content", "service", "Name of an API key", erase="shred-key")
    )
    scopes: Mapped[str] = mapped_column(
        String(100), info=personal("user.account.settings", "service", "What an API key may do")
    )
    max_micros_per_month: Mapped[int | None] = mapped_column(
        BigInteger, info=personal("user.account.settings", "service", "Cap of an API key, a month")
    )
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.account.settings", "service", "API key made", origin="observed")
    )
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("when the key ends"))
    last_used_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.behavior", "security", "API key used", origin="observed")
    )


class SecretRow(Base):
    """A secret that steps use as `{{env.NAME}}`: for all pipelines of a person, or for one."""

    __tablename__ = "secrets"
    __table_args__ = (UniqueConstraint("account_id", "name_index"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), info=not_personal("opaque id"))
    # No foreign key: this room knows no pipelines. Whose it is was looked up by the caller.
    pipeline_id: Mapped[str | None] = mapped_column(String(36), info=not_personal("opaque id, none for all pipelines"))
    name_index: Mapped[bytes] = mapped_column(
        LargeBinary,
        info=personal("user.account.settings", "service", "Keyed hash of a secret's scope and name", export="never"),
    )
    name: Mapped[bytes] = mapped_column(
        LargeBinary, info=personal("user.account.settings", "service", "Name of a secret", erase="shred-key")
    )
    value: Mapped[bytes] = mapped_column(
        LargeBinary,
        info=personal("user.authorization.credentials", "service", "Secret", export="never", erase="shred-key"),
    )
    algorithm: Mapped[str] = mapped_column(String(20), info=not_personal("how the value is encrypted"))
    key_version: Mapped[int] = mapped_column(Integer, info=not_personal("which key of the owner encrypts it"))
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.account.settings", "service", "Secret saved", origin="observed")
    )
    updated_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.account.settings", "service", "Secret replaced", origin="observed")
    )
    last_used_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.behavior", "service", "Secret used by a run", origin="observed")
    )

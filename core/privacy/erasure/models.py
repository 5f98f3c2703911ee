"""Tables of erasures: what an erasure under way has to know, and the certificates of those that ended."""

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from core.platform.annotations import not_personal, personal
from core.platform.database import Base, UtcDateTime
from core.privacy.models import LAW, PURPOSE

UNDER_WAY = {
    "legal_basis": "legal_obligation",
    "legal_ref": "GDPR Art. 17 and 19",
    "origin": "derived",
    "export": "never",
    "retention": "short_lived",
}


class ErasureRow(Base):
    """An erasure. `subject`: what must be looked for and told, sealed with a key of the request's own until the end."""

    __tablename__ = "erasures"

    request_id: Mapped[str] = mapped_column(
        ForeignKey("privacy_requests.id"), primary_key=True, info=not_personal("opaque id")
    )
    account_id: Mapped[str] = mapped_column(String(36), index=True, info=not_personal("opaque account id"))
    number: Mapped[str] = mapped_column(String(40), unique=True, info=not_personal("number of the certificate"))
    closes_installation: Mapped[bool] = mapped_column(Boolean, info=not_personal("whether the last admin may go"))
    address_index: Mapped[bytes | None] = mapped_column(
        LargeBinary,
        index=True,
        info=personal("user.contact.email", PURPOSE, "Keyed hash of an address under erasure", **UNDER_WAY),
    )
    subject: Mapped[bytes | None] = mapped_column(
        LargeBinary,
        info=personal(
            "user.contact.email", PURPOSE, "What an erasure looks for", **{**UNDER_WAY, "erase": "shred-key"}
        ),
    )
    began_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.behavior", PURPOSE, "Erasure began", **LAW)
    )
    key_gone_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=not_personal("when the key was destroyed: time of the machine")
    )


class CertificateRow(Base):
    """What is known of an erasure afterwards. Each one's hash covers the certificate before it."""

    __tablename__ = "erasure_certificates"

    number: Mapped[str] = mapped_column(String(40), primary_key=True, info=not_personal("number of the certificate"))
    seq: Mapped[int] = mapped_column(Integer, unique=True, info=not_personal("order"))
    body: Mapped[str] = mapped_column(Text, info=not_personal("counts, times and an id that is nobody's, as JSON"))
    before: Mapped[bytes] = mapped_column(LargeBinary, info=not_personal("hash of the certificate before"))
    hash: Mapped[bytes] = mapped_column(LargeBinary, info=not_personal("hash over this certificate and the one before"))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))

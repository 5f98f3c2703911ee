"""Tables of erasures: what one under way has to know, certificates of those that ended, and what legal holds kept."""

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Integer, LargeBinary, String, Text, UniqueConstraint
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
    no_way_back_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=not_personal("from when on nothing more can be held: just before the key is destroyed")
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


class HoldCopyRow(Base):
    """What an erasure kept for one legal hold, in counts. `released_at`: the hold ended, and all of it is gone."""

    __tablename__ = "hold_copies"

    # No foreign keys: what is kept is found by the hold alone, also where a backup brought back less than all.
    hold_id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id of a legal hold"))
    request_id: Mapped[str] = mapped_column(String(36), info=not_personal("opaque id of the erasure's request"))
    counts: Mapped[str] = mapped_column(Text, info=not_personal("numbers of rows by table, as JSON"))
    kept_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))
    released_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, index=True, info=not_personal("when all of it was deleted")
    )


class HeldRow(Base):
    """A row that is kept for a legal hold after its person was erased, sealed with a key of the hold's own.

    Part 0 is the row itself as JSON; of a file the parts after it are its content, in pieces.
    """

    __tablename__ = "held_rows"
    __table_args__ = (UniqueConstraint("hold_id", "table_name", "row_id", "part"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    hold_id: Mapped[str] = mapped_column(String(36), info=not_personal("opaque id of a legal hold"))
    # No foreign key: it is there because the account is not.
    account_id: Mapped[str] = mapped_column(String(36), index=True, info=not_personal("opaque account id"))
    table_name: Mapped[str] = mapped_column(String(60), info=not_personal("table the row was in"))
    row_id: Mapped[str] = mapped_column(String(120), info=not_personal("opaque id of the row"))
    part: Mapped[int] = mapped_column(Integer, info=not_personal("0, and 1, 2, 3 … of a file"))
    content: Mapped[bytes] = mapped_column(
        LargeBinary,
        info=personal(
            "user.content",
            "legal claims",
            "What a legal hold keeps of an account that was deleted",
            legal_basis="legal_obligation",
            legal_ref="GDPR Art. 17(3)(b) and (e)",
            origin="derived",
            export="never",
            retention="legal_hold",
            anchor="legal_holds.until",
            erase="retain-until(law)",
        ),
    )
    kept_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))

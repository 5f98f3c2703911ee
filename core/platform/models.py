"""Tables of the platform: windows of rate limits, and the keys of requests that are carried out once."""

from datetime import datetime

from sqlalchemy import Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from core.platform.annotations import not_personal
from core.platform.database import Base, UtcDateTime


class RateWindow(Base):
    """How often something was tried in a window of time, under a keyed hash of who tried."""

    __tablename__ = "rate_windows"

    key: Mapped[bytes] = mapped_column(
        LargeBinary, primary_key=True, info=not_personal("keyed hash, deleted after 30 days at the latest")
    )
    window_start: Mapped[datetime] = mapped_column(
        UtcDateTime, primary_key=True, info=not_personal("start of the window")
    )
    count: Mapped[int] = mapped_column(Integer, nullable=False, info=not_personal("number of tries"))


class IdempotencyKey(Base):
    """A request that was carried out, under a keyed hash of its sender's key, with the id of what it made."""

    __tablename__ = "idempotency_keys"

    owner_id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque account id"))
    key: Mapped[bytes] = mapped_column(
        LargeBinary, primary_key=True, info=not_personal("hash of the client's key under the owner's, kept for a day")
    )
    sent: Mapped[bytes] = mapped_column(
        LargeBinary, info=not_personal("hash of what was sent under the owner's key, kept for a day")
    )
    answer_id: Mapped[str] = mapped_column(String(36), info=not_personal("opaque id of what was made"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True, info=not_personal("start of the day"))

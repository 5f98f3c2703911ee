"""Tables of the platform: windows of rate limits."""

from datetime import datetime

from sqlalchemy import Integer, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from core.platform.annotations import not_personal
from core.platform.database import Base, UtcDateTime


class RateWindow(Base):
    """How often something was tried in a window of time, under a keyed hash of who tried."""

    __tablename__ = "rate_windows"

    key: Mapped[bytes] = mapped_column(
        LargeBinary, primary_key=True, info=not_personal("keyed hash, deleted when its window has passed")
    )
    window_start: Mapped[datetime] = mapped_column(
        UtcDateTime, primary_key=True, info=not_personal("start of the window")
    )
    count: Mapped[int] = mapped_column(Integer, nullable=False, info=not_personal("number of tries"))

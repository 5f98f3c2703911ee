"""Where the lake is, and whether it answers."""

from dataclasses import dataclass

from core.analytics.bucket import Bucket
from core.platform.runtime import Runtime
from core.shared.errors import AppError


@dataclass(frozen=True, slots=True)
class LakeState:
    """`where`: a folder or the address of a bucket. `problem`: what is the matter, in words; None for nothing."""

    where: str
    problem: str | None


def lake_state(runtime: Runtime) -> LakeState:
    """Look now; a bucket that does not answer is waited for two seconds or so."""
    if runtime.settings.lake_bucket is None:
        return LakeState(str(runtime.settings.lake), None)
    try:
        Bucket(runtime.settings.lake_bucket).look()
    except AppError as error:
        return LakeState(runtime.settings.lake_url, error.message)
    return LakeState(runtime.settings.lake_url, None)

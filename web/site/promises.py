"""`/privacy`: in short, and every promise with its id, its sentence and what was last found about it."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from core.privacy.checks.finding import VERDICTS
from core.privacy.checks.queries import Evidence, latest_evidence
from core.shared.clock import iso_z
from web.site.drawing import SitePages

NOT_YET = "Not looked at yet."


class PromisePages(SitePages):
    """The overview of privacy."""

    async def show(self, request: Request) -> Response:
        """What is promised, and the evidence."""
        found = await to_thread.run_sync(latest_evidence, self.runtime)
        newest = max((each.checked_at for each in found if each.checked_at is not None), default=None)
        return await self.draw(
            request,
            "privacy.html",
            contact=self.runtime.settings.privacy_contact,
            promises=[_shown(each) for each in found],
            totals={name: sum(_verdict(each) == name for each in found) for name in VERDICTS},
            checked=f"{newest:%Y-%m-%d %H:%M} UTC" if newest else None,
        )


def _verdict(evidence: Evidence) -> str:
    return evidence.finding.verdict if evidence.finding else "unknown"


def _shown(evidence: Evidence) -> dict[str, Any]:
    promise, at = evidence.promise, evidence.checked_at
    verdict = _verdict(evidence)
    return {
        "id": promise.id,
        "sentence": promise.sentence,
        "section": promise.section,
        "kept_by": promise.kept_by,
        "verdict": verdict,
        "word": VERDICTS[verdict] if evidence.finding else "cannot tell yet",
        "says": evidence.finding.says if evidence.finding else NOT_YET,
        "at": f"{at:%Y-%m-%d %H:%M} UTC" if at else None,
        "iso": iso_z(at) if at else None,
    }

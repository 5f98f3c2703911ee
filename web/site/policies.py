"""The privacy policy and the terms of use: the text that counts, every version, and what changed between two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anyio import to_thread
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from core.privacy.policies.diff import compare, counts
from core.privacy.policies.domain import Document, PolicyVersion
from core.privacy.policies.queries import (
    announced_version,
    current_version,
    find_version,
    list_versions,
    version_before,
)
from core.privacy.policies.rendering import to_html
from core.shared.errors import NotFound
from web.rendering import message_page
from web.site.drawing import SitePages

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

PATHS: dict[Document, str] = {"privacy": "/privacy/policy", "terms": "/terms"}
TITLES: dict[Document, str] = {"privacy": "Privacy policy", "terms": "Terms of use"}


class PolicyPages(SitePages):
    """The pages of one document."""

    def __init__(self, runtime: Runtime, document: Document) -> None:
        super().__init__(runtime)
        self._document: Document = document
        self._path, self._title = PATHS[document], TITLES[document]

    def routes(self) -> list[BaseRoute]:
        """The current text, the list, one version, and its changes."""
        return [
            Route(self._path, self.current),
            Route(f"{self._path}/versions", self.versions),
            Route(f"{self._path}/{{version}}", self.one),
            Route(f"{self._path}/{{version}}/changes", self.changes),
        ]

    async def current(self, request: Request) -> Response:
        """The text that counts now."""
        version = await to_thread.run_sync(current_version, self.runtime, self._document)
        return await self._text(request, version)

    async def one(self, request: Request) -> Response:
        """A version by its day."""
        try:
            version = await to_thread.run_sync(
                find_version, self.runtime, self._document, request.path_params["version"]
            )
        except NotFound:
            return self._unknown()
        return await self._text(request, version)

    async def versions(self, request: Request) -> Response:
        """Every version, newest first."""
        found = await to_thread.run_sync(list_versions, self.runtime, self._document)
        current = await to_thread.run_sync(current_version, self.runtime, self._document)
        now = self.runtime.clock.now()
        items = [
            {
                "path": f"{self._path}/{each.version}",
                "version": each.version,
                "day": _day(each),
                "state": "counts now" if each == current else "counted before" if each.counts(now) else "to come",
                "summary": each.summary,
                "has_changes": each != found[-1],
            }
            for each in found
        ]
        return await self.draw(request, "policy_versions.html", items=items, **self._common())

    async def changes(self, request: Request) -> Response:
        """What a version adds and takes out, against the one before or the one named by `from`."""
        try:
            version, before = await to_thread.run_sync(
                self._pair, request.path_params["version"], request.query_params.get("from")
            )
        except NotFound:
            return self._unknown()
        changed = await to_thread.run_sync(compare, before.text, version.text)
        added, removed = counts(changed)
        others = await to_thread.run_sync(list_versions, self.runtime, self._document)
        return await self.draw(
            request,
            "policy_changes.html",
            version=version.version,
            day=_day(version),
            before=before.version,
            before_day=_day(before),
            others=[(each.version, _day(each)) for each in others if each.version != version.version],
            changed=changed,
            added=added,
            removed=removed,
            **self._common(),
        )

    def _pair(self, wanted: str, other: str | None) -> tuple[PolicyVersion, PolicyVersion]:
        version = find_version(self.runtime, self._document, wanted)
        before = find_version(self.runtime, self._document, other) if other else version_before(self.runtime, version)
        if before is None:
            raise NotFound("VERSION_NOT_FOUND", "Nothing came before this version.")
        return version, before

    async def _text(self, request: Request, version: PolicyVersion) -> Response:
        now = self.runtime.clock.now()
        announced = await to_thread.run_sync(announced_version, self.runtime, self._document)
        before = await to_thread.run_sync(version_before, self.runtime, version)
        return await self.draw(
            request,
            "policy.html",
            text=Markup(to_html(version.text)),  # noqa: S704  # HTML in the text is escaped by the renderer
            day=_day(version),
            version=version.version,
            state="taken back" if version.state == "withdrawn" else "counts" if version.counts(now) else "to come",
            announced=None if announced is None or announced == version else (announced.version, _day(announced)),
            has_changes=before is not None,
            **self._common(),
        )

    def _common(self) -> dict[str, Any]:
        return {"path": self._path, "name": self._title}

    def _unknown(self) -> Response:
        text = "There is no such version of this text. The list has all there are."
        return message_page(404, "Not found", text, link=(f"{self._path}/versions", "Versions"))


def _day(version: PolicyVersion) -> str:
    return f"{version.effective_at.day} {version.effective_at:%B %Y}"

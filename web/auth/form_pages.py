"""What the HTML forms of accounts share: drawing with a token, reading with a check, errors at their field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from core.accounts.domain import SessionView
from core.accounts.queries import find_session
from core.shared.errors import AppError
from web.choices import take_over_choice
from web.errors import retry_headers, status_of
from web.forms import FormGuard, forget_form, read_fields
from web.rendering import page
from web.sessions import cookie_token, set_session_cookie

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

STALE_FORM = "This form was open for too long, or came from elsewhere. Check it and send it again."
PROFILE = "/app/profile"
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Form:
    """A form: the name its token is bound to, its template, and the fields an error may stand at."""

    name: str
    template: str
    fields: tuple[str, ...] = ()


class FormPages:
    """Forms over one runtime. Core's functions are blocking, so they are called in a thread."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    async def call(self, function: Callable[..., R], *args: Any, **named: Any) -> R:
        """Call one of core's functions with the runtime first."""
        return await to_thread.run_sync(partial(function, self.runtime, *args, **named))

    async def session_of(self, request: Request) -> SessionView | None:
        """The live session of the browser."""
        token = cookie_token(self.runtime, request.headers)
        return await self.call(find_session, token) if token else None

    async def read(
        self, request: Request, form: Form, session: SessionView | None = None
    ) -> tuple[dict[str, str], bool]:
        """The fields of a form that was sent, and whether our own page, in this browser, sent them."""
        fields = await read_fields(request)
        return fields, self._guard(request, form, session).accepts(fields)

    def draw(
        self,
        request: Request,
        form: Form,
        *,
        session: SessionView | None = None,
        status: int = 200,
        errors: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        **values: Any,
    ) -> Response:
        """The page of a form."""
        guard = self._guard(request, form, session)
        shown = dict.fromkeys(("form", *form.fields), "") | (errors or {})
        return guard.keep(
            page(form.template, status=status, headers=headers, errors=shown, csrf_token=guard.token(), **values)
        )

    def draw_stale(
        self, request: Request, form: Form, *, session: SessionView | None = None, **values: Any
    ) -> Response:
        """The page again, for a form that is not accepted as ours."""
        return self.draw(request, form, session=session, status=403, errors={"form": STALE_FORM}, **values)

    def draw_error(
        self, request: Request, form: Form, error: AppError, *, session: SessionView | None = None, **values: Any
    ) -> Response:
        """The page again, with what was typed and the error at its field."""
        field = error.context.get("field")
        place = field if field in form.fields else "form"
        return self.draw(
            request,
            form,
            session=session,
            status=status_of(error),
            errors={place: error.message},
            headers=retry_headers(error),
            **values,
        )

    async def signed_in(self, request: Request, to: str, token: str) -> Response:
        """On into the app, with the session in a cookie; what was chosen in this browser counts for the person."""
        session = await self.call(find_session, token)
        if session is not None:
            await self.call(take_over_choice, request, session.account.id)
        response = RedirectResponse(to, 303)
        set_session_cookie(self.runtime, response, token)
        forget_form(self.runtime, response)
        return response

    def _guard(self, request: Request, form: Form, session: SessionView | None) -> FormGuard:
        return FormGuard(self.runtime, request, form.name, session.csrf_key if session else None)

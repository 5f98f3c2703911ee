"""The answer to a request as a letter: what was asked, what was done or refused and why, and where to complain."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from core.accounts.queries import get_account
from core.platform.pdf_writing import A4, BOLD, INK, MUTED, RULE, TEXT, new_canvas, wrap
from core.privacy.letters import ANSWERS, LAPSED, PARTLY, PARTLY_ERASED, day
from core.privacy.rights import title_of
from core.shared.errors import Conflict, NotFound

if TYPE_CHECKING:
    from core.platform.runtime import Runtime
    from core.privacy.queries import RequestFile

WIDTH, HEIGHT = A4
MARGIN, SIZE, LINE = 64.0, 10.0, 15.0
WORDS = {
    "en": {
        "title": "Answer to your request",
        "right": "Right",
        "number": "Request",
        "received": "Received",
        "answered": "Answered",
        "to": "To",
        "refused": "We cannot do what you asked. The reasons:",
        "decided": "What was decided:",
        "withdrawn": "You took the request back. Nothing was done.",
        "routes": (
            "You may complain to the supervisory authority, the CNIL (3 place de Fontenoy, 75334 Paris Cedex 07, "
            "France, cnil.fr), and go to court."
        ),
        "free": "An answer costs nothing (GDPR Art. 12(5)).",
    },
    "fr": {
        "title": "Réponse à votre demande",
        "right": "Droit",
        "number": "Demande",
        "received": "Reçue",
        "answered": "Réponse",
        "to": "À",
        "refused": "Nous ne pouvons pas faire droit à votre demande. Les raisons :",
        "decided": "La décision :",
        "withdrawn": "Vous avez retiré la demande. Rien n’a été fait.",
        "routes": (
            "Vous pouvez introduire une réclamation auprès de l’autorité de contrôle, la CNIL (3 place de Fontenoy, "
            "75334 Paris Cedex 07, cnil.fr), et former un recours devant un tribunal."
        ),
        "free": "Une réponse est gratuite (RGPD Art. 12(5)).",
    },
}


def answer_text(file: RequestFile, language: str) -> str:
    """What the answer says, in paragraphs. Raises Conflict NOT_ANSWERED."""
    request, words, place = file.request, WORDS[language], 1 if language == "fr" else 0
    if request.closed_at is None:
        raise Conflict("NOT_ANSWERED", "This request is not answered yet.")
    said: list[str] = []
    if request.outcome == "withdrawn":
        said = [words["withdrawn"]]
    elif request.outcome == "refused" and file.decision is None:
        said = [LAPSED[place]]
    elif request.outcome == "refused":
        assert file.decision is not None
        said = [words["refused"], file.decision.reason, words["routes"]]
    else:
        if file.decision is not None:
            said = [words["decided"], file.decision.reason]
        said.append(ANSWERS[request.right][place])
        if request.outcome == "partial":
            said.append((PARTLY_ERASED if request.right == "erasure" else PARTLY)[place])
    return "\n\n".join([*said, words["free"]])


def answer_pdf(file: RequestFile, *, to: str, language: str) -> bytes:
    """The answer as a PDF of an upright page or more. `to`: whom it is for, as it is to be addressed."""
    request, words = file.request, WORDS[language]
    said = answer_text(file, language)
    assert request.closed_at is not None
    out = BytesIO()
    canvas = new_canvas(
        out, A4, title=f"stepIQ: {words['title']}", subject=title_of(request.right, language), language=language
    )
    page = _Page(canvas)
    page.write(words["title"], font=BOLD, size=18.0, after=10)
    facts = (
        ("to", to),
        ("right", title_of(request.right, language)),
        ("number", request.id),
        ("received", day(request.received_at)),
        ("answered", day(request.closed_at)),
    )
    for name, value in facts:
        page.write(f"{words[name]}{' :' if language == 'fr' else ':'} {value}", colour=MUTED)
    page.rule()
    for paragraph in said.split("\n\n"):
        page.write(paragraph, after=8)
    canvas.showPage()
    canvas.save()
    return out.getvalue()


def letter_to_post(runtime: Runtime, file: RequestFile) -> bytes:
    """The answer for who prints and posts it: addressed to the account's opaque id, in its language."""
    return answer_pdf(file, to=file.request.account_id, language=spoken(runtime, file.request.account_id))


def spoken(runtime: Runtime, account_id: str) -> str:
    """The language that a person is written to; English once the account is gone."""
    try:
        return get_account(runtime, account_id).language
    except NotFound:
        return "en"


class _Page:
    """Writes downwards, page after page."""

    def __init__(self, canvas: Any) -> None:
        self._canvas, self._y = canvas, HEIGHT - MARGIN

    def write(self, text: str, *, font: str = TEXT, size: float = SIZE, after: float = 0, colour: Any = INK) -> None:
        """A paragraph."""
        for line in wrap(text, font, size, WIDTH - 2 * MARGIN):
            if self._y - LINE < MARGIN:
                self._canvas.showPage()
                self._y = HEIGHT - MARGIN
            self._canvas.setFont(font, size)
            self._canvas.setFillColorRGB(*colour)
            self._canvas.drawString(MARGIN, self._y - size, line)
            self._y -= max(LINE, size * 1.4)
        self._y -= after

    def rule(self) -> None:
        """A thin line, with air around it."""
        self._y -= 8
        self._canvas.setStrokeColorRGB(*RULE)
        self._canvas.setLineWidth(0.6)
        self._canvas.line(MARGIN, self._y, WIDTH - MARGIN, self._y)
        self._y -= 14

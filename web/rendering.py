"""Public pages as HTML: Jinja2, everything escaped, no JavaScript."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> HTMLResponse:
    """Render a template of `web/templates`."""
    return HTMLResponse(_templates.get_template(template).render(**values), status_code=status, headers=headers)


def message_page(status: int, title: str, text: str, *, link: tuple[str, str] | None = None) -> HTMLResponse:
    """A page that says one thing, with at most one way on."""
    return page("message.html", status=status, title=title, text=text, link=link)

"""Mails as text and HTML: Jinja2 templates, a pair for each kind and language, in a common layout.

In HTML everything is escaped. A value that a template does not know, or a template asks for in vain, is an error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from core.platform.mail.domain import one_line

FOLDER = Path(__file__).with_name("templates")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's three parts. The subject is one line."""

    subject: str
    text: str
    html: str


@cache
def environment() -> Environment:
    """The templates; those that end in `.html` escape what they print."""
    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=select_autoescape(["html"], disabled_extensions=["txt"], default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )


def render(kind: str, language: str, values: Mapping[str, str], *, cut: bool, site_url: str) -> Rendered:
    """Render a kind of mail. `cut`: some value was shortened."""
    shared: dict[str, object] = {**values, "cut": cut, "site_url": site_url, "language": language}
    template = environment().get_template(f"{kind}.{language}.txt")
    # The subject is a block that the layout does not print.
    subject = one_line("".join(template.blocks["subject"](template.new_context(shared))))
    html = environment().get_template(f"{kind}.{language}.html").render(**shared, title=subject)
    return Rendered(subject, template.render(**shared).strip() + "\n", html)

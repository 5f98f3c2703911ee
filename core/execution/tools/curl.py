"""`curl`: a command line as people know it, read into the same request as `http_request`. Nothing is executed.

Options follow curl's manual; what is not listed here is an error that says so, because leaving an option out would
send another request than the one that was written.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from core.execution.tools.http import METHODS, HttpCall, send
from core.execution.tools.port import Arguments, ToolAnswer, ToolContext, ToolError, check_names, text_of
from core.execution.tools.secrets import FORM
from core.providers.domain import ToolSpec

LONG = {
    "--request": "-X",
    "--header": "-H",
    "--data": "-d",
    "--data-ascii": "-d",
    "--data-raw": "--data-raw",
    "--json": "--json",
    "--user": "-u",
    "--head": "-I",
    "--location": "-L",
    "--silent": "-s",
    "--show-error": "-S",
    "--max-time": "-m",
    "--url": "--url",
}
TAKES_VALUE = frozenset({"-X", "-H", "-d", "--data-raw", "--json", "-u", "-m", "--url"})
FLAGS = frozenset({"-I", "-L", "-s", "-S"})
SUPPORTED = "-X, -H, -d, --data-raw, --json, -u, -I, -L, -s, -S, --max-time and --url"
OPERATORS = frozenset({"|", "||", "&", "&&", ";", ">", ">>", "<", "<<", "2>", "2>&1", "2>/dev/null", ">/dev/null"})
CONTINUED = re.compile(r"\\\r?\n")
HEADER = re.compile(r"([^:;\s]+)\s*:\s*(.*)", re.DOTALL)

CURL = ToolSpec(
    "curl",
    "Send an HTTP request written as one curl command and read the answer. It is no shell: no pipes, variables or "
    f"files. Options: {SUPPORTED}. Where the task names a secret as {{{{env.NAME}}}}, write exactly that: the value is "
    "filled in when the request is sent.",
    {
        "type": "object",
        "properties": {"command": {"type": "string", "description": "For example: curl -s https://example.org/"}},
        "required": ["command"],
    },
)


async def curl(arguments: Arguments, context: ToolContext) -> ToolAnswer:
    """Raises ToolError, OutboundError."""
    check_names(arguments, ("command",), ("command",))
    return await send(parse_curl(text_of(arguments, "command")), context)


def parse_curl(command: str) -> HttpCall:
    """The request a command line means. Raises ToolError."""
    try:
        words = shlex.split(CONTINUED.sub(" ", command))
    except ValueError as problem:
        raise ToolError(f"The command cannot be read: {problem}. Check its quotes.") from None
    if not words or words[0] != "curl":
        raise ToolError("The command must begin with curl.")
    options: dict[str, list[str]] = {}
    for name, value in _options(iter(words[1:])):
        options.setdefault(name, []).append(value)
    return _request(options)


def _options(words: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Each option with its value; "" for flags, and the address as `--url`."""
    for word in words:
        if word in OPERATORS:
            raise ToolError(f"`{word}` has no meaning: only one curl command, without a shell.")
        if word == "-" or not word.startswith("-"):
            yield "--url", word
        elif word.startswith("--"):
            name = LONG.get(word)
            if name is None:
                raise _unknown(word)
            yield name, _value(word, words) if name in TAKES_VALUE else ""
        else:
            yield from _short(word, words)


def _short(word: str, words: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Options of one letter, which may stand together: `-sSL`, `-XPOST`."""
    for place, letter in enumerate(word[1:], 1):
        name = f"-{letter}"
        if name in TAKES_VALUE:
            yield name, word[place + 1 :] or _value(name, words)
            return
        if name not in FLAGS:
            raise _unknown(name)
        yield name, ""


def _value(name: str, words: Iterator[str]) -> str:
    value = next(words, None)
    if value is None:
        raise ToolError(f"The option {name} needs a value.")
    return value


def _unknown(name: str) -> ToolError:
    return ToolError(f"The option {name[:40]} is not supported. These are: {SUPPORTED}.")


def _request(options: dict[str, list[str]]) -> HttpCall:
    urls = options.get("--url", [])
    if len(urls) != 1:
        raise ToolError(f"The command needs exactly one address; it has {len(urls)}.")
    headers = dict(map(_header, options.get("-H", [])))
    given = {name.lower() for name in headers}
    body = _body(options)
    if "--json" in options:
        defaults = {"Content-Type": "application/json", "Accept": "application/json"}
    else:
        defaults = {"Content-Type": FORM} if body is not None else {}
    headers |= {name: value for name, value in defaults.items() if name.lower() not in given}
    head = "-I" in options
    if head and body is not None:
        raise ToolError("-I asks for the head alone: it cannot have a body.")
    method = options.get("-X", ["HEAD" if head else "POST" if body is not None else "GET"])[-1].upper()
    if method not in METHODS:
        raise ToolError(f"The method must be one of {', '.join(METHODS)}.")
    user = options["-u"][-1] if "-u" in options else None
    if user is not None and ":" not in user:
        raise ToolError("-u needs name:password.")
    return HttpCall(
        urls[0],
        method,
        headers,
        body,
        user,
        follow="-L" in options,
        seconds=_seconds(options["-m"][-1]) if "-m" in options else None,
        all_headers=head,
    )


def _body(options: dict[str, list[str]]) -> str | None:
    """Several `-d` are joined by `&`, several `--json` as they are."""
    form, raw, json = (options.get(name, []) for name in ("-d", "--data-raw", "--json"))
    if bool(form) + bool(raw) + bool(json) > 1:
        raise ToolError("Write the body with one of -d, --data-raw and --json, not with several.")
    if any(value.startswith("@") for value in (*form, *json)):
        raise ToolError("There are no files: write the body itself. (A body that begins with @ takes --data-raw.)")
    if json:
        return "".join(json)
    return "&".join((*form, *raw)) if form or raw else None


def _header(written: str) -> tuple[str, str]:
    found = HEADER.fullmatch(written)
    if found is None:
        raise ToolError("A header is written as -H 'Name: value'.")
    return found[1], found[2]


def _seconds(written: str) -> float:
    try:
        seconds = float(written)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise ToolError("--max-time needs a number of seconds above 0.")
    return seconds

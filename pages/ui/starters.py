"""What can be added to a pipeline: each kind in a line, with a valid beginning of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

NEW_MAX_TOKENS = 1024
"""What a new model cell may write, so that its quote is no larger than what people usually want."""


@dataclass(frozen=True)
class Beginning:
    """What a new step finds: the step before it, an input, the ids that are taken, and other pipelines by name."""

    before: str | None = None
    inputs: Sequence[str] = ()
    taken: Sequence[str] = ()
    pipelines: Sequence[str] = ()

    @property
    def source(self) -> str:
        """What it reads, as a reference in braces; empty when there is nothing."""
        if self.before:
            return f"{{{{steps.{self.before}.output}}}}"
        return f"{{{{input.{self.inputs[0]}}}}}" if self.inputs else ""

    def named(self, language: str) -> str:
        """What it reads, as a program names it."""
        if self.before:
            return f'steps["{self.before}"]["output"]' if language == "python" else f"steps.{self.before}.output"
        root = "input" if self.inputs else "vars"
        name = self.inputs[0] if self.inputs else ""
        return (f'{root}["{name}"]' if language == "python" else f"{root}.{name}") if name else root

    def free(self, name: str) -> str:
        """A free id like this one."""
        numbered = (name if number == 1 else f"{name}_{number}" for number in range(1, len(self.taken) + 3))
        return next(each for each in numbered if each not in self.taken)


@dataclass(frozen=True)
class Starter:
    """One way to begin a step: its name and what it does, and the fields it starts with."""

    name: str
    what: str
    icon: str
    step_id: str
    fields: Callable[[Beginning], dict[str, Any]]
    group: str = field(default="Work on values")


def _llm(start: Beginning) -> dict[str, Any]:
    prompt = f"Say what the model should do.\n\n{start.source}".rstrip() + "\n"
    return {"type": "llm", "prompt": prompt, "max_tokens": NEW_MAX_TOKENS}


def _agent(start: Beginning) -> dict[str, Any]:
    prompt = f"Say what the agent should find out, and what it should answer.\n\n{start.source}".rstrip() + "\n"
    limits = {"max_turns": 6, "max_tool_calls": 10, "tools": ["http_request"]}
    return {"type": "llm", "prompt": prompt, "max_tokens": NEW_MAX_TOKENS, "agent": limits}


def _condition(start: Beginning) -> dict[str, Any]:
    test = f"{start.named('cel')} != ''" if start.before or start.inputs else "true"
    return {"type": "condition", "if": test, "else": "end"}


def _parallel(start: Beginning) -> dict[str, Any]:
    text = start.source or "Write the text here."
    pair = [{"id": start.free(name), "type": "transform", "template": text} for name in ("left", "right")]
    return {"type": "parallel", "steps": pair}


def _map(start: Beginning) -> dict[str, Any]:
    inner = {"id": start.free("each_item"), "type": "transform", "template": "{{item}}"}
    return {"type": "map", "foreach": start.source or "{{input}}", "steps": [inner]}


def _sql(start: Beginning) -> dict[str, Any]:
    return {"type": "sql", "query": f"SELECT *\nFROM {start.before}\n" if start.before else "SELECT 1 AS one\n"}


def _webhook(start: Beginning) -> dict[str, Any]:
    body = {"text": start.source} if start.source else None
    return {"type": "webhook", "method": "POST", "url": "https://example.org/hook"} | ({"body": body} if body else {})


STARTERS = {
    "llm": Starter(
        "Model call", "Sends a prompt to a model. Costs credits, or runs on your own key.", "auto_awesome", "answer",
        _llm, "Ask a model",
    ),
    "agent": Starter(
        "Agent", "A model that works in turns with tools, within limits you set.", "smart_toy", "agent", _agent,
        "Ask a model",
    ),
    "template": Starter(
        "Template", "Builds a text from the input and earlier steps. Free.", "text_snippet", "text",
        lambda start: {"type": "transform", "template": start.source or "Write the text here."},
    ),
    "extract": Starter(
        "Pick from JSON", "Takes values out of JSON with a JMESPath expression. Free.", "data_object", "pick",
        lambda start: {"type": "transform", "extract": "@", "from": start.source or "{{input}}"},
    ),
    "regex": Starter(
        "Find in text", "Finds a pattern with a regular expression. Free.", "find_in_page", "find",
        lambda start: {"type": "transform", "regex": {"pattern": "\\d+", "from": start.source or "{{input}}"}},
    ),
    "python": Starter(
        "Python", "A few lines of Python in a sandbox, without files or network. Free.", "code", "code",
        lambda start: {"type": "code", "language": "python", "source": f"output = {start.named('python')}\n"},
    ),
    "javascript": Starter(
        "JavaScript", "A few lines of JavaScript in a sandbox. Free.", "javascript", "script",
        lambda start: {"type": "code", "language": "javascript", "source": f"output = {start.named('javascript')}\n"},
    ),
    "sql": Starter(
        "SQL", "Queries the outputs of earlier steps, and files, as tables. Free.", "database", "rows", _sql,
    ),
    "condition": Starter(
        "Condition", "Decides which step comes next, or ends the run.", "call_split", "check", _condition,
        "Decide and repeat",
    ),
    "parallel": Starter(
        "Side by side", "Runs several steps at the same time.", "view_column", "together", _parallel,
        "Decide and repeat",
    ),
    "map": Starter(
        "For each", "Runs the same steps for every item of a list.", "repeat", "each", _map, "Decide and repeat",
    ),
    "pipeline": Starter(
        "Another pipeline", "Runs one of your pipelines as a step.", "account_tree", "call",
        lambda start: {"type": "pipeline", "pipeline": start.pipelines[0] if start.pipelines else "name"},
        "Decide and repeat",
    ),
    "webhook": Starter(
        "Web request", "Sends something to another service, or asks it. Never repeated from a stored answer.",
        "webhook", "send", _webhook, "Act outside",
    ),
    "human_review": Starter(
        "Review", "Waits until a person approves, edits or rejects. Holds nothing meanwhile.", "how_to_reg", "review",
        lambda start: {"type": "human_review", "message": "Is this good to go?"}, "Act outside",
    ),
}  # fmt: skip
"""What can be added, in the order it is offered."""


def new_step(kind: str, start: Beginning) -> dict[str, Any]:
    """A valid step of a kind, reading from the step before it or from the input."""
    starter = STARTERS[kind]
    step_id = start.free(starter.step_id)
    beginning = Beginning(start.before, start.inputs, (*start.taken, step_id), start.pipelines)
    return {"id": step_id, **starter.fields(beginning)}


def is_offered(kind: str, start_pipelines: Sequence[str]) -> bool:
    """Whether a kind can be added now: another pipeline must exist to be called."""
    return kind != "pipeline" or bool(start_pipelines)

"""Errors of pipelines that carry more than a sentence."""

from collections.abc import Sequence
from dataclasses import asdict

from core.pipelines.parsing import Issue
from core.shared.errors import InvalidInput


def invalid_definition(issues: Sequence[Issue]) -> InvalidInput:
    """All that is wrong with a definition, each with its place."""
    count = len(issues)
    first = issues[0]
    place = f" Line {first.line}: {first.message}" if first.line else f" {first.message}"
    text = f"The definition has {count} error{'s' if count > 1 else ''}.{place}"
    return InvalidInput("INVALID_DEFINITION", text, details=[issue_dict(issue) for issue in issues])


def issue_dict(issue: Issue) -> dict[str, object]:
    """An issue as clients see it: path, line, column, code, message."""
    return {key: value for key, value in asdict(issue).items() if key != "severity"}

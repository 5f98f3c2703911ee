"""The models that tests of the language know."""

from core.pipelines.source import Issue
from core.pipelines.validation import Validated, validate


class KnownModels:
    """`demo` and one more."""

    def find(self, model_id: str, /) -> object | None:
        return model_id if model_id in ("demo", "claude-sonnet-5") else None

    def suggest(self, model_id: str, /) -> str | None:
        return "claude-sonnet-5" if model_id.startswith("claude") else None


def check(source: str | bytes | dict[str, object], plan: str = "pro") -> Validated:
    """Validate with those models."""
    return validate(source, models=KnownModels(), plan=plan, default_model="demo")


def only_error(source: str | bytes | dict[str, object], plan: str = "pro") -> Issue:
    """The one error of a source."""
    errors = check(source, plan).errors
    assert len(errors) == 1, errors
    return errors[0]

"""`transform`: reshapes values without a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from core.pipelines.kinds.base import BaseStep, Part, Written
from core.pipelines.references import value_template


class RegexRule(Part):
    """What a `transform` step looks for in a text."""

    pattern: str = Field(min_length=1, max_length=2000)
    group: int | str = 0
    from_: str | None = Field(default=None, alias="from", min_length=1)


class TransformStep(BaseStep):
    """Reshapes values without a model: a template, a JMESPath expression or a regular expression."""

    type: Literal["transform"] = "transform"
    prompt: str | None = None
    template: str | None = None
    extract: str | None = Field(default=None, min_length=1, max_length=2000)
    regex: RegexRule | None = None
    from_: str | None = Field(default=None, alias="from", min_length=1)

    @property
    def text_template(self) -> str | None:
        """The template of a template transform, whichever of its two names was used."""
        return self.prompt if self.template is None else self.template

    @property
    def makes_json(self) -> bool:
        """Only an extraction, or a text that is read as JSON, can be gone into."""
        return self.output_format == "json" or (self.extract is not None and self.output_format is None)

    def written(self) -> Iterator[Written]:
        """The template, or what is read."""
        if self.prompt is not None:
            yield Written(("prompt",), self.prompt)
        if self.template is not None:
            yield Written(("template",), self.template)
        if self.from_ is not None:
            yield Written(("from",), self.from_, "reference")
        if self.regex is not None and self.regex.from_ is not None:
            yield Written(("regex", "from"), self.regex.from_, "reference")
        yield from super().written()

    @model_validator(mode="after")
    def _does_one_thing(self) -> TransformStep:
        kinds = {
            "prompt": self.prompt,
            "template": self.template,
            "extract": self.extract,
            "regex": self.regex,
        }
        given = [name for name, value in kinds.items() if value is not None]
        if len(given) != 1:
            said = "it has none of them" if not given else f"it has {' and '.join(given)}"
            raise PydanticCustomError(
                "one_of",
                "A transform needs exactly one of `template` (or `prompt`), `extract` and `regex`; {said}.",
                {"said": said},
            )
        if self.extract is not None and self.from_ is None:
            raise PydanticCustomError(
                "no_source",
                '`extract` needs `from`, the value to read, such as "{{steps.ID.output}}".',
            )
        if self.regex is not None and (self.regex.from_ is None) == (self.from_ is None):
            raise PydanticCustomError(
                "no_source",
                '`regex` needs `from` once, the text to search, such as "{{steps.ID.output}}".',
            )
        if self.text_template is not None and self.from_ is not None:
            raise PydanticCustomError("no_effect", "`from` does nothing beside a template: remove it.")
        return self

    @property
    def source(self) -> str | None:
        """What `extract` or `regex` reads, as a template."""
        written = self.regex.from_ if self.regex is not None and self.regex.from_ is not None else self.from_
        return None if written is None else value_template(written)

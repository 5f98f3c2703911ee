"""Masking the secrets of a run in all that is stored of it, told of it, or goes on to other steps."""

from collections.abc import Mapping

from core.shared.masking import Masker, StreamMasker
from core.shared.types import JsonValue


class RunMasker:
    """The masker of one run; false when it uses no secret."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._masker = Masker(secrets)

    def __bool__(self) -> bool:
        return bool(self._masker)

    def text(self, text: str) -> str:
        """A message with every secret masked."""
        return self._masker.mask_text(text)

    def value(self, value: JsonValue) -> JsonValue:
        """An output with every secret masked."""
        return self._masker.mask_json(value) if self._masker else value

    def content(self, content: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """The content of a step with every secret masked."""
        masked = self.value(content)
        assert isinstance(masked, dict)
        return masked

    def batch(self, outputs: list[JsonValue], messages: list[str | None]) -> tuple[list[JsonValue], list[str | None]]:
        """What came of many light items: their outputs, and what went wrong."""
        if not self._masker:
            return outputs, messages
        said = [None if message is None else self._masker.mask_text(message) for message in messages]
        return [self._masker.mask_json(output) for output in outputs], said

    def stream(self) -> StreamMasker:
        """A masker for one text that arrives in pieces."""
        return StreamMasker(self._masker)

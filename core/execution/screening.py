"""Personal data in what a step sends: noted, kept back behind placeholders, or a reason not to call.

The choice is made when a run is asked for, and holds for all of it: `off` looks at nothing and costs nothing, `warn`
notes what was found, `mask` sends placeholders and puts the values back into the answer, `block` fails the step before
its call.

It is about what models are given. What goes to a webhook or a delivery goes to an address that the person wrote: it
is looked at and noted, and sent as it is, values put back. An agent's requests carry them only to hosts on the
step's `network_allowlist`, as for secrets: else a page that talks a model into sending `[EMAIL_1]` elsewhere would get
the address.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from core.providers.domain import ModelReply, ModelRequest, ToolCall, Turn
from core.shared.errors import InvalidInput
from core.shared.personal_data import Finding, Placeholders, categories_of, count_kinds, find, kinds_in_words
from core.shared.types import JsonValue

INLINE = 8_000
"""Characters that are looked at where they are: about two milliseconds. More go to a thread, in windows."""
BLOCKED = "PERSONAL_DATA_BLOCKED"


class PersonalDataBlocked(InvalidInput):
    """A call that is not made because of what was found in it. Names kinds, never values."""

    def __init__(self, counts: dict[str, int]) -> None:
        said = (
            f"What this step would send holds {kinds_in_words(counts)}, and this pipeline blocks personal data. "
            "Nothing was sent. Take it out of the prompt or the input, or let the pipeline mask it or warn."
        )
        super().__init__(BLOCKED, said)
        self.counts = counts


@dataclass(frozen=True, slots=True)
class Screened:
    """A request as it may be sent, and what was found in it. `sent` and `kept_back` are categories."""

    request: ModelRequest
    counts: dict[str, int]
    sent: tuple[str, ...] = ()
    kept_back: tuple[str, ...] = ()


class Screen:
    """Looks at what one attempt of a step sends. Texts that are sent again are not looked at again."""

    def __init__(self, mode: str, placeholders: Placeholders) -> None:
        self.mode = mode
        self.placeholders = placeholders
        self._known: dict[str, tuple[Finding, ...]] = {}

    @property
    def masks(self) -> bool:
        """Whether placeholders are sent."""
        return self.mode == "mask"

    async def look(self, request: ModelRequest) -> Screened:
        """The request as it may be sent. Raises PersonalDataBlocked."""
        await self._learn(request.texts())
        counts = count_kinds(finding for text in request.texts() for finding in self._known[text])
        if not counts:
            return Screened(request, counts)
        categories = categories_of(counts)
        if self.mode == "block":
            raise PersonalDataBlocked(counts)
        if self.masks:
            return Screened(self._masked(request), counts, kept_back=categories)
        return Screened(request, counts, sent=categories)

    async def categories(self, *texts: str) -> tuple[str, ...]:
        """The categories found in texts that are sent as they are."""
        await self._learn(texts)
        return categories_of(finding.kind for text in texts for finding in self._known[text])

    def facts(self, screened: Screened) -> dict[str, JsonValue]:
        """What is kept with the step: counts of kinds, and what each placeholder in its prompts stands for."""
        if not screened.counts:
            return {}
        facts: dict[str, JsonValue] = {"personal_data": {"mode": self.mode, "found": {**screened.counts}}}
        if self.masks:
            texts = (screened.request.prompt, screened.request.system_prompt or "")
            named = {key: value for text in texts for key, value in self.placeholders.named_in(text).items()}
            facts["placeholders"] = {**named}
        return facts

    def restored(self, reply: ModelReply) -> ModelReply:
        """An answer with its values put back. Its tool calls, and what goes back to the model, stay as they are."""
        return replace(reply, text=self.placeholders.restore(reply.text)) if self.masks else reply

    async def _learn(self, texts: Iterable[str]) -> None:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if sum(map(len, new)) <= INLINE:
            self._known.update({text: find(text) for text in new})
        else:
            self._known.update(await asyncio.to_thread(lambda: {text: find(text) for text in new}))

    def _masked(self, request: ModelRequest) -> ModelRequest:
        mask = self._mask
        return replace(
            request,
            prompt=mask(request.prompt),
            system_prompt=mask(request.system_prompt) if request.system_prompt else request.system_prompt,
            history=tuple(self._masked_turn(turn) for turn in request.history),
        )

    def _masked_turn(self, turn: Turn) -> Turn:
        calls = tuple(ToolCall(call.id, call.name, self._mask(call.arguments)) for call in turn.reply.tool_calls)
        reply = replace(turn.reply, text=self._mask(turn.reply.text), tool_calls=calls)
        results = tuple(replace(result, text=self._mask(result.text)) for result in turn.results)
        return Turn(reply, results, self._mask(turn.message))

    def _mask(self, text: str) -> str:
        found = self._known.get(text)
        return self.placeholders.mask(text, find(text) if found is None else found)


def known_placeholders(attempts: Iterable[dict[str, JsonValue]]) -> dict[str, str]:
    """The placeholders of a run that was taken up again, from the notes of its attempts."""
    known: dict[str, str] = {}
    for notes in attempts:
        found: Any = notes.get("placeholders")
        if isinstance(found, dict):
            known.update({key: str(value) for key, value in found.items()})
    return known

"""A worker that was taken over is not believed: only as much is read as was allowed, and only what is sound."""

import asyncio
import json
import socket
from typing import Any

import pytest

from core.execution.sandbox import exchange
from core.execution.sandbox.calls import _read
from core.execution.sandbox.limits import Limits
from core.execution.sandbox.wire import LENGTH, PROBLEM, READY, VALUE
from core.shared.errors import InvalidInput
from tests.integration.sandbox.conftest import resident_mb

LIMITS = Limits(seconds=2, output_bytes=1_000)


async def reply(data: bytes) -> Any:
    """What is made of these bytes, with the other side still there."""
    line, theirs = socket.socketpair()
    with line, theirs:
        line.setblocking(False)
        theirs.setblocking(False)
        sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(theirs, data))
        try:
            return await exchange._talk(line, [b"request"], LIMITS)
        finally:
            sending.cancel()


async def test_no_more_is_read_than_was_allowed() -> None:
    flood = READY + VALUE + LENGTH.pack(1 << 30) + b"x" * 300_000_000
    before = resident_mb()
    outcome = await reply(flood)
    assert outcome["reason"] == "too_large"
    assert resident_mb() - before < 20
    outcome = await reply(READY + PROBLEM + LENGTH.pack(1 << 30) + b"x")
    assert outcome["reason"] == "too_large"


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b'{"reason": "failed"}', b"[" * 15_000, b"\xff"])
async def test_a_problem_that_makes_no_sense_is_none(body: bytes) -> None:
    assert await reply(READY + PROBLEM + LENGTH.pack(len(body)) + body) is None


async def test_a_problem_is_taken_apart() -> None:
    told = {"reason": "failed", "message": "x" * 5_000, "line": "7", "more": 1}
    body = json.dumps(told).encode()
    outcome = await reply(READY + PROBLEM + LENGTH.pack(len(body)) + body)
    assert outcome == {"reason": "failed", "message": "x" * 1_000 + "…", "line": None}


async def test_one_that_never_answers_is_given_up() -> None:
    assert (await reply(READY + VALUE))["reason"] == "timeout"
    assert await reply(b"?") is None


@pytest.mark.parametrize("text", [b"", b"{", b"[1,", b"\xff", b"[" * 900, b"[" * 100_000, b"1" * 5_000])
def test_a_value_that_is_no_json_is_an_error(text: bytes) -> None:
    with pytest.raises(InvalidInput) as raised:
        _read(text, "javascript", LIMITS)
    assert raised.value.code == "CODE_FAILED"


def test_a_value_with_too_many_parts_is_an_error() -> None:
    with pytest.raises(InvalidInput) as raised:
        _read(b"[" + b"0," * 600_000 + b"0]", "python", LIMITS)
    assert raised.value.code == "OUTPUT_TOO_LARGE"

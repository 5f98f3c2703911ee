"""What an access log may not keep: query strings, and the token of a review's link."""

import logging

import pytest

from core.platform.logging import CleanAccessLog


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/setup?token=abc", "/setup"),
        ("/review/s3cret-Token_x", "/review/"),
        ("/review/s3cret?x=1", "/review/"),
        ("/app/reviews", "/app/reviews"),
    ],
)
def test_one_time_tokens_are_left_out(path: str, kept: str) -> None:
    line = logging.LogRecord("uvicorn.access", logging.INFO, "", 0, '%s "%s %s"', ("127.0.0.1", "GET", path), None)
    assert CleanAccessLog().filter(line)
    assert line.getMessage() == f'127.0.0.1 "GET {kept}"'

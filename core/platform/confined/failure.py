"""Why a call has no value, said by a runner."""


class Failure(Exception):
    """`reason`, `message` and `line` are those of `wire.Problem`."""

    def __init__(self, reason: str, message: str = "", line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.message = message
        self.line = line

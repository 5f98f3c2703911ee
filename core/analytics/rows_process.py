"""A process of its own that reads rows with connectorx and hands them on as Arrow. It is run by its path.

connectorx brings an SQLite of its own. Two of them in one process undo each other's locks: a process has its locks on
a file once, whoever asked for them, and the first to close the file gives up all of them (sqlite.org, "How To Corrupt
An SQLite Database File", 2.2.1). What was seen: the reader, as it closed, took the write-ahead log away under the
writers of its own process, and what they committed after that was in no file any more.

It is told a line of JSON a statement, and answers each with a length in eight bytes and so many bytes: a stream of
Arrow, or after the length 0 a line with the name of what went wrong. Its texts are told nobody: addresses are in them.
"""

import json
import sys
from typing import Any, BinaryIO


def answer(told: dict[str, str], out: BinaryIO) -> None:
    """Read what one statement answers and write it."""
    import connectorx
    import pyarrow

    try:
        table: Any = connectorx.read_sql(told["address"], told["statement"], return_type="arrow")
    except BaseException as error:
        out.write((0).to_bytes(8, "big") + f"{type(error).__name__}\n".encode())
    else:
        sink = pyarrow.BufferOutputStream()
        with pyarrow.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        content = sink.getvalue()
        out.write(content.size.to_bytes(8, "big"))
        out.write(content)
    out.flush()


def main() -> None:
    """Answer until there is nothing more to read."""
    for line in sys.stdin.buffer:
        answer(json.loads(line), sys.stdout.buffer)


if __name__ == "__main__":
    main()

"""The peer of a trigger: a FastAPI route that inserts one row into SQLite in WAL mode, on uvicorn, as a process.

`python -m benchmarks.bare_route PORT FOLDER`
"""

import sqlite3
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI


def build(folder: Path) -> FastAPI:
    """The route, and the table it writes to. `synchronous` is that of our own database."""
    app, writing = FastAPI(), threading.Lock()
    # One connection: threads with connections of their own would sleep while they wait for each other's locks.
    one = sqlite3.connect(folder / "bare.db", isolation_level=None, check_same_thread=False)
    for statement in (
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = NORMAL",
        "CREATE TABLE runs (id TEXT PRIMARY KEY, input TEXT)",
    ):
        one.execute(statement)

    @app.post("/run", status_code=202)
    def run(body: dict[str, Any]) -> dict[str, str]:
        run_id = str(uuid.uuid4())
        with writing:
            one.execute("INSERT INTO runs VALUES (?, ?)", (run_id, str(body)))
        return {"id": run_id, "status": "pending"}

    return app


def main() -> None:
    """Serve until interrupted."""
    uvicorn.run(
        build(Path(sys.argv[2])), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False
    )


if __name__ == "__main__":
    main()

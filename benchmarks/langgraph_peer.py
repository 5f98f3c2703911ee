"""The peer: the same chain of no-op steps in LangGraph, with its SQLite checkpointer. Runs in its own environment."""

import json
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    text: str


def main() -> None:
    runs, steps = int(sys.argv[1]), int(sys.argv[2])
    builder = StateGraph(State)
    names = [f"s{n}" for n in range(steps)]
    for name in names:
        builder.add_node(name, lambda state: {"text": state["text"]})
    for before, after in zip([START, *names], [*names, END], strict=True):
        builder.add_edge(before, after)
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "peer.db", check_same_thread=False)
        saver = SqliteSaver(connection)
        saver.setup()
        graph = builder.compile(checkpointer=saver)
        before = time.process_time()
        for run in range(runs):
            graph.invoke({"text": "done"}, {"configurable": {"thread_id": str(run)}})
        spent = time.process_time() - before
    print(json.dumps({"ms": spent * 1000 / (runs * steps)}))


if __name__ == "__main__":
    main()

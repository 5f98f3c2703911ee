"""Where code and queries that people wrote run: in processes that can be ended, and that can reach nothing.

    calls.py        run_python, run_javascript, run_sql: what step kinds call
    limits.py       how long, how much memory, how large an output
    exchange.py     one call: send, wait within the limits, read no more than allowed, end the process
    server.py       the handle on the fork server, started with the first call
    wire.py         how the two sides write to each other; needs nothing but the standard library
    worker/         the other side; of the project it imports `wire` and `core.platform.confined` only

One fork server holds the languages' libraries in memory and forks a process a call, a few of them ahead of
time. Each process serves one call and ends. A call has two sockets: over one it talks with its process; the
other is its leash, held by the fork server: when it is let go of, for whatever reason, the process and all
it started are killed. So neither a cancelled call nor a killed server leaves a process behind.
"""

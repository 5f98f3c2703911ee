"""What code and queries try is contained: in time, in memory, in reach."""

import json

import pytest

from core.execution.sandbox.limits import Limits
from tests.integration.sandbox.conftest import call, contain

ENDLESS = {
    "python": [
        "while True:\n    pass",
        "try:\n    while True:\n        pass\nexcept BaseException:\n    pass\nwhile True:\n    pass",
        "while True:\n    print('x' * 100_000)",
        "shared = [1]\nfor _ in range(40):\n    shared = [shared, shared]\noutput = shared",
        "output = sum(x * y for x in range(10**6) for y in range(10**6))",
    ],
    "javascript": [
        "while (true);",
        "for (;;) { try { while (true); } catch (e) {} }",
        "/(a+)+$/.test('a'.repeat(40) + 'b'); output = 1",
        "function again() { Promise.resolve().then(again) } again()",
        "output = {toJSON() { while (true); }}",
        "let shared = [1]; for (let i = 0; i < 40; i++) shared = [shared, shared]; output = shared",
    ],
    "sql": [
        "SELECT count(*) FROM range(100000000000)",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t",
        "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE hash(a.range, b.range) = 0",
    ],
}

BOMBS = {
    "python": [
        "output = 'a' * 2_000_000_000",
        "output = [0] * 10**9",
        "output = 10 ** 10**8",
        "kept = []\nwhile True:\n    kept.append('a' * 1_000_000)",
        "output = 'a' * 60_000_000 + 'b' * 60_000_000 + 'c'",
    ],
    "javascript": [
        "output = 'a'.repeat(2 ** 29 - 1) + 'b'.repeat(2 ** 29 - 1)",
        "output = new Uint8Array(2e9)",
        "let kept = []; while (true) kept.push('x'.repeat(1000000) + kept.length)",
        "let text = 'ab'; for (;;) text = text + text.toUpperCase()",
    ],
    "sql": [
        "SELECT repeat('a', 2000000000) AS big",
        "SELECT repeat('a', 1900000000) || repeat('b', 1900000000) AS big",
        "SELECT list(range) FROM range(200000000)",
        "SELECT string_agg(repeat('a', 1000000)) FROM range(100000)",
    ],
}

REFUSED = {
    "python": [
        "import subprocess\noutput = subprocess.run(['id'])",
        "import os\noutput = os.fork()",
        "import os\noutput = os.system('id')",
        "import socket\noutput = socket.socket()",
        "import urllib.request\noutput = urllib.request.urlopen('http://127.0.0.1').read()",
        "output = open('/etc/passwd').read()",
        "open('/tmp/written-by-code', 'w').write('x')\noutput = 1",
        "from pathlib import Path\noutput = Path('/etc/passwd').read_text()",
        "import os\noutput = dict(os.environ)",
        "import os\noutput = os.listdir('/')",
        "output = ().__class__.__mro__[1].__subclasses__()",
        "output = (lambda: 0).__globals__",
        "output = input.__class__.__init__.__globals__",
        "output = __builtins__['__import__']('os').getcwd()",
        "import ctypes\noutput = ctypes.CDLL(None)",
        "import sys\noutput = sys.modules['os']",
    ],
    "javascript": [
        "output = require('fs').readFileSync('/etc/passwd')",
        "output = process.env",
        "output = [].constructor.constructor('return process')().env",
        "output = this.constructor.constructor('return require')()('child_process')",
        "output = new XMLHttpRequest()",
        "output = fetch('http://127.0.0.1')",
        "output = std.open('/etc/passwd', 'r')",
        "output = os.exec(['id'])",
        "output = new Worker('data:text/javascript,1')",
        "let seen; import('/etc/passwd').then(m => { output = m }, e => { seen = e })",
    ],
    "sql": [
        "COPY (SELECT 1) TO '/tmp/written-by-query.csv'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_text('/proc/self/environ')",
        "SELECT * FROM read_text('/dev/fd/3')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_parquet('http://127.0.0.1/x.parquet')",
        "ATTACH '/tmp/attached.db'",
        "ATTACH ':memory:' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET memory_limit = '100GB'",
        "RESET lock_configuration",
        "SET enable_external_access = true",
        "PRAGMA memory_limit = '100GB'",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "EXPORT DATABASE '/tmp/exported'",
        "CREATE SECRET s (TYPE s3)",
        "CREATE TABLE made AS SELECT 1",
        "SELECT getenv('HOME')",
        "SELECT 1; SELECT 2",
        "SELECT 1; COPY (SELECT 1) TO '/tmp/written-by-query.csv'",
        "",
        "-- nothing",
    ],
}


def cases(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(language, source) for language, sources in table.items() for source in sources]


@pytest.mark.parametrize(("language", "source"), cases(ENDLESS))
async def test_what_does_not_end_is_ended(language: str, source: str) -> None:
    seen = await contain(language, source)
    assert seen.error is not None
    # A table that never stops growing may meet the limit of memory first.
    assert seen.error.code.split("_")[1] in ("TIMEOUT", "MEMORY")
    assert seen.seconds < seen.allowed
    assert seen.pause < 0.5
    assert seen.growth_mb < 40


@pytest.mark.parametrize(("language", "source"), cases(BOMBS))
async def test_memory_is_bounded(language: str, source: str) -> None:
    limits = Limits(seconds=5, memory_mb=512 if language == "sql" else 64)
    seen = await contain(language, source, limits)
    assert seen.error is not None
    assert seen.error.code in ("CODE_MEMORY", "SQL_MEMORY")
    assert seen.seconds < seen.allowed
    assert seen.pause < 0.5
    assert seen.growth_mb < 40


@pytest.mark.parametrize(("language", "source"), cases(REFUSED))
async def test_nothing_outside_is_reached(language: str, source: str) -> None:
    seen = await contain(language, source, Limits(seconds=5, memory_mb=128))
    assert seen.error is not None, f"it made {json.dumps(seen.value)[:200]}"
    assert seen.error.code in ("CODE_FAILED", "SQL_FAILED")
    assert "Traceback" not in seen.error.message
    assert seen.growth_mb < 40


GIGABYTE = {
    "python": "output = 'a' * 1_000_000_000",
    "javascript": "output = Array(1000).fill('a'.repeat(1000000))",
    "sql": "SELECT repeat('a', 1000000) AS big FROM range(1000)",
}


@pytest.mark.parametrize("language", GIGABYTE)
async def test_an_output_of_a_gigabyte_never_arrives(language: str) -> None:
    seen = await contain(language, GIGABYTE[language], Limits(seconds=5, memory_mb=512))
    assert seen.error is not None
    # Which limit comes first is a matter of how fast the machine writes.
    assert seen.error.code in ("OUTPUT_TOO_LARGE", "CODE_MEMORY", "SQL_MEMORY", "CODE_TIMEOUT")
    assert seen.seconds < seen.allowed
    assert seen.growth_mb < 40


@pytest.mark.parametrize("language", ["python", "javascript", "sql"])
async def test_an_output_beyond_the_limit_is_refused(language: str) -> None:
    source = "SELECT repeat('a', 2000) AS a" if language == "sql" else "output = 'a' + 'b'.repeat(2000)"
    source = "output = 'a' * 2000" if language == "python" else source
    seen = await contain(language, source, Limits(output_bytes=1_000, memory_mb=128))
    assert seen.error is not None and seen.error.code == "OUTPUT_TOO_LARGE"


async def test_sleep_does_not_hold_a_worker() -> None:
    seen = await contain("python", "import time\ntime.sleep(3600)\noutput = 'woke'")
    assert seen.value == "woke"
    assert seen.seconds < seen.allowed


async def test_regular_expressions_do_not_blow_up() -> None:
    seen = await contain("python", "import re\noutput = re.match('(a+)+$', 'a' * 40 + 'b') is None")
    assert seen.value is True or (seen.error is not None and seen.error.code == "CODE_TIMEOUT")
    assert seen.seconds < seen.allowed
    seen = await contain("sql", "SELECT regexp_matches(repeat('a', 40) || 'b', '(a+)+$') AS found")
    assert seen.value == [{"found": False}]


async def test_a_changed_prototype_is_gone_with_its_call() -> None:
    await call("javascript", "Object.prototype.mine = 1; Array.prototype.map = null; output = 1")
    assert await call("javascript", "output = [[1].map(x => x + 1), {}.mine ?? 'clean']") == [[2], "clean"]
    await call("python", "import json\nkept = 'mine'\noutput = kept")
    with pytest.raises(Exception, match="kept"):
        await call("python", "output = kept")


async def test_a_table_made_by_one_query_is_not_seen_by_the_next() -> None:
    assert await call("sql", "SHOW TABLES") == []
    assert await call("sql", "SELECT count(*) AS n FROM duckdb_tables()") == [{"n": 0}]


LOCKED = [
    ("SELECT * FROM read_csv('/etc/passwd')", "disabled by configuration"),
    ("SELECT * FROM read_text('/proc/self/environ')", "disabled by configuration"),
    ("SELECT * FROM glob('/etc/*')", "disabled by configuration"),
    ("SELECT * FROM scope", "scope does not exist"),
]


@pytest.mark.parametrize(("query", "words"), LOCKED)
async def test_the_database_itself_refuses(query: str, words: str) -> None:
    seen = await contain("sql", query, Limits(memory_mb=512))
    assert seen.error is not None and words in seen.error.message


SETTINGS = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "lock_configuration": "true",
    "temp_directory": "",
    "threads": "1",
    "max_execution_time": "2000",
    "memory_limit": "512.0 MiB",
}


async def test_the_database_is_shut_off_and_locked() -> None:
    made = await call("sql", "SELECT name, value FROM duckdb_settings()", Limits(seconds=2, memory_mb=512))
    settings = {row["name"]: row["value"] for row in made}
    assert {name: settings[name] for name in SETTINGS} == SETTINGS

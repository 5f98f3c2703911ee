"""What a worker process gives up before it reads a line that a person wrote.

Every measure is taken where the system offers it and the process may take it (root gives up being root;
others have less to give up). Linux offers all of them.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import resource
import signal
import sys
import tempfile
from pathlib import Path

NOBODY = 65534
NEW_NETWORK = 0x40000000

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

MB = 1 << 20


def adopt_orphans() -> None:
    """Become the parent of processes whose own parent ends, so that they can be waited for."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def leave_the_network() -> None:
    """Move this process, and all it forks, to a network without interfaces. Only root may."""
    if os.geteuid() == 0 and sys.platform == "linux":
        _libc().unshare(NEW_NETWORK)


def leave_the_folder() -> None:
    """Work in a folder that is empty and has no name any more, so that nothing can be put in it."""
    folder = Path(tempfile.mkdtemp())
    os.chdir(folder)
    folder.rmdir()


def die_with_parent(parent: int) -> None:
    """Be killed when the process that forked this one ends; end now when it is gone already."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def give_up_privileges(parent: int) -> None:
    """Stop being root, and gain nothing by running another program."""
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    # The change of user has cleared both: a process that is not dumpable cannot open its own /dev/fd.
    _prctl(PR_SET_DUMPABLE, 1)
    die_with_parent(parent)


def limit_use(seconds: float, memory_mb: int) -> None:
    """Bound the address space to `memory_mb` above what is mapped now, and the processor time; fork nothing."""
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NPROC, 0)
    _limit(resource.RLIMIT_AS, address_space() + memory_mb * MB)
    used = math.ceil(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
    allowed = used + math.ceil(seconds) + 1
    # The soft limit ends the process by SIGXCPU, which tells it from one killed for want of memory.
    _limit(resource.RLIMIT_CPU, allowed, allowed + 1)


def close_doors() -> None:
    """Open nothing any more: no file, no socket, no pipe; write no file; show nothing to a debugger."""
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, 0)
    _prctl(PR_SET_DUMPABLE, 0)


def confine_helper(pid: int, seconds: float, memory_mb: int) -> None:
    """The same limits for a program this process has started."""
    if sys.platform != "linux":
        return
    used = address_space(pid)
    limits = {
        resource.RLIMIT_AS: used + memory_mb * MB,
        resource.RLIMIT_CPU: math.ceil(seconds) + 2,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_NOFILE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for kind, value in limits.items():
        resource.prlimit(pid, kind, (value, value))


def address_space(pid: int | None = None) -> int:
    """Bytes mapped by a process now; 0 where the system does not tell."""
    with contextlib.suppress(OSError):
        pages = Path(f"/proc/{pid or 'self'}/statm").read_text().split()[0]
        return int(pages) * resource.getpagesize()
    return 0


def _limit(kind: int, soft: int, hard: int | None = None) -> None:
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(kind, (soft, soft if hard is None else hard))


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        _libc().prctl(option, value, 0, 0, 0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)

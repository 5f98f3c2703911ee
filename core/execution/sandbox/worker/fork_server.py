"""The process that forks a worker a call.

It reads from one socket which language is wanted, with two sockets of the call: the line to the worker, and
the leash, which it keeps. It imports a language's library when that is first asked for, before it forks, so
that a worker starts with it in memory. Some workers are forked ahead of time and get ready while nobody
waits. It ends when its own socket is closed, which is what the end of the other side looks like.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from core.execution.sandbox.wire import LANGUAGES, STATUS, Language
from core.execution.sandbox.worker import job
from core.platform.confined import confinement

SPARE_WORKERS = 2
"""Workers a language that are ready before they are asked for."""
WORKER_SOCKET = 3


@dataclass(slots=True)
class _Spare:
    pid: int
    socket: socket.socket


def main(control_fd: int) -> None:
    """Serve until the other side closes the control socket."""
    confinement.adopt_orphans()
    confinement.leave_the_network()
    confinement.leave_the_folder()
    ForkServer(socket.socket(fileno=control_fd)).serve()


class ForkServer:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._spares: dict[Language, list[_Spare]] = {}
        self._leashes: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = socket.socketpair()
        for end in (self._woken, self._waker):
            end.setblocking(False)

    def serve(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._control, selectors.EVENT_READ, None)
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        serving = True
        while serving:
            for key, _ in self._selector.select():
                if key.fileobj is self._control:
                    serving = self._take_call()
                elif key.fileobj is self._woken:
                    with contextlib.suppress(BlockingIOError):
                        self._woken.recv(4096)
                else:
                    self._end(key.data)
            self._collect_ended()
        for pid in [*self._leashes, *(spare.pid for spares in self._spares.values() for spare in spares)]:
            self._end(pid)

    def _take_call(self) -> bool:
        """Hand one call to a worker; False when there are no more calls to come."""
        number, fds, _, _ = socket.recv_fds(self._control, 1, 2)
        if not number:
            return False
        language = LANGUAGES[number[0]]
        line, leash = (socket.socket(fileno=fd) for fd in fds)
        pid = self._hand_over(language, line)
        line.close()
        self._leashes[pid] = leash
        self._selector.register(leash, selectors.EVENT_READ, pid)
        self._top_up(language)
        return True

    def _hand_over(self, language: Language, line: socket.socket) -> int:
        while True:
            spares = self._spares.get(language)
            spare = spares.pop(0) if spares else self._fork(language)
            with spare.socket, contextlib.suppress(OSError):
                socket.send_fds(spare.socket, [b"."], [line.fileno()])
                return spare.pid
            self._end(spare.pid)

    def _top_up(self, language: Language) -> None:
        spares = self._spares.setdefault(language, [])
        while len(spares) < SPARE_WORKERS:
            spares.append(self._fork(language))

    def _fork(self, language: Language) -> _Spare:
        run = job.load(language)
        gc.freeze()
        ours, theirs = socket.socketpair()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                _become_worker(theirs, parent)
                run.serve(socket.socket(fileno=WORKER_SOCKET), parent)
            except BaseException:
                os._exit(1)
            os._exit(0)
        theirs.close()
        return _Spare(pid, ours)

    def _end(self, pid: int) -> None:
        """Kill a worker and all it has started, wait until they are gone, and tell the leash how it ended."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
        self._bury(pid)

    def _collect_ended(self) -> None:
        while True:
            try:
                # The dead worker keeps its number until its group is killed: no other process can have it.
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            if ended.si_pid in self._leashes or self._drop_spare(ended.si_pid):
                self._bury(ended.si_pid)
            else:
                os.waitpid(ended.si_pid, 0)

    def _bury(self, pid: int) -> None:
        self._drop_spare(pid)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-pid, 0)
        leash = self._leashes.pop(pid, None)
        if leash is not None:
            self._selector.unregister(leash)
            with leash, contextlib.suppress(OSError):
                leash.send(STATUS.pack(code))

    def _drop_spare(self, pid: int) -> bool:
        for spares in self._spares.values():
            for spare in spares:
                if spare.pid == pid:
                    spares.remove(spare)
                    spare.socket.close()
                    return True
        return False


def _become_worker(line: socket.socket, parent: int) -> None:
    """Leave the fork server behind: a group of its own, none of its sockets, nobody to write to."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    confinement.die_with_parent(parent)
    os.dup2(line.fileno(), WORKER_SOCKET, inheritable=False)
    os.closerange(WORKER_SOCKET + 1, os.sysconf("SC_OPEN_MAX") if sys.platform != "linux" else _highest_fd() + 1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    os.close(nothing)


def _highest_fd() -> int:
    return max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())

"""Memory of a process in MB, as Linux counts it (proc_pid_status(5)).

Not `getrusage`: what it tells as a peak begins at the peak of the process that this one was started from, so a large
parent is measured instead of a small child.
"""

from pathlib import Path


def resident_mb(pid: int | str = "self") -> float:
    """What it has now."""
    return _told(pid, "VmRSS")


def peak_mb(pid: int | str = "self") -> float:
    """The most it had, since it was started or `forget_peak` was called."""
    return _told(pid, "VmHWM")


def forget_peak() -> None:
    """From now on, the peak of this process is counted from what it has now."""
    Path("/proc/self/clear_refs").write_text("5")


def _told(pid: int | str, name: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) / 1024

"""How much memory this process has."""

from __future__ import annotations

from pathlib import Path


def memory() -> float:
    """Resident, in MB; pages of files that are mapped are left out, as the system may take them back any moment."""
    return _status("RssAnon")


def peak() -> float:
    """The highest resident size, in MB, mapped files included. Not what `getrusage` says: a child inherits that from its parent."""
    return _status("VmHWM")


def _status(name: str) -> float:
    """A size of /proc/self/status, which is in KiB, in MB; 0 where there is no such file."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(f"{name}:")), 0.0)

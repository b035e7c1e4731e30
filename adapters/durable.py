"""What it takes for a file to survive a power cut."""

from __future__ import annotations

import os
from pathlib import Path


def on_disk(path: Path) -> None:
    """Return when the file, or the names in a folder, would survive a power cut."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)

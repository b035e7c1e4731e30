"""The API of an installation to which HubSpot sends its webhooks, in a process of its own, without the roles that would read them.

`python -m tests.benchmarks.providers.door DATA` prints its URL, and answers until asked to stop.
"""

from __future__ import annotations

import sys
from pathlib import Path

from services.cli import configure_logging
from services.running import Stopping, settle_in
from services.serve import Server
from tests.benchmarks.providers.connected import close, with_hubspot


def main() -> None:
    """Serve until asked to stop."""
    configure_logging("error")
    outside = with_hubspot(Path(sys.argv[1]))
    with Stopping() as stopping:
        server = Server(outside.parts, "127.0.0.1", 0, outside)
        server.start()
        settle_in()
        print(f"serves {server.url}", flush=True)
        while not stopping.wait(0.2):
            pass
        server.stop()
    close(outside)


if __name__ == "__main__":
    main()

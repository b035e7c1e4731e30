"""Google's simulator in a process of its own, so that it has an interpreter of its own: one full calendar, or many small ones.

`python -m tests.benchmarks.providers.calendars PEOPLE EVENTS CONTACTS` makes so many people with so many events each, prints its URL, and
answers until asked to stop. An event has its owner and two of the contacts as guests.
"""

from __future__ import annotations

import random
import sys
from datetime import UTC, datetime, timedelta

from services.running import Stopping, settle_in
from services.sandbox.google import Google
from services.sandbox.google_switches import Switches
from services.sandbox.shell import Sandbox
from services.sandbox.world import World
from tests.benchmarks.providers.connected import address_of, contact_at

NO_LIMIT = 10**9

_WORDS = "quarterly review offer contract kick-off retro planning demo onboarding call budget roadmap renewal visit".split()


def main() -> None:
    """Serve until asked to stop."""
    people, events, contacts = map(int, sys.argv[1:4])
    world = World(0)
    # Google's limit for a project would be all that is measured of many connections.
    google, chance = Google(world, Switches(project_limit=NO_LIMIT)), random.Random(0)
    for number in range(people):
        google.user(address_of(number), f"Person {number}", "Europe/Paris")
        for _ in range(events):
            meet(google, address_of(number), chance, contacts)
    with Stopping() as stopping, Sandbox([google], world) as sandbox:
        settle_in()
        print(f"serves {sandbox.url}", flush=True)
        while not stopping.wait(0.2):
            pass


def meet(google: Google, owner: str, chance: random.Random, contacts: int) -> None:
    """A meeting of an hour within the next half year."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start = today + timedelta(days=chance.randrange(1, 180), minutes=chance.randrange(8 * 4, 18 * 4) * 15)
    google.event(
        owner,
        " ".join(chance.choices(_WORDS, k=4)),
        start.isoformat(),
        (start + timedelta(hours=1)).isoformat(),
        [contact_at(number) for number in chance.sample(range(contacts), k=2)],
        mail=False,
        description=" ".join(chance.choices(_WORDS, k=30)),
        location=f"Room {chance.randrange(40)}",
    )


if __name__ == "__main__":
    main()

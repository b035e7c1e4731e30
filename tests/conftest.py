"""What every test shares: how hard hypothesis looks, here and in CI.

`dev` is quick; `ci` looks twice as long, prints how to reproduce what it found, and has no deadline, because a shared
machine may pause. Neither is derandomised: a property is worth more when each run tries other cases.
"""

from __future__ import annotations

import os

from hypothesis import settings

# Said outright: hypothesis brings a profile of its own for CI, which is derandomised and would be inherited from.
settings.register_profile("ci", deadline=None, derandomize=False, print_blob=True, max_examples=100)
settings.register_profile("dev", derandomize=False, max_examples=50)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

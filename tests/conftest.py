"""What every test shares: how hard hypothesis looks, here and in CI.

`dev` is quick, and tries other cases in each run: that is where a property finds something. `ci` looks twice as long, at the same
cases each time, so that a change is judged by itself and not by chance; it has no deadline, because a shared machine may pause.
"""

from __future__ import annotations

import os

from hypothesis import settings

# Said outright: hypothesis brings a profile of its own for CI, which would be inherited from.
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True, max_examples=100)
settings.register_profile("dev", derandomize=False, max_examples=50)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

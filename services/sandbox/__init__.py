"""The sandbox: Google, Office 365 and HubSpot as HTTP servers on loopback, for demos and tests.

It stands alone: it imports nothing of the engine, so that both can be wrong only independently of each other. `wire` is what goes
over the wire, `world` what the simulators share (clock, chance, faults, pushes, mails), `shell` the servers, `control` the API under
/sandbox/; `google`, `office365`, `entra` and `hubspot` are the simulators, each with its modules beside it.
"""

from __future__ import annotations

"""The control API, /sandbox/...: the faults, the clock, what was asked and mailed, and each simulator's own part under its name.

It is for tests, demos and the control page; no provider has it. JSON in, JSON out:

  GET            /sandbox/state      everything
  GET POST DELETE /sandbox/faults    the rules; one rule or a list of them (fields of `world.Fault`); none
  GET POST       /sandbox/clock      {"now", "frozen"}; {"freeze": ms or true} {"move": ms} {"thaw": true}
  GET            /sandbox/requests   counts, and the last ones (?last=50)
  GET            /sandbox/mails      what the providers mailed
  POST           /sandbox/flush      send every push that is due
  POST           /sandbox/reset      forget everything
  any            /sandbox/NAME/...   a simulator's own
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from services.sandbox.wire import Answer, BadBody, Controlled, Request, Resets, Simulator, Tells, as_json
from services.sandbox.world import Fault, World

ROOT = "/sandbox"


class Control:
    """`page` answers GET requests for the control page's files, or None for what it does not know."""

    def __init__(self, simulators: Sequence[Simulator], world: World, page: Callable[[Request], Answer | None] | None = None) -> None:
        self._simulators = {simulator.name: simulator for simulator in simulators}
        self._world, self._page = world, page
        self._routes: dict[tuple[str, str], Callable[[Request], Any]] = {
            ("GET", "state"): self._state,
            ("GET", "faults"): self._rules,
            ("POST", "faults"): self._add_rules,
            ("DELETE", "faults"): self._drop_rules,
            ("GET", "clock"): self._clock,
            ("POST", "clock"): self._set_clock,
            ("GET", "requests"): self._requests,
            ("GET", "mails"): self._mails,
            ("POST", "flush"): self._flush,
            ("POST", "reset"): self._reset,
        }

    def answers(self, request: Request) -> bool:
        """Is the path the control API's?"""
        return request.path == ROOT or request.path.startswith(ROOT + "/")

    def answer(self, request: Request) -> Answer:
        """Answer it; what cannot be read is answered 400."""
        try:
            return self._answer(request)
        except (BadBody, msgspec.ValidationError, re.error, ValueError, KeyError) as error:
            return as_json(400, {"error": f"{type(error).__name__}: {error}"})
        except Exception as error:
            # A bug, or arguments that nobody thought of: shown to both who asked and who runs the sandbox.
            traceback.print_exc(file=sys.stderr)
            return as_json(500, {"error": f"{type(error).__name__}: {error}"})

    def _answer(self, request: Request) -> Answer:
        name = request.path.removeprefix(ROOT).strip("/")
        simulator = self._simulators.get(name.partition("/")[0])
        if isinstance(simulator, Controlled):
            with self._world.lock:
                return simulator.control(request)
        if route := self._routes.get((request.method, name)):
            return as_json(200, route(request))
        page = self._page(request) if self._page and request.method in ("GET", "HEAD") else None
        known = sorted({route for _, route in self._routes} | set(self._simulators))
        return page or as_json(404, {"error": "not a part of the control API", "parts": known})

    def _state(self, request: Request) -> Any:
        with self._world.lock:
            told = {name: each.state() for name, each in self._simulators.items() if isinstance(each, Tells)}
        return {
            "clock": self._clock(request),
            "simulators": told,
            "faults": self._rules(request),
            "mails": self._mails(request),
            "pushes": {"waiting": self._world.outbox.waiting(), "sent": len(self._world.outbox.sent)},
        }

    def _rules(self, request: Request) -> Any:
        return [msgspec.to_builtins(rule) for rule in self._world.faults.rules]

    def _add_rules(self, request: Request) -> Any:
        said = request.json()
        for fault in msgspec.convert(said if isinstance(said, list) else [said], list[Fault]):
            self._world.faults.put(fault)
        return self._rules(request)

    def _drop_rules(self, request: Request) -> Any:
        self._world.faults.clear()
        return []

    def _clock(self, request: Request) -> Any:
        return {"now": self._world.now(), "frozen": self._world.frozen}

    def _set_clock(self, request: Request) -> Any:
        said = msgspec.convert(request.json(), dict[str, int | bool])
        if "freeze" in said:
            self._world.freeze(None if said["freeze"] is True else int(said["freeze"]))
        if "move" in said:
            self._world.move(int(said["move"]))
        if said.get("thaw"):
            self._world.thaw()
        return self._clock(request)

    def _requests(self, request: Request) -> Any:
        counts = self._world.requests.counts
        last = list(self._world.requests.last)[-int(request.one("last", "50") or 50) :]
        return {
            "counts": [{"simulator": s, "method": m, "route": r, "times": n} for (s, m, r), n in sorted(counts.items())],
            "last": [
                {"at": at, "simulator": name, "method": asked.method, "path": asked.path, "query": asked.query, "status": said.status}
                for name, asked, said, at in last
            ],
        }

    def _mails(self, request: Request) -> Any:
        return [mail._asdict() for mail in self._world.mails]

    def _flush(self, request: Request) -> Any:
        return {"tries": self._world.outbox.flush()}

    def _reset(self, request: Request) -> Any:
        with self._world.lock:
            self._world.reset()
            for simulator in self._simulators.values():
                if isinstance(simulator, Resets):
                    simulator.reset()
        return {}

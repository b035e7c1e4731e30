"""The engine in memory, with everything that is asked of it: reading, explaining, tokens, the API."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from adapters.memory.tokens import MemoryTokens
from services.api.app import Front, create_app
from services.api.aside import AT_ONCE, Aside
from services.explain import Explained, Explainer, with_logs
from services.progress import Progress
from services.reading import Reading
from services.tokens import Tokens
from tests.engine import Engine
from tests.examples import ACCOUNT, Event, stage

OTHER = "70000"


class Asking(Engine):
    """An engine with its readers. `now` is the tokens' clock (ms), moved by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.tokens = Tokens(MemoryTokens(), lambda: self.now)
        self.progress = Progress(self.source, self.store, self.domain_log, self.views)
        self.reading = Reading(self.views, self.vault, self.store)
        self.explainer = Explainer(self.views, self.vault, self.store)

    def app(
        self,
        stopping: Callable[[], bool] = lambda: True,
        wait_seconds: float = 0.0,
        ready_lag: int = 0,
        aside: Aside = AT_ONCE,
        progress: Progress | None = None,
    ) -> Front:
        """The API. If not told otherwise, streams end when they have told what there is, and nobody is made to wait."""
        return create_app(
            reading=self.reading,
            explainer=self.explainer,
            publisher=self.publisher,
            tokens=self.tokens,
            progress=progress or self.progress,
            views=self.views,
            stopping=stopping,
            wait_seconds=wait_seconds,
            ready_lag=ready_lag,
            aside=aside,
            dead=self.dead,
        )

    def header(self, *scopes: str, account: str = ACCOUNT) -> dict[str, str]:
        """The header that shows a new token with these scopes."""
        return {"Authorization": f"Bearer {self.tokens.create(account, scopes)}"}

    def page(self, who: str = "151", account: str = ACCOUNT, **ask: Any) -> dict[str, Any]:
        """A page of a contact's timeline."""
        found: dict[str, Any] = json.loads(self.reading.timeline(account, who, **ask))
        return found

    def explain(self, what: str, account: str = ACCOUNT) -> Explained:
        """Why."""
        return with_logs(self.explainer.explain(account, what), account, self.explainer, self.dead, self.progress)

    def meeting_id(self, contact: str = "151", account: str = ACCOUNT) -> str:
        """The id of a contact's first meeting."""
        return str(self.timeline(contact, account)[0]["meeting"])


def asking(*events: Event) -> Asking:
    """An engine that was told the stage, and these."""
    engine = Asking()
    engine.tell(*stage(), *events)
    return engine

"""One source event can be followed through the log of every role, and nothing personal stands there."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import capture_logs

from services import tracing
from tests.engine import staged
from tests.examples import ANA, BO, meeting, row


@pytest.fixture
def listening() -> Iterator[None]:
    tracing.listen(True)
    yield
    tracing.listen(False)
    structlog.reset_defaults()


@pytest.mark.usefixtures("listening")
def test_an_event_is_followed_from_the_door_to_the_timeline() -> None:
    engine = staged()
    with capture_logs() as lines:
        engine.tell(meeting(event_id=f"google:{ANA}:g1"), row("901", contacts=("152",), title="Another"))
    mine = [line for line in lines if line["correlation"] == tracing.correlation("62515", f"google:{ANA}:g1")]
    assert [line["event"] for line in mine] == ["accepted", "decided", "relayed", "relayed", "folded", "folded"]
    assert (mine[1]["rule"], mine[1]["outcome"], mine[1]["position"]) == ("contact-match", "applied", mine[0]["position"])
    assert [line["name"] for line in mine[2:4]] == ["meeting.scheduled.v1", "source_event.decided.v1"]
    assert mine[2]["stream"] == mine[1]["meeting"]


@pytest.mark.usefixtures("listening")
def test_no_address_and_no_title_stands_in_a_line() -> None:
    with capture_logs() as lines:
        staged(meeting(event_id=f"google:{ANA}:g1", guests=(BO,), title="Secret plan"))
    told = json.dumps(lines, default=str)
    assert [word for word in (ANA, BO, "Ana", "Secret plan", "acme.example") if word in told] == []


def test_nothing_is_written_unless_somebody_listens() -> None:
    with capture_logs() as lines:
        staged(meeting())
    assert lines == []

"""The real client libraries of Graph, unmodified, against the simulator on its port: msgraph-sdk and O365."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from tests.sandbox.office365_world import ANA, BO, CEM, Running, running

# Each library is pleased to warn of itself.
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.filterwarnings("ignore::UserWarning")]
UTC = ZoneInfo("UTC")


@pytest.fixture
def at_work() -> Iterator[Running]:
    with running() as one:
        yield one


# --- msgraph-sdk ------------------------------------------------------------------------------------------------------


def sdk(module: str) -> Any:
    """A module of the SDK's; its annotations are not followed, there being ten thousand of them."""
    return pytest.importorskip(module, reason="msgraph-sdk is not installed")


def graph(at_work: Running, who: str = ANA) -> Any:
    """The SDK's client, as its documentation points it elsewhere."""
    kiota = sdk("kiota_abstractions.authentication")

    provider: Any = kiota.AccessTokenProvider

    class Tokens(provider):  # type: ignore[misc]  # the base is known at run time only
        """A token that is there already."""

        async def get_authorization_token(self, uri: str, additional_authentication_context: dict[str, Any] | None = None) -> str:
            return at_work.office.tokens[who]

        def get_allowed_hosts_validator(self) -> Any:
            return kiota.AllowedHostsValidator(["127.0.0.1"])

    msgraph = sdk("msgraph")
    adapter = msgraph.GraphRequestAdapter(kiota.BaseBearerTokenAuthenticationProvider(Tokens()))
    adapter.base_url = f"{at_work.sandbox.url}/v1.0"
    return msgraph.GraphServiceClient(request_adapter=adapter)


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def waiting() -> None:
        await work()

    asyncio.run(waiting())


def configured(**headers: str) -> Any:
    config = sdk("kiota_abstractions.base_request_configuration").RequestConfiguration()
    for name, value in headers.items():
        config.headers.add(name.replace("_", "-"), value)
    return config


def event(**fields: Any) -> Any:
    return sdk("msgraph.generated.models.event").Event(**fields)


def meeting() -> Any:
    moment = sdk("msgraph.generated.models.date_time_time_zone").DateTimeTimeZone
    address = sdk("msgraph.generated.models.email_address").EmailAddress(address=BO, name="Bo")
    return event(
        subject="S",
        start=moment(date_time="2026-03-09T10:00:00", time_zone="W. Europe Standard Time"),
        end=moment(date_time="2026-03-09T11:00:00", time_zone="W. Europe Standard Time"),
        attendees=[sdk("msgraph.generated.models.attendee").Attendee(email_address=address)],
        transaction_id="tx-1",
    )


def test_msgraph_sdk_makes_changes_and_cancels_an_event(at_work: Running) -> None:
    failed = sdk("msgraph.generated.models.o_data_errors.o_data_error").ODataError
    cancelling = sdk("msgraph.generated.users.item.events.item.cancel.cancel_post_request_body").CancelPostRequestBody

    async def work() -> None:
        me = graph(at_work).me
        made, again = await me.events.post(meeting()), await me.events.post(meeting())
        assert (again.id, made.start.date_time) == (made.id, "2026-03-09T09:00:00.0000000")
        one = me.events.by_event_id(made.id)
        with pytest.raises(failed) as refused:
            await one.patch(event(subject="T"), request_configuration=configured(if_match='W/"stale"'))
        assert (refused.value.response_status_code, refused.value.error.code) == (412, "ErrorIrresolvableConflict")
        assert (await one.patch(event(subject="T"))).subject == "T"
        await one.cancel.post(cancelling(comment="c"))

    run(work)
    assert [(mail.kind, mail.to) for mail in at_work.office.world.mails] == [("invitation", BO), ("update", BO), ("cancellation", BO)]


def test_msgraph_sdk_follows_a_delta_over_pages_and_tombstones(at_work: Running) -> None:
    outlook = at_work.office.outlook
    outlook.switch(empty_pages=True)
    ids = [outlook.event(ANA, f"M{n}", f"2026-03-0{n}T10:00:00", f"2026-03-0{n}T11:00:00") for n in (1, 2, 3)]
    builder = sdk("msgraph.generated.users.item.calendar_view.delta.delta_request_builder").DeltaRequestBuilder

    async def work() -> None:
        delta = graph(at_work).me.calendar_view.delta
        config = configured(Prefer='outlook.timezone="UTC", odata.maxpagesize=2')
        window = {"start_date_time": "2026-03-01T00:00:00Z", "end_date_time": "2026-04-01T00:00:00Z"}
        config.query_parameters = builder.DeltaRequestBuilderGetQueryParameters(**window)
        page = await delta.get(config)
        subjects = [one.subject for one in page.value]
        while page.odata_next_link:
            page = await delta.with_url(page.odata_next_link).get()
            subjects += [one.subject for one in page.value]
        assert subjects == ["M1", "M2", "M3"]
        outlook.delete(ANA, ids[1])
        last = await delta.with_url(page.odata_delta_link).get()
        assert [(one.id, one.additional_data["@removed"]) for one in last.value] == [(ids[1], {"reason": "deleted"})]

    run(work)


def test_msgraph_sdk_reads_calendars_and_its_user(at_work: Running) -> None:
    async def work() -> None:
        client = graph(at_work, CEM)
        me, calendars = await client.me.get(), await client.me.calendars.get()
        assert (me.user_principal_name, [calendar.is_default_calendar for calendar in calendars.value]) == (CEM, [True])

    run(work)


# --- O365 -------------------------------------------------------------------------------------------------------------


def account(at_work: Running) -> Any:
    o365 = pytest.importorskip("O365", reason="O365 is not installed")
    protocol = o365.MSGraphProtocol(timezone="UTC")
    protocol.protocol_url, protocol.service_url = f"{at_work.sandbox.url}/", f"{at_work.sandbox.url}/v1.0/"
    opened = o365.Account(("id", "secret"), protocol=protocol)
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {at_work.office.tokens[ANA]}"
    # There is a session: it need not make one of a token's file.
    opened.con.session = session
    return opened


def test_o365_makes_finds_and_deletes_an_event(at_work: Running) -> None:
    calendar = account(at_work).schedule(resource=f"users/{ANA}").get_default_calendar()
    event = calendar.new_event("Over O365")
    event.start, event.end = datetime(2026, 3, 9, 10, tzinfo=UTC), datetime(2026, 3, 9, 11, tzinfo=UTC)
    event.attendees.add(BO)
    assert event.save()
    found = list(calendar.get_events(limit=5, include_recurring=False))
    assert [(one.subject, one.start) for one in found] == [("Over O365", datetime(2026, 3, 9, 10, tzinfo=UTC))]
    found[0].subject = "Changed"
    assert found[0].save()
    assert [one["subject"] for one in at_work.office.outlook.events(ANA)] == ["Changed"]
    assert found[0].delete()
    assert (at_work.office.outlook.events(ANA), at_work.office.mailed()) == ([], [BO])

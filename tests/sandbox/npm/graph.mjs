// @microsoft/microsoft-graph-client: pointed at the sandbox by `baseUrl` and `customHosts`. It shows its token over https only.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { BatchRequestContent, BatchResponseContent, Client, GraphError, PageIterator } from "@microsoft/microsoft-graph-client";

import { SANDBOX, act, mails, receiver } from "./sandbox.mjs";

const [ANA, BO] = ["ana@acme.example", "bo@client.example"];
const MARCH = { startDateTime: "2026-03-01T00:00:00Z", endDateTime: "2026-04-01T00:00:00Z" };

/** Ana's program. */
async function api() {
  const token = await act("office365/token", { address: ANA });
  return Client.init({
    baseUrl: `${SANDBOX}/`,
    defaultVersion: "v1.0",
    customHosts: new Set([new URL(SANDBOX).hostname]),
    authProvider: (done) => done(null, token),
  });
}

function meeting(fields) {
  const at = (dateTime) => ({ dateTime, timeZone: "Romance Standard Time" });
  return { subject: "S", start: at("2026-03-09T10:00:00"), end: at("2026-03-09T11:00:00"), ...fields };
}

/** The whole of a collection, and its delta link if it has one. */
async function everything(client, first, options) {
  const items = [];
  const pages = new PageIterator(client, first, (item) => items.push(item) > 0, options);
  await pages.iterate();
  assert.ok(pages.isComplete());
  return { items, link: pages.getDeltaLink() };
}

/** The status and the code of a refusal. */
async function refused(asked) {
  const error = await asked.then(
    () => assert.fail("it was not refused"),
    (thrown) => thrown,
  );
  assert.ok(error instanceof GraphError && error.requestId && error.date, error);
  return [error.statusCode, error.code];
}

beforeEach(() => act("reset"));

test("it makes an event once, however often it asks", async () => {
  const client = await api();
  const attendees = [{ type: "required", emailAddress: { address: BO, name: "Bo" } }];
  const body = meeting({ transactionId: "tx-1", attendees });
  const made = await client.api("/me/events").header("Prefer", 'outlook.timezone="UTC"').post(body);
  const again = await client.api("/me/events").post(body);
  assert.deepEqual([again.id, made.start], [made.id, { dateTime: "2026-03-09T09:00:00.0000000", timeZone: "UTC" }]);
  assert.deepEqual(
    (await client.api("/me/events").select("subject").get()).value.map((each) => each.subject),
    ["S"],
  );
});

test("it changes an event under its etag, not under one that was overtaken, and deletes it", async () => {
  const client = await api();
  const made = await client.api("/me/events").post(meeting());
  const one = () => client.api(`/me/events/${made.id}`);
  const changed = await one().header("If-Match", made["@odata.etag"]).patch({ subject: "T" });
  assert.deepEqual([changed.subject, changed["@odata.etag"] === made["@odata.etag"]], ["T", false]);
  const late = one().header("If-Match", made["@odata.etag"]).patch({ subject: "U" });
  assert.deepEqual(await refused(late), [412, "ErrorIrresolvableConflict"]);
  await one().delete();
  assert.deepEqual(await refused(one().get()), [404, "ErrorItemNotFound"]);
});

test("it follows a delta over pages, then what changed, and begins anew after 410", async () => {
  const client = await api();
  await act("office365/switch", { empty_pages: true });
  const ids = [];
  for (const day of [1, 2, 3]) {
    const times = { start: `2026-03-0${day}T10:00:00`, end: `2026-03-0${day}T11:00:00` };
    ids.push(await act("office365/event", { address: ANA, subject: `M${day}`, ...times }));
  }
  const headers = { Prefer: 'odata.maxpagesize=2, IdType="ImmutableId"' };
  const first = await client.api("/me/calendarView/delta").headers(headers).query(MARCH).get();
  assert.ok(first["@odata.nextLink"]);
  const { items, link } = await everything(client, first, { headers });
  assert.deepEqual(
    items.map((each) => each.subject),
    ["M1", "M2", "M3"],
  );
  await act("office365/delete", { address: ANA, event: ids[1] });
  await act("office365/change", { address: ANA, event: ids[2], subject: "N3" });
  const after = await everything(client, await client.api(link).headers(headers).get(), { headers });
  const told = new Map(after.items.map((each) => [each.id, each["@removed"]?.reason ?? each.subject]));
  assert.deepEqual(
    told,
    new Map([
      [items[1].id, "deleted"],
      [items[2].id, "N3"],
    ]),
  );
  await act("office365/expire_cursors");
  const gone = await refused(client.api(after.link).headers(headers).get());
  assert.deepEqual([gone[0], gone[1].toLowerCase()], [410, "syncstatenotfound"]);
});

test("it pages through a calendar view", async () => {
  const client = await api();
  for (const day of [1, 2, 3]) await client.api("/me/events").post(meeting({ subject: `M${day}` }));
  const first = await client.api("/me/calendarView").query(MARCH).top(2).select("subject").get();
  assert.equal(first.value.length, 2);
  assert.equal((await everything(client, first)).items.length, 3);
});

test("it reads a series' occurrences, moves one and calls one off", async () => {
  const client = await api();
  const range = { type: "numbered", startDate: "2026-03-27", numberOfOccurrences: 4, recurrenceTimeZone: "Romance Standard Time" };
  const from = (dateTime, minutes) => ({ dateTime: `2026-03-${dateTime}:${minutes}:00`, timeZone: "Romance Standard Time" });
  const times = (hour) => ({ start: from(hour, "00"), end: from(hour, "15") });
  const recurrence = { pattern: { type: "daily", interval: 1 }, range };
  const { id } = await client.api("/me/events").post({ subject: "Daily", ...times("27T09"), recurrence });
  const occurrences = async () => (await client.api(`/me/events/${id}/instances`).query(MARCH).get()).value;
  const before = await occurrences();
  assert.deepEqual(
    before.map((each) => each.start.dateTime),
    ["27T08", "28T08", "29T07", "30T07"].map((time) => `2026-03-${time}:00:00.0000000`),
  );
  const second = () => client.api(`/me/events/${before[1].id}`);
  await second().patch({ subject: "Moved", ...times("28T11") });
  assert.deepEqual(await refused(second().patch(times("27T08"))), [400, "ErrorOccurrenceCrossingBoundary"]);
  await client.api(`/me/events/${before[2].id}`).delete();
  assert.deepEqual(
    (await occurrences()).map((each) => [each.type, each.subject]),
    [
      ["occurrence", "Daily"],
      ["exception", "Moved"],
      ["occurrence", "Daily"],
    ],
  );
});

test("it calls a meeting off, and its guests are mailed", async () => {
  const client = await api();
  const { id } = await client.api("/me/events").post(meeting({ attendees: [{ type: "required", emailAddress: { address: BO } }] }));
  await client.api(`/me/events/${id}/cancel`).post({ comment: "c" });
  assert.deepEqual(
    (await mails()).map((mail) => [mail.kind, mail.to]),
    [
      ["invitation", BO],
      ["cancellation", BO],
    ],
  );
});

test("it asks for ids in another form, and finds a property of its own", async () => {
  const client = await api();
  const own = { id: "String {66f5a359-4659-4830-9070-00047ec6ac6e} Name ours", value: "v" };
  const { id } = await client.api("/me/events").post(meeting({ singleValueExtendedProperties: [own] }));
  const asked = { inputIds: [id], sourceIdType: "restId", targetIdType: "restImmutableEntryId" };
  const [{ targetId }] = (await client.api("/me/translateExchangeIds").post(asked)).value;
  const filter = `singleValueExtendedProperties/Any(ep: ep/id eq '${own.id}' and ep/value eq 'v')`;
  const found = await client.api("/me/events").header("Prefer", 'IdType="ImmutableId"').filter(filter).get();
  assert.deepEqual(
    found.value.map((each) => each.id),
    [targetId],
  );
});

test("it subscribes after a handshake, is told that something changed, renews and ends", async (t) => {
  const hook = await receiver(t, ({ url }) => new URL(url, SANDBOX).searchParams.get("validationToken"));
  const client = await api();
  const until = new Date(Date.now() + 3_600_000).toISOString();
  const asked = { changeType: "created,updated,deleted", resource: "/me/events", clientState: "c", expirationDateTime: until };
  const made = await client.api("/subscriptions").post({ ...asked, notificationUrl: hook.url });
  assert.deepEqual([made.clientState, made.resource, Date.parse(made.expirationDateTime)], ["c", "/me/events", Date.parse(until)]);
  const { id } = await client.api("/me/events").post(meeting());
  const [notice] = JSON.parse((await hook.next()).body).value;
  assert.deepEqual([notice.subscriptionId, notice.clientState, notice.changeType, notice.resourceData.id], [made.id, "c", "created", id]);
  const one = () => client.api(`/subscriptions/${made.id}`);
  const later = new Date(Date.now() + 7_200_000).toISOString();
  assert.equal(Date.parse((await one().patch({ expirationDateTime: later })).expirationDateTime), Date.parse(later));
  await one().delete();
  assert.deepEqual(await refused(one().get()), [404, "ResourceNotFound"]);
});

test("a subscription whose receiver does not echo the token is refused", async (t) => {
  const hook = await receiver(t, () => "something else");
  const client = await api();
  const until = new Date(Date.now() + 3_600_000).toISOString();
  const asked = { changeType: "created", resource: "/me/events", expirationDateTime: until, notificationUrl: hook.url };
  assert.deepEqual(await refused(client.api("/subscriptions").post(asked)), [400, "ValidationError"]);
});

test("it sends several requests as one", async () => {
  const client = await api();
  const { id } = await client.api("/me/events").post(meeting());
  const graph = "https://graph.microsoft.com";
  const steps = [
    { id: "read", request: new Request(`${graph}/me/events/${id}`) },
    { id: "missing", request: new Request(`${graph}/me/events/nothing`) },
    { id: "gone", request: new Request(`${graph}/me/events/${id}`, { method: "DELETE" }) },
  ];
  const said = await client.api("/$batch").post(await new BatchRequestContent(steps).getContent());
  const answers = new BatchResponseContent(said);
  assert.deepEqual(
    steps.map((step) => answers.getResponseById(step.id).status),
    [200, 404, 204],
  );
  assert.equal((await answers.getResponseById("read").json()).subject, "S");
});

test("it waits and tries again when it was told to", async () => {
  const client = await api();
  const tired = { effect: "status", simulator: "office365", status: 429, headers: { "Retry-After": "0" }, times: 2 };
  await act("faults", tired);
  assert.equal((await client.api("/me").get()).userPrincipalName, ANA);
});

test("a token that is not known is refused", async () => {
  const stranger = Client.init({
    baseUrl: `${SANDBOX}/`,
    customHosts: new Set([new URL(SANDBOX).hostname]),
    authProvider: (done) => done(null, "nobody's"),
  });
  assert.deepEqual(await refused(stranger.api("/me/events").get()), [401, "InvalidAuthenticationToken"]);
});

// @googleapis/calendar, with the login of google-auth-library: pointed at the sandbox by `rootUrl` and `endpoints`.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { auth, calendar } from "@googleapis/calendar";

import { SANDBOX, act, decided, mails, receiver } from "./sandbox.mjs";

const [ANA, BO, BACK] = ["ana@acme.example", "bo@client.example", "http://127.0.0.1:9000/callback"];
const TEN = { start: { dateTime: "2026-03-09T10:00:00+01:00" }, end: { dateTime: "2026-03-09T11:00:00+01:00" } };
const SCOPES = ["openid", "https://www.googleapis.com/auth/calendar.events"];
const primary = { calendarId: "primary" };

/** An application. `sandbox-client` is what `google/grant` grants to. */
function login() {
  return new auth.OAuth2({
    clientId: "sandbox-client",
    clientSecret: "cs",
    redirectUri: BACK,
    endpoints: {
      oauth2AuthBaseUrl: `${SANDBOX}/o/oauth2/v2/auth`,
      oauth2TokenUrl: `${SANDBOX}/token`,
      oauth2RevokeUrl: `${SANDBOX}/revoke`,
      tokenInfoUrl: `${SANDBOX}/tokeninfo`,
      oauth2FederatedSignonPemCertsUrl: `${SANDBOX}/oauth2/v1/certs`,
      oauth2FederatedSignonJwkCertsUrl: `${SANDBOX}/oauth2/v3/certs`,
    },
  });
}

/** The API as somebody's program has it: with a refresh token and nothing else, so that the first call has to refresh. */
async function api(address = ANA) {
  const client = login();
  const [, refresh_token] = await act("google/grant", { address });
  client.setCredentials({ refresh_token });
  return calendar({ version: "v3", auth: client, rootUrl: `${SANDBOX}/` });
}

/** The status and the reason of a refusal. */
async function refused(asked) {
  const error = await asked.then(
    () => assert.fail("it was not refused"),
    (thrown) => thrown,
  );
  assert.ok(error.response, error);
  return [error.response.status, error.response.data.error.errors[0].reason];
}

beforeEach(async () => {
  await act("reset");
  await act("google/user", { address: ANA, zone: "Europe/Paris" });
});

test("it makes, reads, changes and deletes an event", async () => {
  const { events } = await api();
  const made = await events.insert({ ...primary, sendUpdates: "none", requestBody: { id: "kickoff01", summary: "S", ...TEN } });
  assert.deepEqual([made.status, made.data.id, made.data.organizer.email], [200, "kickoff01", ANA]);
  const one = { ...primary, eventId: made.data.id };
  assert.equal((await events.patch({ ...one, requestBody: { summary: "T" } })).data.summary, "T");
  assert.equal((await events.update({ ...one, requestBody: { summary: "U", ...TEN } })).data.summary, "U");
  assert.equal((await events.delete(one)).status, 204);
  assert.equal((await events.get(one)).data.status, "cancelled");
});

test("a change under an etag that was overtaken is refused, and so is an id that is taken", async () => {
  const { events } = await api();
  const { data: made } = await events.insert({ ...primary, requestBody: { id: "kickoff01", ...TEN } });
  const one = { ...primary, eventId: made.id };
  const change = (summary, etag) => events.patch({ ...one, requestBody: { summary } }, { headers: { "If-Match": etag } });
  const { data: changed } = await change("T", made.etag);
  assert.equal(changed.summary, "T");
  assert.notEqual(changed.etag, made.etag);
  assert.deepEqual(await refused(change("U", made.etag)), [412, "conditionNotMet"]);
  assert.deepEqual(await refused(events.insert({ ...primary, requestBody: { id: made.id, ...TEN } })), [409, "duplicate"]);
});

test("it lists by pages, then what changed, and begins anew after 410", async () => {
  const { events } = await api();
  for (const day of [1, 2, 3, 4, 5]) {
    await act("google/event", { owner: ANA, summary: `Day ${day}`, start: `2026-04-0${day}`, end: `2026-04-0${day + 1}` });
  }
  const found = [];
  let page = {};
  do {
    page = (await events.list({ ...primary, maxResults: 2, pageToken: page.nextPageToken })).data;
    found.push(...page.items);
  } while (page.nextPageToken);
  assert.deepEqual(
    found.map((each) => each.summary),
    ["Day 1", "Day 2", "Day 3", "Day 4", "Day 5"],
  );
  await act("google/delete", { address: ANA, id: found[0].id });
  const { data: after } = await events.list({ ...primary, syncToken: page.nextSyncToken });
  assert.deepEqual(
    after.items.map((each) => [each.id, each.status]),
    [[found[0].id, "cancelled"]],
  );
  await act("google/invalidate");
  assert.deepEqual(await refused(events.list({ ...primary, syncToken: after.nextSyncToken })), [410, "fullSyncRequired"]);
  assert.equal((await events.list(primary)).data.items.length, 4);
});

test("it reads the instances of a series and the list of calendars", async () => {
  const { events, calendarList } = await api();
  const times = { start: "2026-03-28T09:00", end: "2026-03-28T09:15" };
  const { id } = await act("google/event", { owner: ANA, summary: "Daily", ...times, recurrence: ["RRULE:FREQ=DAILY;COUNT=2"] });
  const { data } = await events.instances({ ...primary, eventId: id });
  assert.deepEqual(
    data.items.map((each) => each.start.dateTime),
    ["2026-03-28T09:00:00+01:00", "2026-03-29T09:00:00+02:00"],
  );
  assert.equal((await calendarList.list()).data.items[0].id, ANA);
});

test("what stands in a question several times arrives as often", async () => {
  const { events } = await api();
  for (const [id, properties] of Object.entries({ one01: { a: "1" }, both01: { a: "1", b: "2 & 3" } })) {
    await events.insert({ ...primary, requestBody: { id, ...TEN, extendedProperties: { private: properties } } });
  }
  const { data } = await events.list({ ...primary, privateExtendedProperty: ["a=1", "b=2 & 3"] });
  assert.deepEqual(
    data.items.map((each) => each.id),
    ["both01"],
  );
});

test("guests are mailed, and answer in their own calendars", async () => {
  await act("google/user", { address: BO });
  const { events } = await api();
  const attendees = [{ email: BO }];
  const { data: made } = await events.insert({ ...primary, sendUpdates: "all", requestBody: { ...TEN, attendees } });
  assert.deepEqual(
    (await mails()).map((mail) => [mail.kind, mail.to]),
    [["invitation", BO]],
  );
  const bo = await api(BO);
  const answer = { attendees: [{ email: BO, responseStatus: "accepted" }] };
  await bo.events.patch({ ...primary, eventId: made.id, sendUpdates: "all", requestBody: answer });
  const { data: seen } = await events.get({ ...primary, eventId: made.id });
  assert.deepEqual(
    seen.attendees.map((each) => [each.email, each.responseStatus]),
    [[BO, "accepted"]],
  );
});

test("it watches, is told that something changed, and stops", async (t) => {
  const hook = await receiver(t);
  const { events, channels } = await api();
  const asked = { id: "ch-1", type: "web_hook", address: hook.url, token: "t", params: { ttl: "3600" } };
  const { data: channel } = await events.watch({ ...primary, requestBody: asked });
  assert.deepEqual([channel.kind, channel.id], ["api#channel", "ch-1"]);
  const { headers: first } = await hook.next();
  assert.deepEqual([first["x-goog-resource-state"], first["x-goog-channel-token"]], ["sync", "t"]);
  await events.insert({ ...primary, requestBody: TEN });
  const { headers: second, body } = await hook.next();
  assert.deepEqual(
    [second["x-goog-resource-state"], second["x-goog-channel-id"], second["x-goog-resource-id"], body],
    ["exists", "ch-1", channel.resourceId, ""],
  );
  assert.equal((await channels.stop({ requestBody: { id: channel.id, resourceId: channel.resourceId } })).status, 204);
});

test("it tries again by itself when the server is tired", async () => {
  const { events } = await api();
  await act("faults", { effect: "status", simulator: "google", status: 503, path: "/events$", times: 1 });
  assert.deepEqual((await events.list(primary)).data.items, []);
});

/** Ana agrees; the code, and the verifier that belongs to it. */
async function agreed(client) {
  const { codeVerifier, codeChallenge } = await client.generateCodeVerifierAsync();
  const asked = { access_type: "offline", scope: SCOPES, state: "s", code_challenge: codeChallenge, code_challenge_method: "S256" };
  const back = await decided(client.generateAuthUrl(asked), { account: ANA, consent: "allow" });
  assert.equal(back.state, "s");
  return { code: back.code, codeVerifier };
}

test("somebody signs in with PKCE; the id token is good, and what was granted is revoked", async () => {
  const client = login();
  const { tokens } = await client.getToken(await agreed(client));
  const ticket = await client.verifyIdToken({ idToken: tokens.id_token, audience: "sandbox-client" });
  assert.equal(ticket.getPayload().email, ANA);
  client.setCredentials(tokens);
  assert.deepEqual((await client.getTokenInfo(tokens.access_token)).scopes, SCOPES);
  assert.notEqual((await client.refreshAccessToken()).credentials.access_token, tokens.access_token);
  assert.equal((await client.revokeToken(tokens.refresh_token)).status, 200);
  await assert.rejects(client.refreshAccessToken(), /invalid_grant/);
});

test("a code that comes with another's verifier is refused", async () => {
  const client = login();
  const mixed = { ...(await agreed(client)), codeVerifier: (await client.generateCodeVerifierAsync()).codeVerifier };
  await assert.rejects(client.getToken(mixed), /invalid_grant/);
});

test("an application hears that somebody declined", async () => {
  const back = await decided(login().generateAuthUrl({ scope: SCOPES }), { consent: "deny" });
  assert.equal(back.error, "access_denied");
});

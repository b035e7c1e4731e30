// @hubspot/api-client: pointed at the sandbox by `basePath`.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Client, Signature } from "@hubspot/api-client";

import { SANDBOX, act, answered, decided, receiver } from "./sandbox.mjs";

const [ANA, BO] = ["ana@acme.example", "bo@client.example"];
const [CLIENT_ID, CLIENT_SECRET] = ["sandbox-hubspot", "sandbox-hubspot-secret"];
const APP = 54321;
const WITH_CONTACT = { associationCategory: "HUBSPOT_DEFINED", associationTypeId: 200 };
const TEN = "2026-01-05T10:00:00Z";

/** The app, at the portal. */
async function api(more = {}) {
  return new Client({ accessToken: await act("hubspot/token"), basePath: SANDBOX, ...more });
}

/** The status of a refusal, and its category or the limit that was reached. */
async function refused(asked) {
  const error = await asked.then(
    () => assert.fail("it was not refused"),
    (thrown) => thrown,
  );
  assert.ok(error.code, error);
  return [error.code, error.body.category ?? error.body.policyName];
}

beforeEach(async () => {
  await act("reset");
  await act("hubspot/portal");
  await act("hubspot/user", { email: ANA });
});

test("it makes a meeting with its contact, reads, changes and archives it", async () => {
  const { crm } = await api();
  const { basicApi } = crm.objects.meetings;
  const bo = await act("hubspot/contact", { email: BO });
  const properties = { hs_meeting_title: "T", hs_timestamp: TEN };
  const made = await basicApi.create({ properties, associations: [{ to: { id: bo }, types: [WITH_CONTACT] }] });
  const read = await basicApi.getById(made.id, ["hs_meeting_title"], undefined, ["contacts"]);
  assert.deepEqual([read.properties.hs_meeting_title, read.associations.contacts.results[0].id], ["T", bo]);
  assert.ok(read.createdAt instanceof Date);
  const changed = await basicApi.update(made.id, { properties: { hs_meeting_outcome: "CANCELED" } });
  assert.equal(changed.properties.hs_meeting_outcome, "CANCELED");
  await basicApi.archive(made.id);
  assert.deepEqual(await refused(basicApi.getById(made.id)), [404, "OBJECT_NOT_FOUND"]);
  assert.deepEqual(
    (await basicApi.getPage(10, undefined, undefined, undefined, undefined, true)).results.map((each) => each.id),
    [made.id],
  );
});

test("it searches by pages", async () => {
  const { crm } = await api();
  const ids = [];
  for (const title of ["a", "b", "c"]) ids.push(await act("hubspot/schedule", { user: ANA, title, start: 1_773_050_400_000 }));
  const filters = [{ propertyName: "hs_lastmodifieddate", operator: "GTE", value: "0" }];
  const asked = { filterGroups: [{ filters }], sorts: ["hs_lastmodifieddate"], properties: ["hs_meeting_title"], limit: 2 };
  const first = await crm.objects.meetings.searchApi.doSearch(asked);
  const second = await crm.objects.meetings.searchApi.doSearch({ ...asked, after: first.paging.next.after });
  assert.deepEqual([first.total, second.paging], [3, undefined]);
  assert.deepEqual(
    [...first.results, ...second.results].map((each) => each.id),
    ids,
  );
});

test("it reads, makes and archives in batches, and hears which were not there", async () => {
  const { crm } = await api();
  const { batchApi, basicApi } = crm.contacts;
  const inputs = [0, 1, 2].map((n) => ({ properties: { email: `g${n}@client.example` }, associations: [] }));
  const made = (await batchApi.create({ inputs })).results.map(({ id }) => ({ id }));
  const read = await batchApi.read({ inputs: [...made, { id: "9" }], properties: ["email"], propertiesWithHistory: [] });
  assert.deepEqual([read.results.length, read.numErrors, read.errors[0].context], [3, 1, { ids: ["9"] }]);
  await batchApi.archive({ inputs: made });
  assert.deepEqual((await basicApi.getPage()).results, []);
});

test("it associates, reads associations one by one and in batches, and ends them", async () => {
  const { crm } = await api();
  const { basicApi, batchApi } = crm.associations.v4;
  const bo = await act("hubspot/contact", { email: BO });
  const meeting = await act("hubspot/schedule", { user: ANA, title: "T", start: 1_773_050_400_000 });
  const between = ["meetings", meeting, "contacts"];
  await basicApi.create(...between, bo, [WITH_CONTACT]);
  const [there] = (await basicApi.getPage(...between)).results;
  assert.deepEqual([there.toObjectId, there.associationTypes[0].typeId], [bo, 200]);
  const back = await batchApi.getPage("contacts", "meetings", { inputs: [{ id: bo }] });
  assert.deepEqual(
    back.results.map((each) => [each._from.id, each.to[0].toObjectId, each.to[0].associationTypes[0].typeId]),
    [[bo, meeting, 199]],
  );
  await basicApi.archive(...between, bo);
  assert.deepEqual((await basicApi.getPage(...between)).results, []);
  assert.equal((await basicApi.createDefault(...between, bo)).results[0].associationSpec.associationTypeId, 200);
});

test("it follows the pages of everything there is", async () => {
  const { crm } = await api();
  for (const n of [0, 1, 2, 3, 4]) await act("hubspot/contact", { email: `g${n}@client.example` });
  const found = await crm.contacts.getAll(2, undefined, ["email"]);
  assert.deepEqual(
    found.map((each) => each.properties.email),
    [0, 1, 2, 3, 4].map((n) => `g${n}@client.example`),
  );
});

test("it merges contacts and erases one for good", async () => {
  const { basicApi } = (await api()).crm.contacts;
  const [bo, bob] = [await act("hubspot/contact", { email: BO }), await act("hubspot/contact", { email: "bob@client.example" })];
  const merged = await basicApi.merge({ primaryObjectId: bo, objectIdToMerge: bob });
  assert.equal(merged.properties.email, BO);
  await basicApi.purge({ objectId: merged.id });
  assert.deepEqual(await refused(basicApi.getById(merged.id)), [404, "OBJECT_NOT_FOUND"]);
});

test("it finds owners", async () => {
  const { crm } = await api();
  const { results } = await crm.owners.ownersApi.getPage(ANA);
  assert.deepEqual(
    results.map((each) => each.email),
    [ANA],
  );
});

test("it tries again by itself when the server is tired", async () => {
  const { basicApi } = (await api({ numberOfApiCallRetries: 2 })).crm.contacts;
  await act("faults", { effect: "status", simulator: "hubspot", status: 500 });
  assert.deepEqual((await basicApi.getPage()).results, []);
});

test("it understands that it searched too often, and waits", async () => {
  // One after the other: a client that is made takes the patience from those whose parts were not used yet.
  const [patient, hasty] = [(await api({ numberOfApiCallRetries: 2 })).crm.contacts, (await api()).crm.contacts];
  await act("hubspot/switches", { search_limit: 1 });
  await act("clock", { freeze: true });
  const search = (contacts) => contacts.searchApi.doSearch({ limit: 1 });
  await search(hasty);
  assert.deepEqual(await refused(search(hasty)), [429, "SECONDLY"]);
  const waiting = search(patient);
  while ((await answered("/search")).length < 3);
  await act("clock", { move: 1000 });
  assert.equal((await waiting).total, 0);
  assert.deepEqual(await answered("/search"), [200, 429, 429, 200]);
});

test("an app is installed by somebody, and its code is good once", async () => {
  const [scope, back] = ["crm.objects.contacts.read oauth", "http://127.0.0.1:9000/callback"];
  const client = new Client({ basePath: SANDBOX });
  // The address of the page is the one thing that `basePath` does not move.
  const page = new URL(client.oauth.getAuthorizationUrl(CLIENT_ID, back, scope, undefined, "s"));
  const { code, state } = await decided(`${SANDBOX}${page.pathname}${page.search}`, { portal: "62515" });
  assert.equal(state, "s");
  const exchanged = () => client.oauth.tokensApi.create("authorization_code", code, back, CLIENT_ID, CLIENT_SECRET);
  client.setAccessToken((await exchanged()).accessToken);
  assert.deepEqual((await client.crm.contacts.basicApi.getPage()).results, []);
  assert.equal((await refused(exchanged()))[0], 400);
});

test("it refreshes its token until the app is removed", async () => {
  const { refresh } = await act("hubspot/install", { user: ANA });
  const { oauth } = new Client({ basePath: SANDBOX });
  const refreshed = () => oauth.tokensApi.create("refresh_token", undefined, undefined, CLIENT_ID, CLIENT_SECRET, refresh);
  const tokens = await refreshed();
  assert.deepEqual([tokens.expiresIn, tokens.refreshToken], [1800, refresh]);
  const about = await oauth.accessTokensApi.get(tokens.accessToken);
  assert.deepEqual([about.hubId, about.user], [62515, ANA]);
  await act("hubspot/uninstall");
  assert.equal((await refused(refreshed()))[0], 400);
});

test("it keeps the app's webhook subscriptions", async () => {
  const client = new Client({ developerApiKey: "sandbox-developer-key", basePath: SANDBOX });
  const { settingsApi, subscriptionsApi } = client.webhooks;
  const settings = { targetUrl: "http://127.0.0.1:9/hooks", throttling: { maxConcurrentRequests: 10 } };
  assert.equal((await settingsApi.configure(APP, settings)).targetUrl, settings.targetUrl);
  const made = await subscriptionsApi.create(APP, { eventType: "contact.propertyChange", propertyName: "email", active: true });
  assert.equal((await subscriptionsApi.update(made.id, APP, { active: false })).active, false);
  await subscriptionsApi.archive(made.id, APP);
  assert.deepEqual((await subscriptionsApi.getAll(APP)).results, []);
});

test("it believes the signature of a webhook", async (t) => {
  const hook = await receiver(t);
  await act("hubspot/install", { user: ANA });
  await act("hubspot/subscribe", { target: hook.url });
  const bo = await act("hubspot/contact", { email: BO });
  const { headers, body } = await hook.next();
  const told = { method: "POST", url: hook.url, clientSecret: CLIENT_SECRET, requestBody: body };
  const timestamp = Number(headers["x-hubspot-request-timestamp"]);
  const v3 = { ...told, signatureVersion: "v3", signature: headers["x-hubspot-signature-v3"], timestamp };
  assert.ok(Signature.isValid(v3));
  assert.ok(!Signature.isValid({ ...v3, requestBody: `${body} ` }));
  assert.ok(Signature.isValid({ ...told, signatureVersion: "v1", signature: headers["x-hubspot-signature"] }));
  assert.deepEqual(new Set(JSON.parse(body).map((each) => each.objectId)), new Set([Number(bo)]));
});

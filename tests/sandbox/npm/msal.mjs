// @azure/msal-node: pointed at the sandbox by `authority` and `knownAuthorities`. It speaks to a login over https only.
//
// The application "app" with the secret "s3cret" is registered, for BACK.

import assert from "node:assert/strict";
import { before, test } from "node:test";

import { AuthError, ConfidentialClientApplication, CryptoProvider, PublicClientApplication, ResponseMode } from "@azure/msal-node";

import { SANDBOX, act, decided } from "./sandbox.mjs";

const [ANA, BACK] = ["ana@acme.example", "http://127.0.0.1:9000/callback"];
const SCOPES = ["Calendars.ReadWrite", "User.Read"];

function application(tenant = "common", clientSecret = "s3cret") {
  const authority = `${SANDBOX}/${tenant}`;
  return new ConfidentialClientApplication({
    auth: { clientId: "app", clientSecret, authority, knownAuthorities: [new URL(SANDBOX).host] },
  });
}

/** A whole sign-in of Ana's. */
async function signedIn(app, more = {}) {
  const crypto = new CryptoProvider();
  const { verifier: codeVerifier, challenge } = await crypto.generatePkceCodes();
  const [nonce, state] = [crypto.createNewGuid(), crypto.createNewGuid()];
  const asked = { scopes: SCOPES, redirectUri: BACK, responseMode: ResponseMode.QUERY, nonce, state };
  const url = await app.getAuthCodeUrl({ ...asked, codeChallenge: challenge, codeChallengeMethod: "S256" });
  const back = await decided(url, { account: ANA, decision: "accept" });
  assert.equal(back.state, state);
  const { code, client_info } = back;
  const request = { code, scopes: SCOPES, redirectUri: BACK, codeVerifier, clientInfo: client_info, state, nonce, ...more };
  return app.acquireTokenByCode(request, back);
}

/** The refusal that this ends with. */
async function refused(asked) {
  const error = await asked.then(
    () => assert.fail("it was not refused"),
    (thrown) => thrown,
  );
  assert.ok(error instanceof AuthError, error);
  return [error.errorCode, Number(error.errorNo)];
}

/** Graph's answer to this token. */
async function me(accessToken) {
  const said = await fetch(`${SANDBOX}/v1.0/me`, { headers: { Authorization: `Bearer ${accessToken}` } });
  return (await said.json()).mail;
}

let oid;

before(async () => {
  oid = await act("entra/user", { address: ANA, name: "Ana Ruiz" });
});

test("somebody signs in with PKCE, and is known by their ids", async () => {
  const got = await signedIn(application());
  assert.deepEqual([got.account.username, got.account.name, got.account.localAccountId], [ANA, "Ana Ruiz", oid]);
  assert.equal(got.account.homeAccountId, `${oid}.${got.tenantId}`);
  assert.equal(got.idTokenClaims.aud, "app");
  assert.equal(await me(got.accessToken), ANA);
  assert.ok(got.expiresOn > new Date());
});

test("a code that comes with another's verifier is refused", async () => {
  const { verifier } = await new CryptoProvider().generatePkceCodes();
  assert.deepEqual(await refused(signedIn(application(), { codeVerifier: verifier })), ["invalid_grant", 501481]);
});

test("an id token that is for another sign-in is not believed", async () => {
  await assert.rejects(signedIn(application(), { nonce: "another" }), { errorCode: "nonce_mismatch" });
});

test("an application that does not know its secret is refused", async () => {
  assert.deepEqual(await refused(signedIn(application("common", "guessed"))), ["invalid_client", 7000215]);
});

test("tokens are remembered, refreshed, and lost when the permission is", async () => {
  const app = application();
  const { account, accessToken } = await signedIn(app);
  const remembered = await app.acquireTokenSilent({ account, scopes: SCOPES });
  assert.deepEqual([remembered.fromCache, remembered.accessToken], [true, accessToken]);
  // The second time by the refresh token that the first one brought.
  const fresh = [];
  for (const _ of [1, 2]) fresh.push(await app.acquireTokenSilent({ account, scopes: SCOPES, forceRefresh: true }));
  assert.equal(new Set([accessToken, ...fresh.map((each) => each.accessToken)]).size, 3);
  assert.equal(await me(fresh[1].accessToken), ANA);
  await act("entra/revoke", { address: ANA });
  assert.deepEqual(await refused(app.acquireTokenSilent({ account, scopes: SCOPES, forceRefresh: true })), ["invalid_grant", 50173]);
});

test("a refresh token is good once", async () => {
  const app = application();
  await signedIn(app);
  const [{ secret: refreshToken }] = Object.values(JSON.parse(app.getTokenCache().serialize()).RefreshToken);
  const got = await app.acquireTokenByRefreshToken({ refreshToken, scopes: SCOPES });
  assert.equal(await me(got.accessToken), ANA);
  assert.equal((await refused(application().acquireTokenByRefreshToken({ refreshToken, scopes: SCOPES })))[0], "invalid_grant");
});

test("an application gets a token of its own", async () => {
  const got = await application("tenant-1").acquireTokenByClientCredential({ scopes: ["https://graph.microsoft.com/.default"] });
  const said = await fetch(`${SANDBOX}/v1.0/users/${ANA}`, { headers: { Authorization: `Bearer ${got.accessToken}` } });
  assert.equal((await said.json()).mail, ANA);
});

test("a program without a secret has a browser opened, and listens for what comes back", async () => {
  const auth = { clientId: "desktop", authority: `${SANDBOX}/common`, knownAuthorities: [new URL(SANDBOX).host] };
  // What comes back is a form (`response_mode=form_post`), which the browser sends on.
  const openBrowser = async (page) => {
    const form = await (await fetch(`${page}&${new URLSearchParams({ account: ANA, decision: "accept" })}`)).text();
    const fields = [...form.matchAll(/name="([^"]+)" value="([^"]*)"/g)].map(([, name, value]) => [name, value]);
    await fetch(form.match(/action="([^"]+)"/)[1], { method: "POST", body: new URLSearchParams(fields) });
  };
  const got = await new PublicClientApplication({ auth }).acquireTokenInteractive({ scopes: SCOPES, openBrowser });
  assert.deepEqual([got.account.username, await me(got.accessToken)], [ANA, ANA]);
});

test("an application hears that somebody declined", async () => {
  const url = await application().getAuthCodeUrl({ scopes: SCOPES, redirectUri: BACK, responseMode: ResponseMode.QUERY });
  assert.equal((await decided(url, { decision: "decline" })).error, "access_denied");
});

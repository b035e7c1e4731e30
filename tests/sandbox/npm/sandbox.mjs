// What the clients' files share: where the sandbox is, how people act in it, and a server that takes what it pushes.
//
// SANDBOX is its https address; NODE_EXTRA_CA_CERTS is to name its certificate. Acting is the control API's: no client knows of it.

import { createServer } from "node:http";

export const SANDBOX = process.env.SANDBOX;

/** Act as a person or an administrator would, e.g. `act("google/user", { address })`; what comes of it. */
export async function act(what, told = {}) {
  const said = await fetch(`${SANDBOX}/sandbox/${what}`, { method: "POST", body: JSON.stringify(told) });
  const body = await said.json();
  if (!said.ok) throw new Error(`${what}: ${said.status} ${JSON.stringify(body)}`);
  return body !== null && typeof body === "object" && "result" in body ? body.result : body;
}

/** What the providers mailed, the oldest first. */
export async function mails() {
  return (await fetch(`${SANDBOX}/sandbox/mails`)).json();
}

/** The statuses that were answered for paths with such an end, the oldest first. */
export async function answered(end) {
  const { last } = await (await fetch(`${SANDBOX}/sandbox/requests`)).json();
  return last.filter((each) => each.path.endsWith(end)).map((each) => each.status);
}

/** Somebody decides on a provider's page; what the browser brings back to the application. */
export async function decided(page, decision) {
  const url = new URL(page);
  for (const [name, value] of Object.entries(decision)) url.searchParams.set(name, value);
  const said = await fetch(url, { redirect: "manual" });
  return Object.fromEntries(new URL(said.headers.get("location")).searchParams);
}

/** A server on a free port, until the test is over. `next()` is the next request that `answer` has no answer to (null). */
export async function receiver(test, answer = () => null) {
  const [taken, waiting] = [[], []];
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const asked = { url: request.url, headers: request.headers, body: Buffer.concat(parts).toString() };
    const said = answer(asked);
    response.writeHead(200, { "Content-Type": "text/plain" }).end(said ?? "");
    if (said === null) (waiting.shift() ?? ((one) => taken.push(one)))(asked);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  test.after(() => server.close());
  return {
    url: `http://127.0.0.1:${server.address().port}/hook`,
    next: () => new Promise((resolve) => (taken.length ? resolve(taken.shift()) : waiting.push(resolve))),
  };
}

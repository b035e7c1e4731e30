// The control page: what the providers have is read from /sandbox/state, what a person does is posted to the control API.
// Everything that somebody typed is put into the page as text, never as HTML.

const ROLES = ["salesperson", "guest", "admin"];
const HOUR = 3_600_000;
const REFRESH_MS = 2000;

let role = ROLES.includes(location.hash.slice(1)) ? location.hash.slice(1) : "salesperson";
let state = null;
let portal = null;

// --- making elements ------------------------------------------------------------------------------------------------

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const button = (text, act) => make("button", { type: "button", onclick: act }, text);
const at = (id) => document.getElementById(id);

function table(heads, rows) {
  if (rows.length === 0) return make("p", { className: "quiet" }, "Nothing yet.");
  const head = make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text)));
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows));
}

function row(cells, gone = false) {
  return make("tr", { className: gone ? "gone" : "" }, ...cells.map((cell) => make("td", {}, cell ?? "")));
}

const panel = (title, ...content) => make("section", { className: "panel" }, make("h2", {}, title), ...content);
const buttons = (...all) => make("div", { className: "buttons" }, ...all.filter(Boolean));

// --- asking ---------------------------------------------------------------------------------------------------------

async function ask(method, path, body) {
  const options = { method, headers: { "Content-Type": "application/json" } };
  if (body !== undefined) options.body = JSON.stringify(body);
  const answer = await fetch(`/sandbox/${path}`, options);
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(typeof said.error === "string" ? said.error : said.error?.message ?? `${answer.status}`);
  return said;
}

async function act(what, method, path, body) {
  try {
    await ask(method, path, body);
    notice(what, false);
  } catch (error) {
    notice(`${what}: ${error.message}`, true);
  }
  await refresh();
}

function notice(text, bad) {
  const shown = at("notice");
  shown.textContent = text;
  shown.className = bad ? "bad" : "";
  shown.hidden = false;
}

const hubspotAct = (what, verb, body) => act(what, "POST", `hubspot/${verb}`, { portal: portal?.id, ...body });

// --- times, in UTC --------------------------------------------------------------------------------------------------

const written = (ms) => new Date(ms).toISOString().slice(0, 19);
const parsed = (text) => Date.parse(/Z$|[+-]\d\d:\d\d$/.test(text) ? text : `${text.slice(0, 19)}Z`);
const shownTime = (text) => make("time", {}, text?.includes("T") ? written(parsed(text)).slice(0, 16).replace("T", " ") : text ?? "");

function nextHour(days = 1) {
  const now = state?.clock.now ?? Date.now();
  return written(Math.ceil(now / HOUR) * HOUR + days * 24 * HOUR).slice(0, 16);
}

function span(values) {
  const start = parsed(`${values.start}:00`);
  return { start: written(start), end: written(start + Number(values.minutes) * 60_000) };
}

const zulu = ({ start, end }) => ({ start: `${start}Z`, end: `${end}Z` });
const addresses = (text) => text.split(/[\s,;]+/).filter(Boolean);

// --- forms ----------------------------------------------------------------------------------------------------------

const users = () => (portal?.users ?? []).map((user) => [user.email, user.email]);
const records = (kind) => () => (portal?.[kind] ?? []).filter((one) => !one.archived).map((one) => [one.id, one.name || one.email || one.id]);
const googleUsers = () => (state?.simulators.google?.users ?? []).map((user) => [user.address, user.address]);
const mailboxes = () => (state?.simulators.office365?.mailboxes ?? []).map((box) => [box.address, box.address]);
const simulators = () => [["*", "all"], ...Object.keys(state?.simulators ?? {}).map((name) => [name, name])];

const WHEN = [
  { name: "start", label: "Start (UTC)", type: "datetime-local", value: () => nextHour() },
  { name: "minutes", label: "Minutes", type: "number", value: () => "60" },
];
const text = (name, label, value = "") => ({ name, label, type: "text", value: () => value });
const choice = (name, label, options, more = {}) => ({ name, label, type: "select", options, ...more });
const optional = (options) => () => [["", "–"], ...options()];
const one = (id) => (id ? [id] : []);

const ACTS = [
  {
    role: "salesperson", needs: "hubspot", title: "Schedule in HubSpot",
    fields: [
      choice("user", "As", users), text("title", "Title", "Kick-off"), ...WHEN,
      choice("contacts", "Contacts", records("contacts"), { multiple: true }),
      choice("company", "Company", optional(records("companies"))), choice("deal", "Deal", optional(records("deals"))),
      choice("ticket", "Ticket", optional(records("tickets"))), text("location", "Place"),
    ],
    submit: (v) => hubspotAct("Scheduled", "schedule", {
      user: v.user, title: v.title, ...zulu(span(v)), contacts: v.contacts, companies: one(v.company),
      deals: one(v.deal), tickets: one(v.ticket), location: v.location,
    }),
  },
  {
    role: "salesperson", needs: "google", title: "Invite from Google Calendar",
    fields: [choice("owner", "As", googleUsers), text("summary", "Title", "Review"), ...WHEN, text("guests", "Guests"), text("location", "Place")],
    submit: (v) => act("Made in Google", "POST", "google/event", {
      owner: v.owner, summary: v.summary, ...zulu(span(v)), guests: addresses(v.guests), location: v.location,
    }),
  },
  {
    role: "salesperson", needs: "office365", title: "Invite from Outlook",
    fields: [choice("address", "As", mailboxes), text("subject", "Title", "Review"), ...WHEN, text("guests", "Guests")],
    submit: (v) => act("Made in Outlook", "POST", "office365/event", {
      address: v.address, subject: v.subject, ...span(v), guests: addresses(v.guests),
    }),
  },
  {
    role: "guest", needs: "hubspot", title: "Book on a scheduling page",
    fields: [choice("user", "With", users), text("guest", "Your address"), text("name", "Your name"), ...WHEN],
    submit: (v) => hubspotAct("Booked", "book", { user: v.user, guest: v.guest, name: v.name, ...zulu(span(v)) }),
  },
  {
    role: "admin", needs: "hubspot", title: "Add a HubSpot user", fields: [text("email", "Address"), text("first", "First name"), text("last", "Last name")],
    submit: (v) => hubspotAct("User added", "user", v),
  },
  {
    role: "admin", needs: "hubspot", title: "Make a contact",
    fields: [text("email", "Address"), text("first", "First name"), text("last", "Last name"), text("company", "Company")],
    submit: (v) => hubspotAct("Contact made", "contact", v),
  },
  {
    role: "admin", needs: "hubspot", title: "Make a company, deal or ticket",
    fields: [choice("verb", "What", () => [["company", "Company"], ["deal", "Deal"], ["ticket", "Ticket"]]), text("name", "Name")],
    submit: (v) => hubspotAct("Made", v.verb, v.verb === "ticket" ? { subject: v.name } : { name: v.name }),
  },
  {
    role: "admin", needs: "hubspot", title: "Merge two contacts",
    fields: [choice("primary", "Keep the values of", records("contacts")), choice("other", "Merge into it", records("contacts"))],
    submit: (v) => hubspotAct("Merged", "merge", v),
  },
  {
    role: "admin", needs: "hubspot", title: "Open a HubSpot account", fields: [text("id", "Portal id", "62515"), text("name", "Name", "Acme")],
    submit: (v) => act("Account made", "POST", "hubspot/portal", { id: Number(v.id), name: v.name }),
  },
  {
    role: "admin", needs: "google", title: "Add a person at Google", fields: [text("address", "Address"), text("name", "Name"), text("zone", "Time zone", "Europe/Paris")],
    submit: (v) => act("Person added", "POST", "google/user", v),
  },
  {
    role: "admin", needs: "office365", title: "Add a person at Office 365", fields: [text("address", "Address"), text("name", "Name")],
    submit: (v) => act("Person added", "POST", "office365/user", v),
  },
  {
    role: "admin", title: "Let something go wrong",
    fields: [
      choice("effect", "Effect", () => [
        "status", "latency", "drop", "drop_after", "duplicate_push", "lose_push", "delay_push", "reorder_push", "repeat_event_id", "expired", "revoked_grant",
      ].map((name) => [name, name.replaceAll("_", " ")])),
      choice("simulator", "Of", simulators), text("path", "Path (regular expression)"), text("status", "Status", "503"),
      text("seconds", "Seconds", "5"), text("times", "Times (empty: for ever)", "1"),
    ],
    submit: (v) => act("Fault in force", "POST", "faults", {
      effect: v.effect, simulator: v.simulator, path: v.path, status: Number(v.status), seconds: Number(v.seconds),
      times: v.times === "" ? null : Number(v.times),
    }),
  },
];

function control(field) {
  if (field.type !== "select") return make("input", { type: field.type, name: field.name, value: field.value(), required: field.type !== "text" });
  const select = make("select", { name: field.name, multiple: Boolean(field.multiple) });
  select.source = field.options;
  fill(select);
  return select;
}

// Only when its options are others than before: a refresh must not undo what somebody is choosing.
function fill(select) {
  const options = select.source();
  const key = JSON.stringify(options);
  if (select.dataset.options === key) return;
  const chosen = new Set([...select.selectedOptions].map((option) => option.value));
  select.replaceChildren(...options.map(([value, label]) => make("option", { value, selected: chosen.has(value) }, label)));
  select.dataset.options = key;
}

function form(one) {
  const send = (event) => {
    event.preventDefault();
    const values = {};
    for (const field of one.fields) {
      const input = event.target.elements[field.name];
      values[field.name] = field.multiple ? [...input.selectedOptions].map((option) => option.value) : input.value.trim();
    }
    one.submit(values);
  };
  const labels = one.fields.map((field) => make("label", {}, field.label, control(field)));
  return make("details", { className: "panel" }, make("summary", {}, one.title), make("form", { onsubmit: send }, ...labels, make("button", {}, one.title)));
}

function showActs() {
  const known = ACTS.filter((one) => one.role === role && (!one.needs || one.needs in state.simulators));
  const forms = known.map(form);
  if (forms.length > 0) forms[0].open = true;
  at("acts").replaceChildren(...forms, ...(role === "admin" ? [adminButtons()] : []));
}

function adminButtons() {
  const has = (name) => name in state.simulators;
  return panel(
    "More", buttons(
      button("Send due pushes", () => act("Sent", "POST", "flush", {})),
      has("google") && button("Google: expire sync tokens", () => act("Expired", "POST", "google/invalidate", {})),
      has("office365") && button("Office 365: expire delta links", () => act("Expired", "POST", "office365/expire_cursors", {})),
      has("hubspot") && button("HubSpot: uninstall the app", () => hubspotAct("Uninstalled", "uninstall", {})),
      button("Forget everything", () => confirm("Forget everything?") && act("Forgotten", "POST", "reset", {})),
    ),
  );
}

// --- what the providers have ----------------------------------------------------------------------------------------

function hubspotPanel(hubspot) {
  const accounts = hubspot.portals.map((one) => [String(one.id), `${one.name} (${one.id})`]);
  const choose = (event) => { portal = hubspot.portals.find((one) => String(one.id) === event.target.value); showAll(); };
  const chooser = accounts.length > 1
    ? make("label", {}, "Account", make("select", { onchange: choose }, ...accounts.map(([value, label]) => make("option", { value, selected: value === String(portal.id) }, label))))
    : null;
  if (!portal) return panel("HubSpot", make("p", { className: "quiet" }, "No account yet: an admin makes one."));
  const kinds = ["contacts", "companies", "deals", "tickets"];
  const nameOf = (kind, id) => { const found = portal[kind].find((one) => one.id === id); return found?.email ?? found?.name ?? id; };
  const linked = (one) => kinds.flatMap((kind) => one[kind].map((id) => nameOf(kind, id))).join(", ");
  const meetings = [...portal.meetings].reverse().map((one) => row(
    [one.title, shownTime(one.start), one.owner, linked(one), one.archived ? "deleted" : one.outcome, one.source, meetingButtons(one)], one.archived,
  ));
  const contacts = portal.contacts.map((one) => row([one.name, one.email, one.id, contactButtons(one)], one.archived));
  return panel(
    "HubSpot", chooser, make("h3", {}, "Meetings"), table(["Title", "Start (UTC)", "Owner", "Logged for", "Outcome", "Source", ""], meetings),
    make("h3", {}, "Contacts"), table(["Name", "Address", "Id", ""], contacts), ...(role === "admin" ? userTable() : []),
  );
}

function meetingButtons(one) {
  if (role === "guest") return null;
  const later = written(parsed(one.start ?? "1970-01-01T00:00:00") + HOUR);
  if (one.archived) return buttons(button("Restore", () => hubspotAct("Restored", "restore", { type: "meetings", id: one.id })));
  return buttons(
    button("+1 h", () => hubspotAct("Moved", "move", { meeting: one.id, start: `${later}Z` })),
    button("Cancel", () => hubspotAct("Cancelled", "cancel", { meeting: one.id })),
    button("Delete", () => hubspotAct("Deleted", "delete", { type: "meetings", id: one.id })),
  );
}

function contactButtons(one) {
  if (role !== "admin") return null;
  if (one.archived) return buttons(button("Restore", () => hubspotAct("Restored", "restore", { type: "contacts", id: one.id })));
  return buttons(
    button("Delete", () => hubspotAct("Deleted", "delete", { type: "contacts", id: one.id })),
    button("Erase", () => confirm("Erase this contact for good?") && hubspotAct("Erased", "erase", { contact: one.id })),
  );
}

function userTable() {
  const rows = portal.users.map((user) => row([
    user.email, String(user.id), user.nativeSync ? "on" : "off", buttons(
      button(user.nativeSync ? "Sync off" : "Sync on", () => hubspotAct("Set", "native_sync", { user: user.email, on: !user.nativeSync })),
      button("Remove", () => hubspotAct("Removed", "leave", { user: user.email })),
    ),
  ]));
  return [make("h3", {}, "Users"), table(["Address", "Id", "HubSpot's own calendar sync", ""], rows)];
}

const ANSWERS = {
  google: [["Accept", "accepted"], ["Maybe", "tentative"], ["Decline", "declined"]],
  office365: [["Accept", "accepted"], ["Maybe", "tentativelyAccepted"], ["Decline", "declined"]],
};

// What each provider's control API calls the person and the event of an act.
const NAMES = {
  google: { event: "id", move: "address", delete: "address", cancel: "organizer", respond: "guest", zone: "Z" },
  office365: { event: "event", move: "address", delete: "address", cancel: "address", respond: "address", zone: "" },
};

// `own`: is this the organiser's copy? Nobody else can move or cancel a meeting for all, and he has nothing to answer.
function eventButtons(provider, who, { id, start, end, gone, own }) {
  if (gone) return null;
  const names = NAMES[provider];
  const doing = (label, verb, more = {}) => button(label, () => act(`${label} (${who})`, "POST", `${provider}/${verb}`, { [names[verb]]: who, [names.event]: id, ...more }));
  if (role === "guest") return own ? null : buttons(...ANSWERS[provider].map(([label, answer]) => doing(label, "respond", { answer })));
  const later = (time) => written(parsed(time) + HOUR) + names.zone;
  const move = own && start?.includes("T") ? doing("+1 h", "move", { start: later(start), end: later(end) }) : null;
  return buttons(move, own ? doing("Cancel", "cancel") : null, doing("Delete", "delete"));
}

const HEADS = ["Title", "Start (UTC)", "Guests", "State", ""];

function googlePanel(google) {
  const parts = Object.entries(google.calendars).flatMap(([id, calendar]) => {
    const rows = calendar.items.map((one) => {
      const [start, end] = [one.start?.dateTime ?? one.start?.date, one.end?.dateTime ?? one.end?.date];
      const guests = (one.attendees ?? []).map((guest) => `${guest.email} (${guest.responseStatus})`).join(", ");
      const gone = one.status === "cancelled";
      return row([one.summary, shownTime(start), guests, one.status, id === calendar.owner ? eventButtons("google", id, { id: one.id, start, end, gone, own: one.organizer?.self }) : null], gone);
    });
    return [make("h3", {}, calendar.summary === id ? id : `${calendar.summary} (${id})`), table(HEADS, rows)];
  });
  return panel("Google Calendar", ...(parts.length > 0 ? parts : [make("p", { className: "quiet" }, "Nobody yet: an admin adds people.")]));
}

function officePanel(office) {
  const parts = office.mailboxes.flatMap((box) => {
    const rows = box.events.map((one) => {
      const guests = (one.attendees ?? []).map((guest) => `${guest.emailAddress.address} (${guest.status?.response ?? "none"})`).join(", ");
      const [start, end] = [one.start?.dateTime, one.end?.dateTime];
      return row([one.subject, shownTime(start), guests, one.isCancelled ? "cancelled" : one.type, eventButtons("office365", box.address, { id: one.id, start, end, gone: one.isCancelled, own: one.isOrganizer })], one.isCancelled);
    });
    return [make("h3", {}, box.address), table(HEADS, rows)];
  });
  return panel("Office 365", ...(parts.length > 0 ? parts : [make("p", { className: "quiet" }, "Nobody yet: an admin adds people.")]));
}

function mailPanel(mails) {
  const rows = [...mails].reverse().slice(0, 30).map((mail) => row([shownTime(new Date(mail.at).toISOString()), mail.kind, mail.to, mail.title, mail.simulator]));
  return panel("Mails that the providers sent", table(["At (UTC)", "Kind", "To", "About", "By"], rows));
}

function faultPanel(faults) {
  const rows = faults.map((rule) => row([rule.effect, rule.simulator ?? "all", rule.path ?? "", String(rule.status ?? ""), "times" in rule ? String(rule.times ?? "for ever") : "1"]));
  return panel(
    "Faults in force", table(["Effect", "Of", "Path", "Status", "Times left"], rows),
    faults.length > 0 ? buttons(button("End all", () => act("Ended", "DELETE", "faults"))) : null,
  );
}

const PANELS = { hubspot: hubspotPanel, google: googlePanel, office365: officePanel };

function showProviders() {
  const shown = Object.entries(PANELS).filter(([name]) => name in state.simulators).map(([name, show]) => show(state.simulators[name]));
  at("shown").replaceChildren(...shown, mailPanel(state.mails), faultPanel(state.faults));
}

function showClock() {
  const pushes = `${state.pushes.waiting} pushes waiting, ${state.pushes.sent} sent`;
  at("clock").textContent = `${written(state.clock.now).replace("T", " ")} UTC${state.clock.frozen ? " (stands still)" : ""} · ${pushes}`;
}

function clockButtons() {
  const move = (label, ms) => button(label, () => act(`Clock ${label}`, "POST", "clock", { move: ms }));
  const set = (label, body) => button(label, () => act(label, "POST", "clock", body));
  at("clock-buttons").replaceChildren(
    move("+1 min", 60_000), move("+1 h", HOUR), move("+1 day", 24 * HOUR), set("Freeze", { freeze: true }), set("Run", { thaw: true }),
  );
}

function roleTabs() {
  const choose = (name) => { role = name; location.hash = name; showAll(); };
  at("roles").className = "buttons";
  at("roles").replaceChildren(...ROLES.map((name) => make("button", {
    type: "button", role: "tab", ariaSelected: String(name === role), onclick: () => choose(name),
  }, name[0].toUpperCase() + name.slice(1))));
}

function showAll() {
  roleTabs();
  showActs();
  showProviders();
  showClock();
}

async function refresh() {
  let next;
  try {
    next = await ask("GET", "state");
  } catch (error) {
    notice(`The sandbox does not answer: ${error.message}`, true);
    return;
  }
  const first = state === null || Object.keys(state.simulators).join() !== Object.keys(next.simulators).join();
  // Buttons must not be changed under somebody's finger: nothing is drawn anew unless something but the clock is new.
  const same = !first && JSON.stringify({ ...state, clock: 0 }) === JSON.stringify({ ...next, clock: 0 });
  state = next;
  const portals = state.simulators.hubspot?.portals ?? [];
  portal = portals.find((one) => one.id === portal?.id) ?? portals[0] ?? null;
  if (first) showAll();
  else if (!same) showProviders();
  showClock();
  for (const select of document.querySelectorAll("#acts select")) fill(select);
}

clockButtons();
await refresh();
setInterval(() => { if (!document.hidden) refresh(); }, REFRESH_MS);

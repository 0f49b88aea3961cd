// The page of one floor: its tables and open orders as they are, and edits that show at once but as pending until they are confirmed.

import { Link, newId } from "/web/link.js";

const HISTORY_LENGTH = 100;
const TICK_MS = 1_000;
const ONE = 1000; // quantities are in thousandths
const STATUS = {
  AVAILABLE: "free", RESERVED: "reserved", SEATED: "seated", ORDERED: "ordered", SERVED: "served",
  CHECK_DROPPED: "has the check", PAID: "paid", DIRTY: "to be cleaned", BLOCKED: "out of use",
};

const at = (id) => document.getElementById(id);
let link = null;
let floor = null; // the newest state, as the server has it
let shownSeq = -1;
let clockAhead = 0; // how far the server's clock is ahead of ours, in ms
let chosen = null; // a table's id
let codeOf = null; // the party whose QR code is shown
const edits = new Map(); // by the id of their frame: what they make of a floor, and the seq from which on it has them

function showState({ seq, state, server_now }) {
  if (seq < shownSeq) return;
  shownSeq = seq;
  floor = state;
  clockAhead = Date.parse(server_now) - Date.now();
  for (const [id, edit] of edits) if (edit.seq !== null && edit.seq <= seq) edits.delete(id);
  at("now").hidden = false;
  show();
}

// The floor with what was tapped here and is not confirmed yet.
function expected() {
  const view = structuredClone(floor);
  for (const edit of edits.values()) edit.apply(view);
  return view;
}

function show() {
  if (!floor) return;
  const view = expected();
  const known = new Map(Array.from(at("tables").children, (each) => [each.dataset.table, each]));
  for (const [place, table] of view.tables.entries()) {
    const line = known.get(table.id) ?? tableLine(table.id);
    known.delete(table.id);
    const there = at("tables").children[place];
    if (there !== line) at("tables").insertBefore(line, there ?? null); // whatever moves under a finger loses its tap
    showTable(line.firstChild, table, partyAt(view, table));
  }
  for (const gone of known.values()) gone.remove();
  const guests = view.parties.reduce((sum, party) => sum + party.size, 0);
  const waiting = edits.size ? ` · ${edits.size} not confirmed yet` : "";
  setText(at("summary"), `${view.parties.length} parties, ${guests} guests, ${view.waitlist.length} waiting${waiting}`);
  at("summary").classList.toggle("waiting", edits.size > 0);
  showChosen(view);
}

function tableLine(id) {
  const line = document.createElement("li");
  line.dataset.table = id;
  const button = document.createElement("button");
  button.type = "button";
  button.addEventListener("click", () => {
    chosen = id;
    tell("");
    show();
  });
  for (const part of ["name", "what", "stage"]) {
    const span = document.createElement("span");
    span.className = part;
    button.append(span);
  }
  line.append(button);
  return line;
}

function showTable(button, table, party) {
  button.dataset.status = table.status;
  button.setAttribute("aria-pressed", String(table.id === chosen));
  button.classList.toggle("pending", Boolean(table.pending));
  const [name, what, stage] = button.children;
  setText(name, party ? `${table.name} · ${party.size}` : table.name);
  setText(what, [STATUS[table.status], party?.name, table.waiter_id, table.pending ? "pending" : null].filter(Boolean).join(" · "));
  const staged = party || table.status === "DIRTY";
  const passed = (deadline) => deadline && Date.parse(deadline) <= now();
  setText(stage, staged ? minutes(table.since) : "");
  stage.className = `stage ${staged && passed(table.alert_at) ? "alert" : staged && passed(table.target_at) ? "target" : ""}`;
}

function partyAt(view, table) {
  return view.parties.find((party) => party.party_id === table.party_id) ?? null;
}

function showChosen(view) {
  const table = view.tables.find((each) => each.id === chosen);
  at("chosen").hidden = !table;
  if (!table) return;
  const party = partyAt(view, table);
  const free = !party && ["AVAILABLE", "RESERVED"].includes(table.status);
  setText(at("chosen-name"), `${table.name}: ${STATUS[table.status]}`);
  setText(at("chosen-party"), party ? partyLine(party) : `for ${table.min} to ${table.max} guests`);
  at("seat").hidden = !free;
  at("order").hidden = !party;
  at("clear").hidden = !party;
  at("code").hidden = !party || view.settings?.payments === "none";
  if (codeOf !== party?.party_id) at("qr").hidden = true;
  at("ready").hidden = party || table.status !== "DIRTY";
  const orders = party ? view.orders.filter((order) => order.party_id === party.party_id) : [];
  at("lines").replaceChildren(...orders.flatMap((order) => order.lines).map(orderLine));
}

function partyLine(party) {
  const tabs = party.tabs ?? [];
  const due = tabs.some((tab) => tab.balance_minor !== undefined) ? ` · ${(party.balance_minor ?? 0) / 100} ${tabs[0].currency} due` : "";
  return `${party.size} guests${party.name ? `, ${party.name}` : ""}, here for ${minutes(party.seated_at)}${due}`;
}

function orderLine(line) {
  const item = document.createElement("li");
  item.className = line.pending ? "pending" : "";
  const left = (line.ordered - (line.cancelled ?? 0)) / ONE;
  item.textContent = `${left} × ${line.sku}: ${line.pending ? "pending" : line.state.toLowerCase().replaceAll("_", " ")}`;
  return item;
}

const now = () => Date.now() + clockAhead;
const minutes = (since) => `${Math.max(0, Math.floor((now() - Date.parse(since)) / 60_000))} min`;

// Send a command, and show until it is confirmed what it will make of the floor.
function edit(command, data, apply) {
  const pending = { seq: null, apply };
  edits.set(link.command(command, data), pending);
  show();
}

function tableOf(view, id) {
  return view.tables.find((table) => table.id === id) ?? {};
}

function becomes(id, status, more = {}) {
  const since = new Date(now()).toISOString();
  return (view) => Object.assign(tableOf(view, id), { status, since, target_at: null, alert_at: null, pending: true }, more);
}

at("seat").addEventListener("submit", (submit) => {
  submit.preventDefault();
  const [id, size, party_id] = [chosen, at("guests").valueAsNumber, newId()];
  const seated = becomes(id, "SEATED", { party_id });
  const seated_at = new Date(now()).toISOString();
  edit("seat_party", { party_id, table_ids: [id], size }, (view) => {
    seated(view);
    if (!view.parties.some((party) => party.party_id === party_id)) view.parties.push({ party_id, size, seated_at });
  });
});

at("order").addEventListener("submit", (submit) => {
  submit.preventDefault();
  const view = expected();
  const party = partyAt(view, tableOf(view, chosen));
  if (!party) return;
  const { party_id } = party;
  const order_id = view.orders.find((order) => order.party_id === party_id && !order.merged_into)?.order_id ?? newId();
  const [id, line_id, sku] = [chosen, newId(), at("item").value.trim()];
  at("item").value = "";
  edit("place_order", { order_id, table_id: id, lines: [{ line_id, sku }] }, (later) => {
    tableOf(later, id).pending = true;
    const line = { line_id, sku, ordered: ONE, state: "NEW", pending: true };
    const order = later.orders.find((each) => each.order_id === order_id);
    if (!order) later.orders.push({ order_id, party_id, lines: [line] });
    else if (!order.lines.some((each) => each.line_id === line_id)) order.lines.push(line);
  });
});

at("clear").addEventListener("click", () => {
  const id = chosen;
  edit("clear_table", { table: id }, (view) => {
    const { party_id } = tableOf(view, id);
    for (const table of view.tables) if (party_id && table.party_id === party_id) becomes(table.id, "DIRTY", { party_id: null })(view);
    view.parties = view.parties.filter((party) => party.party_id !== party_id);
  });
});

// A code that shows the guests their bill and lets them pay it: issued by the till, signed by the gateway.
at("code").addEventListener("click", async () => {
  const view = expected();
  const party = partyAt(view, tableOf(view, chosen));
  if (!party) return;
  const till = encodeURIComponent(view.settings?.pos_location ?? link.id.split(":")[0]);
  const code = newId();
  const issued = await ask(`/v1/pos-session/${till}/issue-table-code`, { code_id: code, tab_id: party.tab_id });
  const pass = issued && (await ask(`/v1/pos-session/${till}/passes`, { guest: code, page: `${location.origin}/pay` }));
  if (!pass) return;
  codeOf = party.party_id;
  at("qr-image").replaceChildren(new DOMParser().parseFromString(pass.qr, "text/html").querySelector("svg"));
  at("qr-link").href = pass.link;
  at("qr").hidden = false;
  tell("");
});

async function ask(path, data) {
  const headers = { Authorization: `Bearer ${link.token}`, "Content-Type": "application/json", "Idempotency-Key": newId() };
  try {
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(data) });
    const found = await answer.json();
    if (answer.ok) return found;
    tell(`Refused: ${found.detail}.`, true);
  } catch {
    tell("There is no connection: try again.", true);
  }
  return null;
}

at("ready").addEventListener("click", () => {
  edit("set_status", { table: chosen, status: "AVAILABLE" }, becomes(chosen, "AVAILABLE"));
});

function showSent(what, frame, answer) {
  if (what === "accepted") {
    const done = edits.get(frame.id);
    if (done) done.seq = answer.seq;
    tell("");
    if (done && done.seq <= shownSeq) edits.delete(frame.id);
  } else if (what === "refused") {
    edits.delete(frame.id);
    tell(`Refused: ${answer.message}.`, true);
  } else if (what === "waiting") {
    tell("Not sent yet: it goes out as soon as there is a connection.");
  }
  show();
}

function showEvent({ seq, type, at: when, by }) {
  const lines = Array.from(at("history").children);
  if (lines.some((each) => each.value === seq)) return; // read after it was heard
  const line = document.createElement("li");
  line.value = seq;
  line.textContent = [new Date(when).toLocaleTimeString(), type.replaceAll("_", " "), by?.user].filter(Boolean).join(" · ");
  at("history").insertBefore(line, lines.find((each) => each.value < seq) ?? null);
  while (at("history").children.length > HISTORY_LENGTH) at("history").lastChild.remove();
}

// Readers of the screen speak every change of the text, even to the same one.
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function tell(text, bad = false) {
  setText(at("outcome"), text);
  at("outcome").classList.toggle("bad", bad);
}

const page = {
  noun: "floor",
  state: showState,
  event: showEvent,
  sent: showSent,
  link: (text, bad = false) => {
    setText(at("link"), text);
    at("link").classList.toggle("bad", bad);
  },
};

at("connect").addEventListener("submit", (submit) => {
  submit.preventDefault();
  link?.stop();
  floor = null;
  chosen = null;
  shownSeq = -1;
  edits.clear();
  at("history").replaceChildren();
  at("tables").replaceChildren();
  at("now").hidden = true;
  page.link("Connecting.");
  link = new Link(at("token").value.trim(), "floor", at("floor").value.trim(), page);
});

setInterval(show, TICK_MS);

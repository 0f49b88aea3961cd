// The page of a guest who scanned the code at a table: one bill, of which he pays all, an even part, or what he had.
// The code stands behind the `#` of the address: browsers tell it to no server. The amount is the till's to say.

import { Link, newId } from "/web/link.js";

const ONE = 1000; // quantities are in thousandths
const NO_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(" "); // ISO 4217
const THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND".split(" ");

const at = (id) => document.getElementById(id);
let link = null;
let shown = null; // the tab as it was shown last, with its portions
let shownSeq = -1;
let currency = "";
let mine = null; // the payment that was begun here
const ticked = new Set();

function digits() {
  if (NO_DIGITS.includes(currency)) return 0;
  return THREE_DIGITS.includes(currency) ? 3 : ["CLF", "UYW"].includes(currency) ? 4 : 2;
}

const money = (minor) => `${(minor / 10 ** digits()).toFixed(digits())} ${currency}`;
const picked = (name) => document.querySelector(`input[name="${name}"]:checked`).value;

function showState({ seq, state }) {
  if (seq < shownSeq) return;
  shownSeq = seq;
  currency = state.currency;
  const tab = Object.values(state.tabs)[0];
  if (!tab) return;
  shown = { tab, portions: state.portions ?? {}, items: state.items };
  setText(at("title"), tab.table_ref ? `Your bill, table ${tab.table_ref}` : "Your bill");
  at("bill").hidden = false;
  show();
}

function show() {
  const { tab, portions, items } = shown;
  const known = new Map(Array.from(at("lines").children, (each) => [each.dataset.line, each]));
  for (const [place, [id, line]] of Object.entries(tab.lines).entries()) {
    const row = known.get(id) ?? rowOf(id);
    known.delete(id);
    const there = at("lines").children[place];
    if (there !== row) at("lines").insertBefore(row, there ?? null); // whatever moves under a finger loses its tap
    const [box, what, amount] = row.firstChild.children;
    const taken = Boolean(portions[id]?.taken);
    box.disabled = taken;
    box.checked = ticked.has(id) && !taken;
    row.firstChild.className = taken ? "taken" : "";
    setText(what, `${line.qty_milli / ONE} × ${items[line.sku]?.name || line.sku}`);
    setText(amount, money(portions[id]?.due_minor ?? 0));
  }
  for (const [id, gone] of known) {
    ticked.delete(id);
    gone.remove();
  }
  setText(at("total"), money(tab.total_minor));
  setText(at("paid"), money(tab.paid_minor));
  setText(at("due"), money(tab.balance_minor));
  const open = tab.status === "OPEN" && tab.balance_minor > 0;
  for (const part of ["how", "tips"]) at(part).hidden = !open;
  at("pay").hidden = !open;
  setText(at("pay"), `Pay ${money(amount() + tip())}`);
  at("pay").disabled = amount() === 0 || mine?.status === "sent";
  showOutcome(tab);
}

function showOutcome(tab) {
  if (tab.status === "PAYING") return tell(mine ? "Waiting for your card." : "Somebody at your table pays right now.");
  if (mine?.status === "accepted" && mine.before !== null) {
    const done = tab.paid_minor > mine.before;
    mine = null;
    if (!done) return tell("That card was not accepted. Try again, or ask your waiter.", "bad");
    return tell(tab.balance_minor > 0 ? "Paid. Thank you! Others at your table still have to pay." : "All is paid. Thank you!", "good");
  }
  if (tab.balance_minor <= 0 && tab.paid_minor > 0) tell("All is paid. Thank you!", "good");
}

function rowOf(id) {
  const row = document.createElement("li");
  row.dataset.line = id;
  const label = document.createElement("label");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.addEventListener("change", () => {
    if (box.checked) ticked.add(id);
    else ticked.delete(id);
    document.querySelector('input[name="how"][value="lines"]').checked = true;
    show();
  });
  label.append(box);
  for (const part of ["what", "amount"]) {
    const span = document.createElement("span");
    span.className = part;
    label.append(span);
  }
  row.append(label);
  return row;
}

// What the button says; what is charged is decided by the till in the same way.
function amount() {
  const { tab, portions } = shown;
  const left = tab.balance_minor;
  if (picked("how") === "lines") {
    return Math.min(left, had().reduce((sum, id) => sum + portions[id].due_minor, 0));
  }
  if (picked("how") === "part") return Math.min(left, nextPart(tab.total_minor, tab.paid_minor, at("parts").valueAsNumber || 1));
  return left;
}

// What is ticked and nobody pays for; a payment that fails gives it free again.
const had = () => Array.from(ticked).filter((id) => shown.portions[id] && !shown.portions[id].taken);

function nextPart(due, paid, parts) {
  const [small, larger] = [Math.floor(due / parts), due % parts];
  let sum = 0;
  for (let part = 0; part < parts; part += 1) {
    const share = small + (part < larger ? 1 : 0);
    if (sum === paid) return share;
    sum += share;
  }
  return small + (larger > 0 ? 1 : 0);
}

const tip = () => Math.round((amount() * Number(picked("tip"))) / 100);

function showSent(what, frame, answer) {
  if (what === "refused") {
    mine = null;
    tell(`Not paid: ${answer.message}.`, "bad");
  } else if (what === "accepted") {
    mine.status = "accepted";
  } else if (what === "waiting") {
    tell("Not sent yet: it goes out as soon as there is a connection.");
  }
  if (what === "refused") at("pay").disabled = false;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function tell(text, kind = "") {
  setText(at("outcome"), text);
  at("outcome").className = kind;
}

const page = {
  noun: "bill",
  state: showState,
  event: () => {}, // a guest sees no event, only what came of it
  sent: showSent,
  link: (text, bad = false) => {
    const gone = text.startsWith("There is no bill") || text.startsWith("Closed:");
    if (gone) link?.stop();
    setText(at("link"), gone ? "This code counts no more. Ask your waiter for a new one." : text.startsWith("Connected") ? "" : text);
    at("link").classList.toggle("bad", bad);
    if (gone) at("bill").hidden = true;
  },
};

at("bill").addEventListener("change", () => shown && show());
at("parts").addEventListener("input", () => {
  document.querySelector('input[name="how"][value="part"]').checked = true;
  if (shown) show();
});
at("bill").addEventListener("submit", (submit) => {
  submit.preventDefault();
  const how = picked("how");
  const part = how === "lines" ? { line_ids: had() } : how === "part" ? { parts: at("parts").valueAsNumber } : {};
  mine = { status: "sent", before: shown.tab.paid_minor };
  at("pay").disabled = true;
  link.command("pay_at_table", { payment_id: newId(), tip_minor: tip(), ...part });
});

function begin() {
  const [purpose, id, token] = location.hash.slice(1).split("/");
  if (!purpose || !id || !token) return;
  link?.stop();
  shownSeq = -1;
  link = new Link(token, purpose, decodeURIComponent(id), page);
}

addEventListener("hashchange", begin);
begin();

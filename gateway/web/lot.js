// The page of one auction lot: what it shows, and the bids that are typed into it.

import { Link } from "/web/link.js";

const HISTORY_LENGTH = 100;
const TICK_MS = 250;
const STATUS = {
  scheduled: "Not open yet", paused: "Paused", revealing: "Bids are being revealed", sold: "Sold", settled: "Sold and paid",
  offered: "Offered to the next bidder", unsold: "Not sold", unpaid: "Sold but not paid", cancelled: "Cancelled",
};

const at = (id) => document.getElementById(id);
let link = null;
let lot = null; // the newest state
let clockAhead = 0; // how far the server's clock is ahead of ours, in ms
let shownSeq = -1;

function showState({ seq, state, server_now }) {
  if (seq < shownSeq) return;
  shownSeq = seq;
  lot = state;
  clockAhead = Date.parse(server_now) - Date.now();
  at("now").hidden = false;
  at("title").textContent = lot.title || at("lot").value;
  at("price-label").textContent = lot.price_minor == null ? "Starts at" : lot.status === "open" ? "Price now" : "Last price";
  at("price").textContent = money(lot.price_minor ?? lot.start_minor);
  at("standing").textContent = standing();
  setText("mine", mine());
  const well = Boolean(lot.mine.leading || lot.mine.won);
  at("mine").classList.toggle("good", well);
  at("mine").classList.toggle("bad", !well);
  at("maximum-label").textContent = `Your maximum in ${lot.currency}`;
  at("bid").hidden = lot.type !== "english" || lot.status !== "open";
  at("state").textContent = JSON.stringify(lot, null, 2);
  tick();
}

function standing() {
  const english = lot.type === "english";
  const ended = STATUS[lot.status];
  return [
    ended,
    lot.winner ? `to ${lot.winner}` : lot.leader ? `${lot.leader} leads` : lot.bid_count || !english ? null : "No bids yet",
    lot.has_reserve ? (lot.reserve_met ? "reserve met" : "reserve not met") : null,
    ended || lot.minimum_minor == null ? null : `next bid at least ${money(lot.minimum_minor)}`,
    english ? null : `${lot.type} auction: this page only watches it`,
  ].filter(Boolean).join(" · ");
}

function mine() {
  const { won, leading, max_minor: maximum, to_pay_minor: due, payment_due_at: until } = lot.mine;
  if (won) return due == null ? "You won." : `You won: pay ${money(due)} by ${new Date(until).toLocaleString()}.`;
  if (lot.status !== "open") return "";
  if (leading) return `You lead. Your maximum is ${money(maximum)}.`;
  return maximum == null ? "" : `You have been outbid: your maximum was ${money(maximum)}.`;
}

function showEvent({ seq, type, at: when, data }) {
  const lines = Array.from(at("history").children);
  if (lines.some((each) => each.value === seq)) return; // read after it was heard
  const line = document.createElement("li");
  line.value = seq;
  const amount = data?.price_minor == null ? null : money(data.price_minor);
  line.textContent = [new Date(when).toLocaleTimeString(), type.replaceAll("_", " "), amount, data?.bidder].filter(Boolean).join(" ");
  at("history").insertBefore(line, lines.find((each) => each.value < seq) ?? null);
  while (at("history").children.length > HISTORY_LENGTH) at("history").lastChild.remove();
}

function digits() {
  return new Intl.NumberFormat("en", { style: "currency", currency: lot.currency }).resolvedOptions().maximumFractionDigits;
}

function money(minor) {
  if (minor == null) return "–";
  return lot ? `${(minor / 10 ** digits()).toFixed(digits())} ${lot.currency}` : String(minor);
}

// "10", "10.5" and "10,50" as whole minor units; null when it is none of them.
function minorUnits(text) {
  const found = /^(\d+)(?:[.,](\d+))?$/.exec(text.trim());
  if (!found || (found[2] ?? "").length > digits()) return null;
  const minor = Number(found[1] + (found[2] ?? "").padEnd(digits(), "0"));
  return Number.isSafeInteger(minor) ? minor : null;
}

function tick() {
  if (!lot) return;
  const [label, end] = { scheduled: ["Opens in", lot.opens_at], open: ["Ends in", lot.ends_at] }[lot.status] ?? [];
  at("clock").hidden = !label;
  if (!label) return;
  setText("clock-label", label);
  const left = Math.ceil((Date.parse(end) - Date.now() - clockAhead) / 1000);
  // Only an event ends a lot: the clock may be a little ahead of it.
  setText("left", left > 0 ? duration(left) : "a moment");
  at("left").classList.toggle("soon", left <= 60);
}

function duration(seconds) {
  const days = Math.floor(seconds / 86_400);
  const parts = [Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, seconds % 60];
  return `${days ? `${days} d ` : ""}${parts.map((part) => String(part).padStart(2, "0")).join(":")}`;
}

// Readers of the screen speak every change of the text, even to the same one.
function setText(id, text) {
  if (at(id).textContent !== text) at(id).textContent = text;
}

function tell(id, text, bad = false) {
  at(id).textContent = text;
  at(id).classList.toggle("bad", bad);
}

const page = {
  noun: "lot",
  state: showState,
  event: showEvent,
  link: (text, bad) => tell("link", text, bad),
  sent: showBid,
};

function showBid(what, frame, answer) {
  if (what === "sent") tell("outcome", "Sent, waiting for the answer.");
  else if (what === "accepted") tell("outcome", "Your bid was accepted.");
  else if (what === "waiting") tell("outcome", "No answer yet; asking again with the same bid.");
  else if (answer.code === "BID_TOO_LOW") tell("outcome", `Refused: bid at least ${money(answer.details.minimum)}.`, true);
  else tell("outcome", `Refused: ${answer.message}.`, true);
}

at("connect").addEventListener("submit", (submit) => {
  submit.preventDefault();
  link?.stop();
  lot = null;
  shownSeq = -1;
  at("history").replaceChildren();
  at("now").hidden = true;
  tell("outcome", "");
  tell("link", "Connecting.");
  link = new Link(at("token").value.trim(), "auction", at("lot").value.trim(), page);
});

at("bid").addEventListener("submit", (submit) => {
  submit.preventDefault();
  const minor = minorUnits(at("maximum").value);
  if (minor === null) tell("outcome", "Write an amount such as 12.50.", true);
  else link?.command("place_bid", { max_minor: minor });
});

setInterval(tick, TICK_MS);

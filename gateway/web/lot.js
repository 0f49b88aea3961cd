// Shows one auction lot live: hello, watch, send over /v1/ws, and the state again after every change.

const PING_MS = 20_000;
const RETRY_FIRST_MS = 500;
const RETRY_LAST_MS = 10_000;
const HISTORY_LENGTH = 100;

const at = (id) => document.getElementById(id);
let link = null;

class Link {
  constructor(token, lot) {
    this.token = token;
    this.lot = lot;
    this.name = null;
    this.seq = null;
    this.retryMs = RETRY_FIRST_MS;
    this.bids = new Map();
    this.nextId = 1;
    this.stopped = false;
    this.refreshing = null;
    this.stale = false;
    this.open();
  }

  open() {
    const address = new URL("/v1/ws", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    this.socket = new WebSocket(address, "holdfast.v1");
    this.socket.onopen = () => this.send({ op: "hello", token: this.token });
    this.socket.onmessage = (message) => this.receive(JSON.parse(message.data));
    this.socket.onclose = (close) => this.closed(close);
  }

  send(frame) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  watch() {
    const frame = { op: "watch", id: this.nextId++, name: this.name };
    this.send(this.seq === null ? frame : { ...frame, after: this.seq });
  }

  bid(minor) {
    const id = this.nextId++;
    const frame = {
      op: "send", id, name: this.name, command: "place_bid",
      data: { max_minor: minor }, command_id: crypto.randomUUID(),
    };
    this.bids.set(id, frame);
    tell("outcome", "Sent, waiting for the answer.");
    this.send(frame);
  }

  receive(frame) {
    switch (frame.op) {
      case "welcome":
        this.retryMs = RETRY_FIRST_MS;
        this.name = `auction:${frame.tenant}:${this.lot}`;
        this.pings = setInterval(() => this.send({ op: "ping" }), PING_MS);
        tell("link", `Connected as ${frame.user}.`);
        this.watch();
        for (const bid of this.bids.values()) this.send(bid);
        break;
      case "state":
        this.seq = frame.seq;
        showState(frame);
        break;
      case "watching":
        this.refresh();
        break;
      case "event":
        this.seq = frame.seq;
        showEvent(frame);
        this.refresh();
        break;
      case "lagging":
        this.seq = frame.seq;
        this.watch();
        break;
      case "ok":
        if (this.bids.delete(frame.id)) tell("outcome", "Your bid stands.");
        break;
      case "error":
        if (this.bids.delete(frame.id)) tell("outcome", `Refused: ${frame.message}.`, true);
        else tell("link", frame.message, true);
        break;
      case "draining":
        tell("link", "The server restarts; connecting again.");
        break;
    }
  }

  // The state is read again after events, one request at a time.
  async refresh() {
    this.stale = true;
    if (this.refreshing) return;
    this.refreshing = true;
    try {
      while (this.stale && !this.stopped) {
        this.stale = false;
        const answer = await fetch(`/v1/auction/${encodeURIComponent(this.lot)}`, {
          headers: { Authorization: `Bearer ${this.token}` },
        });
        if (answer.ok) showState(await answer.json());
      }
    } catch {
      tell("link", "The state could not be read; it will be with the next event.", true);
    } finally {
      this.refreshing = null;
    }
  }

  closed(close) {
    clearInterval(this.pings);
    if (this.stopped) return;
    if (close.code >= 4400 && close.code < 4500) {
      tell("link", `Closed: ${close.reason || close.code}.`, true);
      return;
    }
    tell("link", "Connection lost; trying again.", true);
    this.retry = setTimeout(() => this.open(), this.retryMs * (0.5 + Math.random()));
    this.retryMs = Math.min(this.retryMs * 2, RETRY_LAST_MS);
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.retry);
    this.socket.close();
  }
}

let currency = null;
let endsAt = null;
let clockAhead = 0; // how far the server's clock is ahead of ours, in ms
let shownSeq = -1;

function showState({ seq, state, server_now }) {
  if (seq < shownSeq) return;
  shownSeq = seq;
  const terms = state.terms ?? state;
  currency = terms.currency ?? null;
  endsAt = state.ends_at ? Date.parse(state.ends_at) : null;
  clockAhead = Date.parse(server_now) - Date.now();
  at("now").hidden = false;
  at("title").textContent = state.title || at("lot").value;
  at("price").textContent = money(state.price_minor ?? terms.start_minor);
  at("standing").textContent = [
    state.status,
    state.leader ? `${state.leader} leads` : "no bids yet",
    state.has_reserve === false ? null : state.reserve_met ? "reserve met" : "reserve not met",
    state.minimum_minor == null ? null : `next bid at least ${money(state.minimum_minor)}`,
  ].filter(Boolean).join(" · ");
  at("state").textContent = JSON.stringify(state, null, 2);
  tick();
}

function showEvent({ seq, type, at: when, data }) {
  const line = document.createElement("li");
  line.value = seq;
  const amount = data?.price_minor === undefined ? "" : ` ${money(data.price_minor)}`;
  line.textContent = `${new Date(when).toLocaleTimeString()} ${type.replaceAll("_", " ")}${amount}`;
  at("history").prepend(line);
  while (at("history").children.length > HISTORY_LENGTH) at("history").lastChild.remove();
}

function digits() {
  if (!currency) return 2;
  return new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits;
}

function money(minor) {
  if (minor === undefined || minor === null) return "–";
  const amount = (minor / 10 ** digits()).toFixed(digits());
  return currency ? `${amount} ${currency}` : amount;
}

// "10", "10.5" and "10,50" as whole minor units; null when it is none of them.
function minorUnits(text) {
  const found = /^(\d+)(?:[.,](\d+))?$/.exec(text.trim());
  if (!found || (found[2] ?? "").length > digits()) return null;
  const minor = Number(found[1] + (found[2] ?? "").padEnd(digits(), "0"));
  return Number.isSafeInteger(minor) ? minor : null;
}

function tick() {
  if (endsAt === null) return;
  const left = Math.floor((endsAt - Date.now() - clockAhead) / 1000);
  const parts = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
  at("left").textContent = left <= 0 ? "ended" : parts.map((part) => String(part).padStart(2, "0")).join(":");
}

function tell(id, text, bad = false) {
  at(id).textContent = text;
  at(id).classList.toggle("bad", bad);
}

at("connect").addEventListener("submit", (submit) => {
  submit.preventDefault();
  link?.stop();
  shownSeq = -1;
  at("history").replaceChildren();
  at("now").hidden = true;
  tell("outcome", "");
  tell("link", "Connecting.");
  link = new Link(at("token").value.trim(), at("lot").value.trim());
});

at("bid").addEventListener("submit", (submit) => {
  submit.preventDefault();
  const minor = minorUnits(at("maximum").value);
  if (minor === null) tell("outcome", "Write an amount such as 12.50.", true);
  else link?.bid(minor);
});

setInterval(tick, 1000);

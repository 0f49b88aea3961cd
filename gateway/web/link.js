// One lot over /v1/ws. It comes back after every interruption, misses no event, and sends no bid as two.

const PING_MS = 20_000;
const RETRY_FIRST_MS = 500;
const RETRY_LAST_MS = 10_000;
const AGAIN_MS = 1_000;
const HISTORY_LENGTH = 20;
const FINAL_CODES = [4400, 4401, 4403];

// `page` shows what happens: state(frame), event(event), link(text, bad), answer(text), refusal(error).
export class Link {
  constructor(token, lot, page) {
    this.token = token;
    this.lot = lot;
    this.page = page;
    this.name = null;
    this.seq = null;
    this.retryMs = RETRY_FIRST_MS;
    this.retryAfterMs = null; // when a draining gateway wants us back
    this.bids = new Map();
    this.nextId = 1;
    this.stopped = false;
    this.refreshing = false;
    this.stale = false;
    this.open();
  }

  open() {
    const address = new URL("/v1/ws", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address, "holdfast.v1");
    this.socket = socket;
    socket.onopen = () => this.send({ op: "hello", token: this.token });
    socket.onmessage = (message) => this.receive(JSON.parse(message.data));
    socket.onclose = (close) => this.socket === socket && this.closed(close);
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
    const data = { max_minor: minor };
    const frame = { op: "send", id, name: this.name, command: "place_bid", data, command_id: newId() };
    this.bids.set(id, frame);
    this.page.answer("Sent, waiting for the answer.");
    this.send(frame);
  }

  receive(frame) {
    if (this.stopped) return;
    this.heardAt = Date.now();
    switch (frame.op) {
      case "welcome":
        this.welcomed(frame);
        break;
      case "state":
        this.begun(frame);
        break;
      case "watching":
        this.refresh();
        break;
      case "event":
        this.seq = frame.seq;
        this.page.event(frame);
        this.refresh();
        break;
      case "lagging":
        this.watch();
        break;
      case "ok":
        if (this.bids.delete(frame.id)) this.page.answer("Your bid was accepted.");
        break;
      case "error":
        this.refused(frame);
        break;
      case "draining":
        this.retryAfterMs = frame.retry_after_ms;
        this.page.link("The server restarts; connecting again.", true);
        break;
    }
  }

  welcomed({ tenant, user }) {
    this.retryMs = RETRY_FIRST_MS;
    this.name = `auction:${tenant}:${this.lot}`;
    this.pings = setInterval(() => this.ping(), PING_MS);
    this.page.link(`Connected as ${user}.`);
    this.watch();
    for (const bid of this.bids.values()) this.send(bid);
  }

  async begun(frame) {
    this.seq = frame.seq;
    this.page.state(frame);
    const after = Math.max(0, frame.seq - HISTORY_LENGTH);
    const found = await this.readAtLast(`/events?after=${after}&limit=${HISTORY_LENGTH}`);
    for (const event of found?.events ?? []) this.page.event(event);
  }

  refused(frame) {
    const { id, code, message, retryable, details } = frame;
    const bid = this.bids.get(id);
    if (bid && retryable) {
      this.page.answer("No answer yet; asking again with the same bid.");
      setTimeout(() => this.bids.has(id) && this.send(bid), details.retry_after_ms ?? AGAIN_MS);
    } else if (bid) {
      this.bids.delete(id);
      this.page.refusal(frame);
    } else if (retryable) {
      setTimeout(() => this.watch(), details.retry_after_ms ?? AGAIN_MS);
    } else if (code === "NOT_FOUND") {
      this.page.link(`There is no lot ${this.lot} that you may see.`, true);
    } else if (code !== "RESUME_GAP") { // after a gap the server sends the state by itself
      this.page.link(`Refused: ${message}.`, true);
    }
  }

  // The state is read again after events, one request at a time.
  async refresh() {
    this.stale = true;
    if (this.refreshing) return;
    this.refreshing = true;
    while (this.stale && !this.stopped) {
      this.stale = false;
      const found = await this.readAtLast("");
      if (found) this.page.state(found);
    }
    this.refreshing = false;
  }

  // Asks until there is an answer; null only when this link is stopped.
  async readAtLast(path) {
    while (!this.stopped) {
      const found = await this.read(path);
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
    return null;
  }

  async read(path) {
    try {
      const answer = await fetch(`/v1/auction/${encodeURIComponent(this.lot)}${path}`, {
        headers: { Authorization: `Bearer ${this.token}` },
      });
      return answer.ok && !this.stopped ? await answer.json() : null;
    } catch {
      return null;
    }
  }

  ping() {
    if (Date.now() - this.heardAt > 2 * PING_MS) this.closed({ code: 1006 });
    else this.send({ op: "ping" });
  }

  closed({ code, reason }) {
    clearInterval(this.pings);
    this.socket.onclose = null;
    this.socket.close();
    if (this.stopped) return;
    if (FINAL_CODES.includes(code)) {
      this.page.link(`Closed: ${reason || code}.`, true);
      return;
    }
    this.page.link("Connection lost; trying again.", true);
    this.retry = setTimeout(() => this.open(), this.pauseMs());
  }

  // The gateway spreads its sockets when it drains; after any other end they spread themselves.
  pauseMs() {
    const told = this.retryAfterMs;
    this.retryAfterMs = null;
    if (told !== null) return told;
    const pause = this.retryMs * (0.5 + Math.random());
    this.retryMs = Math.min(this.retryMs * 2, RETRY_LAST_MS);
    return pause;
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.retry);
    clearInterval(this.pings);
    this.socket.close();
  }
}

// A UUIDv7: by its own time a fresh command is known to be no repeated one.
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  new DataView(bytes.buffer).setBigUint64(0, (BigInt(Date.now()) << 16n) | BigInt(bytes[6] << 8 | bytes[7]));
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

// One entity over /v1/ws. It comes back after every interruption, misses no event, and sends no command as two.

const PING_MS = 20_000;
const RETRY_FIRST_MS = 500;
const RETRY_LAST_MS = 10_000;
const AGAIN_MS = 1_000;
const HISTORY_LENGTH = 20;
const FINAL_CODES = [4400, 4401, 4403];

// `page` has a `noun` for its entity and shows what happens: state(frame), event(event), link(text, bad), and
// sent(what, frame, answer) of each command: "sent", "waiting" for a connection or an answer, "accepted" or "refused".
export class Link {
  constructor(token, purpose, id, page) {
    this.token = token;
    this.purpose = purpose;
    this.id = id;
    this.page = page;
    this.name = null;
    this.seq = null;
    this.retryMs = RETRY_FIRST_MS;
    this.retryAfterMs = null; // when a draining gateway wants us back
    this.commands = new Map(); // by the id of their frame, until they are answered
    this.nextId = 1;
    this.stopped = false;
    this.refreshing = false;
    this.stale = false;
    this.listening = new AbortController();
    const { signal } = this.listening;
    globalThis.addEventListener?.("offline", () => this.isOpen() && this.closed({ code: 1006 }), { signal });
    globalThis.addEventListener?.("online", () => this.isOpen() || this.again(), { signal });
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

  isOpen() {
    return this.socket.readyState <= WebSocket.OPEN;
  }

  // Do not wait longer: the network is back.
  again() {
    clearTimeout(this.retry);
    this.retryMs = RETRY_FIRST_MS;
    this.open();
  }

  send(frame) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  watch() {
    const frame = { op: "watch", id: this.nextId++, name: this.name };
    this.send(this.seq === null ? frame : { ...frame, after: this.seq });
  }

  // Without a connection it waits, and goes out under the same id when there is one.
  command(command, data) {
    const id = this.nextId++;
    const frame = { op: "send", id, name: this.name, command, data, command_id: newId() };
    this.commands.set(id, frame);
    this.page.sent(this.socket.readyState === WebSocket.OPEN ? "sent" : "waiting", frame);
    if (this.name !== null) this.send(frame);
    return id;
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
        this.answered("accepted", frame);
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
    this.name = `${this.purpose}:${tenant}:${this.id}`;
    this.pings = setInterval(() => this.ping(), PING_MS);
    this.page.link(`Connected as ${user}.`);
    this.watch();
    for (const command of this.commands.values()) this.send(Object.assign(command, { name: this.name }));
  }

  async begun(frame) {
    this.seq = frame.seq;
    this.page.state(frame);
    const after = Math.max(0, frame.seq - HISTORY_LENGTH);
    const found = await this.readAtLast(`/events?after=${after}&limit=${HISTORY_LENGTH}`);
    for (const event of found?.events ?? []) this.page.event(event);
  }

  answered(what, answer) {
    const command = this.commands.get(answer.id);
    this.commands.delete(answer.id);
    if (command) this.page.sent(what, command, answer);
  }

  refused(frame) {
    const { id, code, message, retryable, details } = frame;
    const command = this.commands.get(id);
    if (command && retryable) {
      this.page.sent("waiting", command, frame);
      setTimeout(() => this.commands.has(id) && this.send(command), details.retry_after_ms ?? AGAIN_MS);
    } else if (command) {
      this.answered("refused", frame);
    } else if (retryable) {
      setTimeout(() => this.watch(), details.retry_after_ms ?? AGAIN_MS);
    } else if (code === "NOT_FOUND") {
      this.page.link(`There is no ${this.page.noun} ${this.id} that you may see.`, true);
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
      const answer = await fetch(`/v1/${this.purpose}/${encodeURIComponent(this.id)}${path}`, {
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
    for (const command of this.commands.values()) this.page.sent("waiting", command);
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
    this.listening.abort();
    clearTimeout(this.retry);
    clearInterval(this.pings);
    this.socket.close();
  }
}

// A UUIDv7: by its own time a fresh command is known to be no repeated one.
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  new DataView(bytes.buffer).setBigUint64(0, (BigInt(Date.now()) << 16n) | BigInt(bytes[6] << 8 | bytes[7]));
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

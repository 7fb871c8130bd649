// The Worker under test, as it is deployed, with handles for what only the runtime could do to it otherwise. A handle is a text
// in a message that is being sent to a socket.

import * as worker from "./index.js";

const send = WebSocket.prototype.send;
const bufferedAmount = Object.getOwnPropertyDescriptor(WebSocket.prototype, "bufferedAmount");
let throwAtNext = false;

WebSocket.prototype.send = function (message) {
  // This one receiver's socket fails.
  if (message.includes("handle:send-fails") && this.deserializeAttachment()[1] === 1) throw new Error("as asked: send");
  send.call(this, message);
  // The next receiver is not reached: an exception that nobody catches goes through the whole event.
  if (message.includes("handle:throw")) throwAtNext = true;
  // What is kept of this receiver is of a future version, or damaged, or of another program.
  if (message.includes("handle:version")) change(this, (bytes) => (bytes[0] = 99));
  if (message.includes("handle:damage")) change(this, (bytes) => (bytes[bytes.length - 1] ^= 1));
  if (message.includes("handle:foreign")) this.serializeAttachment({ topics: ["a", "b"] });
};

Object.defineProperty(WebSocket.prototype, "bufferedAmount", {
  ...bufferedAmount,
  get() {
    if (throwAtNext) {
      throwAtNext = false;
      throw new Error("as asked: in the middle of a publish");
    }
    return bufferedAmount.get.call(this);
  },
});

function change(socket, edit) {
  const bytes = socket.deserializeAttachment();
  edit(bytes);
  socket.serializeAttachment(bytes);
}

// The clock, which is moved on by as much as a test asks for. Alarms go with it.
let ahead = 0;

globalThis.Date = class extends Date {
  constructor(...time) {
    super(...(time.length === 0 ? [globalThis.Date.now()] : time));
  }

  static now() {
    return super.now() + ahead;
  }
};

// When the runtime has answered a ping is told by its own clock. Each move of ours: from when on, and how much in all.
const moves = [{ from: 0, ahead: 0 }];

function moveTimestamps(state) {
  const { getWebSocketAutoResponseTimestamp } = state;
  state.getWebSocketAutoResponseTimestamp = (socket) => {
    const at = getWebSocketAutoResponseTimestamp.call(state, socket);
    if (at === null) return null;
    return new Date(Number(at) + moves.findLast(({ from }) => from <= Number(at)).ahead);
  };
}

function moveAlarms(storage) {
  const { setAlarm, getAlarm } = storage;
  storage.setAlarm = (at, options) => setAlarm.call(storage, Number(at) - ahead, options);
  storage.getAlarm = async (options) => {
    const at = await getAlarm.call(storage, options);
    return at === null ? null : at + ahead;
  };
}

export class Room {
  constructor(state, env) {
    moveAlarms(state.storage);
    moveTimestamps(state);
    this.storage = state.storage;
    // `OBJECT_NAME` is the variable `NAME` for objects alone.
    const own = Object.keys(env).filter((name) => name.startsWith("OBJECT_"));
    const variables = own.map((name) => [name.slice("OBJECT_".length), env[name]]);
    this.room = new worker.Room(state, { ...env, ...Object.fromEntries(variables) });
  }

  async fetch(request) {
    if (request.headers.has("x-test-tell")) return Response.json({ url: request.url, headers: [...request.headers] });
    const time = request.headers.get("x-test-advance");
    if (time === null) return this.room.fetch(request);
    const at = await this.storage.getAlarm();
    moves.push({ from: Date.now() - ahead, ahead: ahead + Number(time) });
    ahead += Number(time);
    if (at !== null && at <= Date.now()) {
      await this.storage.deleteAlarm();
      await this.room.alarm();
    } else if (at !== null) {
      await this.storage.setAlarm(at);
    }
    return new Response("later");
  }

  alarm() {
    return this.room.alarm();
  }

  webSocketMessage(socket, message) {
    return this.room.webSocketMessage(socket, message);
  }

  webSocketClose(socket, code, reason, wasClean) {
    return this.room.webSocketClose(socket, code, reason, wasClean);
  }

  webSocketError(socket, error) {
    return this.room.webSocketError(socket, error);
  }
}

// A secret of the Secrets Store, which is an object with an async `get`. `STORE_NAME` holds it for the name `NAME`; a request
// may change it, or have the store fail.
let store = {};

function withStore(env) {
  const names = Object.keys(env).filter((name) => name.startsWith("STORE_"));
  const secrets = names.map((name) => {
    store[name] ??= { value: env[name], gets: 0 };
    const get = async () => {
      store[name].gets += 1;
      if (store[name].value === "FAIL") throw new Error("as asked: the store fails");
      return store[name].value;
    };
    return [name.slice("STORE_".length), { get }];
  });
  return { ...env, ...Object.fromEntries(secrets) };
}

export default class extends worker.default {
  constructor(context, env) {
    super(context, withStore(env));
  }

  async fetch(request) {
    const url = new URL(request.url);
    if (url.pathname === "/test/later") {
      ahead += Number(url.searchParams.get("ms"));
      return new Response("later");
    }
    if (url.pathname !== "/test/store") return super.fetch(request);
    const secret = store[url.searchParams.get("name")];
    secret.value = url.searchParams.get("value") ?? secret.value;
    ahead += Number(url.searchParams.get("later") ?? 0);
    return new Response(`gets: ${secret.gets}`);
  }
}

// The Worker under test, as it is deployed, with handles for what only the runtime could do to it otherwise. A handle is a text
// in a message that is being sent to a socket.

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

export * from "./index.js";
export { default } from "./index.js";

import type { Facts, RelayOf, Socket } from './relay.ts'
import type { Message } from './module.ts'

/** A request of the Fetch API, as the relay looks at it. */
export function factsOf(request: Request, remote: string | undefined): Facts {
  // Behind the scheme and its slashes, the first slash begins the path.
  const path = request.url.indexOf('/', request.url.indexOf('//') + 2)
  return {
    method: request.method,
    target: path < 0 ? '/' : request.url.slice(path),
    remote,
    header: (name) => request.headers.get(name) ?? undefined,
  }
}

/** A page, as a response of the Fetch API. */
export function responseOf(page: { status: number; headers: [string, string][]; body: string }): Response {
  return new Response(page.body === '' ? null : page.body, { status: page.status, headers: page.headers })
}

/** A WebSocket of the Web's own interface, which has no pings and no end without the client. */
export class WebSocketSocket implements Socket {
  readonly #socket: WebSocket

  constructor(socket: WebSocket) {
    this.#socket = socket
  }

  send(message: Message): void {
    if (this.#socket.readyState === 1) this.#socket.send(message.text)
  }

  buffered(): number {
    return this.#socket.bufferedAmount ?? 0
  }

  ping(): void {}

  close(code: number, reason: string): void {
    if (this.#socket.readyState <= 1) this.#socket.close(code, reason)
  }
}

/** Hands in what comes on a WebSocket of the Web's own interface. */
export function listen(relay: RelayOf, peer: number, socket: WebSocket): void {
  socket.binaryType = 'arraybuffer'
  socket.addEventListener('message', ({ data }) => {
    relay.receive(peer, typeof data === 'string' ? data : new Uint8Array(data as ArrayBuffer))
  })
  // Runtimes differ in which of them comes, and in what order.
  for (const end of ['close', 'error']) socket.addEventListener(end, () => relay.leave(peer))
}

import { type Answer, type Message, Relay, type RelayOptions, type Settings, type Socket } from './index.ts'
import { factsOf, responseOf } from './web.ts'

export * from './index.ts'

/** What of Bun's WebSocket is used here. */
export interface BunWebSocket {
  readonly readyState: number
  readonly data: { readonly peer: number }
  send(text: string): number
  ping(): number
  close(code: number, reason: string): void
  terminate(): void
  getBufferedAmount(): number
}

/** What of Bun's server is used here. */
export interface BunServer {
  readonly port: number
  upgrade(request: Request, options: { data: { peer: number }; headers?: Record<string, string> }): boolean
  requestIP(request: Request): { readonly address: string } | null
  stop(closeActiveConnections?: boolean): Promise<void> | void
}
declare const Bun: { serve(options: object): BunServer }

/** Where to listen. */
export interface ListenOptions extends RelayOptions {
  /** Default 127.0.0.1; `0.0.0.0` is every interface. */
  readonly host?: string
  /** Default 4444; 0 is a port that is free. */
  readonly port?: number
  /** Whether SIGTERM and SIGINT drain and end the process. Default: true. */
  readonly signals?: boolean
}

/** So much longer than is allowed may a message be and still be refused in good order. */
const MESSAGE_SLACK = 64 * 1024

/** A relay for Bun: `fetch` and `websocket` go into `Bun.serve`, or into handlers of yours. */
export class BunRelay extends Relay {
  readonly #sockets = new Map<number, BunWebSocket>()

  /** Answers a request: upgrades, `/healthz`, `/readyz` and `/limits`, and `okay` elsewhere. */
  readonly fetch = (request: Request, server: BunServer): Response | undefined | Promise<Response | undefined> => {
    const answer = this.request(factsOf(request, server.requestIP(request)?.address), request)
    return answer instanceof Promise ? answer.then((answer) => this.#respond(answer, request, server)) : this.#respond(answer, request, server)
  }

  #respond(answer: Answer, request: Request, server: BunServer): Response | undefined {
    if (answer.peer === undefined) return responseOf(answer)
    const { peer, protocol } = answer
    const options = protocol === undefined ? {} : { headers: { 'sec-websocket-protocol': protocol } }
    if (server.upgrade(request, { data: { peer }, ...options })) return undefined
    this.leave(peer)
    return responseOf({ status: 400, headers: [], body: 'this upgrade cannot be made' })
  }

  /** The handlers of its WebSockets. */
  readonly websocket = {
    open: (socket: BunWebSocket): void => {
      this.#sockets.set(socket.data.peer, socket)
      this.connect(socket.data.peer, new BunSocket(socket))
    },
    message: (socket: BunWebSocket, message: string | Uint8Array): void => this.receive(socket.data.peer, message),
    ping: (socket: BunWebSocket, data: Uint8Array): void => this.frame(socket.data.peer, data.length),
    pong: (socket: BunWebSocket, data: Uint8Array): void => this.frame(socket.data.peer, data.length),
    close: (socket: BunWebSocket): void => {
      this.#sockets.delete(socket.data.peer)
      this.leave(socket.data.peer)
    },
    // Past it Bun closes by itself, at once; up to it the relay refuses.
    maxPayloadLength: (this.limits.message_bytes_max ?? 0) * 2 + MESSAGE_SLACK,
    // The relay bounds what waits, and closes with the right code.
    backpressureLimit: (this.limits.outbound_bytes_max ?? 0) * 2,
    closeOnBackpressureLimit: false,
    perMessageDeflate: false,
    // The relay pings.
    sendPings: false,
    idleTimeout: 0,
  }

  /** @throws {SettingsError} A setting cannot be used. */
  constructor(settings: Settings = {}, options: RelayOptions = {}) {
    super(settings, options)
  }
}

class BunSocket implements Socket {
  readonly #socket: BunWebSocket

  constructor(socket: BunWebSocket) {
    this.#socket = socket
  }

  send(message: Message): void {
    if (this.#socket.readyState === 1) this.#socket.send(message.text)
  }

  buffered(): number {
    return this.#socket.getBufferedAmount()
  }

  ping(): void {
    if (this.#socket.readyState === 1) this.#socket.ping()
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason)
  }

  abort(): void {
    this.#socket.terminate()
  }
}

/** What `serve` returns. */
export interface RunningRelay {
  readonly relay: BunRelay
  readonly port: number
  /** Drains, and ends the server. */
  stop(): Promise<void>
}

/**
 * A relay on a server of its own.
 *
 * @throws {SettingsError} A setting cannot be used.
 */
export function serve(settings: Settings = {}, options: ListenOptions = {}): RunningRelay {
  const relay = new BunRelay(settings, options)
  const { fetch, websocket } = relay
  const server = Bun.serve({ hostname: options.host ?? '127.0.0.1', port: options.port ?? 4444, fetch, websocket })
  const stop = async (): Promise<void> => {
    await relay.drain()
    await server.stop(true)
  }
  if (options.signals !== false) {
    let isStopping = false
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (isStopping) process.exit(130)
        isStopping = true
        void stop().then(() => process.exit(0))
      })
    }
  }
  return { relay, port: server.port, stop }
}

import { type Answer, type Message, Relay, type RelayOptions, type Settings, type Socket } from './index.ts'
import { endOnSignals, listenAt, type ListenOptions, placeOf, type Process } from './listen.ts'
import { factsOf, responseOf } from './web.ts'

export * from './index.ts'
export { ListenError, type ListenOptions } from './listen.ts'

/** What the data of a WebSocket has to be: whose it is. */
export interface BunPeer {
  readonly relay: BunRelay
  readonly peer: number
}

/** What of Bun's WebSocket is used here. */
export interface BunWebSocket {
  readonly readyState: number
  readonly data: BunPeer
  send(text: string): number
  ping(): number
  close(code: number, reason: string): void
  terminate(): void
  getBufferedAmount(): number
}

/** What of Bun's server is used here. */
export interface BunServer {
  readonly port?: number | undefined
  upgrade(request: Request, options: { data: BunPeer; headers?: Record<string, string> }): boolean
  requestIP(request: Request): { readonly address: string } | null
  stop(closeActiveConnections?: boolean): Promise<void> | void
}
declare const Bun: { serve(options: object): BunServer }
declare const process: Process

/** So much longer than is allowed may a message be and still be refused in good order. */
const MESSAGE_SLACK = 64 * 1024

/** More than the relay ever gives Bun for one socket, unless it says the last that it has to say. */
const BACKPRESSURE_MAX = 0x7fffffff

/** A relay for Bun: `fetch` and `websocket` go into `Bun.serve`, or into handlers of yours. */
export class BunRelay extends Relay {
  /** Answers a request: upgrades, `/healthz`, `/readyz` and `/limits`, and `okay` elsewhere. */
  readonly fetch = (request: Request, server: BunServer): Response | undefined | Promise<Response | undefined> => {
    const answer = this.request(factsOf(request, server.requestIP(request)?.address), request)
    return answer instanceof Promise ? answer.then((answer) => this.#respond(answer, request, server)) : this.#respond(answer, request, server)
  }

  #respond(answer: Answer, request: Request, server: BunServer): Response | undefined {
    if (answer.peer === undefined) return responseOf(answer)
    const { peer, protocol } = answer
    const options = protocol === undefined ? {} : { headers: { 'sec-websocket-protocol': protocol } }
    if (server.upgrade(request, { data: { relay: this, peer }, ...options })) return undefined
    this.leave(peer)
    return responseOf({ status: 400, headers: [], body: 'this upgrade cannot be made' })
  }

  /**
   * The handlers of its WebSockets. A server has one set of them, also for the sockets of other relays
   * and of one that a reload has put this in place of, so each socket knows whose it is.
   */
  readonly websocket = {
    open: (socket: BunWebSocket): void => socket.data.relay.connect(socket.data.peer, new BunSocket(socket)),
    message: (socket: BunWebSocket, message: string | Uint8Array): void => socket.data.relay.receive(socket.data.peer, message),
    ping: (socket: BunWebSocket, data: Uint8Array): void => socket.data.relay.frame(socket.data.peer, data.length),
    pong: (socket: BunWebSocket, data: Uint8Array): void => socket.data.relay.frame(socket.data.peer, data.length),
    drain: (socket: BunWebSocket): void => socket.data.relay.flush(socket.data.peer),
    close: (socket: BunWebSocket): void => socket.data.relay.leave(socket.data.peer),
    // Past it Bun closes by itself, at once; up to it the relay refuses.
    maxPayloadLength: (this.limits.message_bytes_max ?? 0) * 2 + MESSAGE_SLACK,
    // The relay bounds what waits, and closes with the right code. Past it Bun would drop a message.
    backpressureLimit: BACKPRESSURE_MAX,
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
  readonly tellsRoom = true

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
 * @throws {ListenError} It cannot listen there.
 */
export async function serve(settings: Settings = {}, options: ListenOptions = {}): Promise<RunningRelay> {
  const { place, rest } = placeOf(options)
  const relay = new BunRelay(settings, rest)
  await relay.ready()
  const { fetch, websocket } = relay
  const listen = (hostname: string, port: number) => {
    const server = Bun.serve({ hostname, port, fetch, websocket })
    return { server, port: server.port ?? port }
  }
  const listening = await listenAt(place, listen, ({ server }) => server.stop(true))
  const stop = async (): Promise<void> => {
    await relay.drain()
    await Promise.all(listening.map(({ server }) => server.stop(true)))
    forget()
  }
  const forget = place.signals ? endOnSignals(process, stop) : () => {}
  return { relay, port: listening[0].port, stop }
}

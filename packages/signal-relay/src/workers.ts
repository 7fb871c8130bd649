import { type Answer, Relay, type RelayOptions, type Settings } from './wasm.ts'
import { plain } from './settings.ts'
import { factsOf, listen, responseOf, WebSocketSocket } from './web.ts'

export * from './wasm.ts'

declare const WebSocketPair: new () => { 0: WebSocket; 1: WebSocket & { accept(): void } }

/**
 * A relay in a Durable Object of yours, which has to be one object for all who are to meet. It stays
 * awake while somebody is connected; a Worker in Rust that sleeps is `examples/cloudflare`.
 *
 * The runtime has no pings, so `ping_interval` is how long a client may say nothing, 90 seconds by
 * default: a stock client pings each 15 seconds, in a hidden tab each minute at least. Nor does the
 * relay send what a hidden tab needs to stay connected, so `keepalive_interval` is 0 by default: each
 * message costs. An object has 128 MB for everything, so `memory_max` is 64 MiB by default.
 */
export class WorkersRelay extends Relay {
  /** @throws {SettingsError} A setting cannot be used. */
  constructor(settings: Settings = {}, options: RelayOptions = {}) {
    super({ ping_interval: '90s', keepalive_interval: 0, memory_max: '64MiB', ...plain('settings', settings) }, options)
  }

  /** Answers a request: upgrades, `/healthz`, `/readyz` and `/limits`, and `okay` elsewhere. */
  readonly fetch = (request: Request): Response | Promise<Response> => {
    const answer = this.request(factsOf(request, request.headers.get('cf-connecting-ip') ?? undefined), request)
    return answer instanceof Promise ? answer.then((answer) => this.#respond(answer)) : this.#respond(answer)
  }

  #respond(answer: Answer): Response {
    if (answer.peer === undefined) return responseOf(answer)
    const { peer, protocol } = answer
    const pair = new WebSocketPair()
    pair[1].accept()
    this.connect(peer, new WebSocketSocket(pair[1]))
    listen(this, peer, pair[1])
    const headers = protocol === undefined ? {} : { 'sec-websocket-protocol': protocol }
    return new Response(null, { status: 101, headers, webSocket: pair[0] } as ResponseInit)
  }
}

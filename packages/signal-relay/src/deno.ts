import { type Answer, Relay, type RelayOptions, type Settings } from './index.ts'
import { factsOf, listen, responseOf, WebSocketSocket } from './web.ts'

export * from './index.ts'

/** What of Deno is used here. */
interface DenoServer {
  readonly addr: { readonly hostname: string; readonly port: number }
  shutdown(): Promise<void>
}
declare const Deno: {
  serve(
    options: { hostname: string; port: number; onListen?: (address: { hostname: string; port: number }) => void },
    handler: (request: Request, info: ConnectionInfo) => Response | Promise<Response>,
  ): DenoServer
  upgradeWebSocket(
    request: Request,
    options: { protocol?: string; idleTimeout: number },
  ): { socket: WebSocket; response: Response }
  addSignalListener(signal: 'SIGINT' | 'SIGTERM', listener: () => void): void
  readonly env: { get(name: string): string | undefined }
  exit(code: number): never
}

/** What `Deno.serve` tells of a request's connection. */
export interface ConnectionInfo {
  readonly remoteAddr: { readonly hostname?: string }
}

/** Where to listen. */
export interface ListenOptions extends RelayOptions {
  /** Default 127.0.0.1; `0.0.0.0` is every interface. */
  readonly host?: string
  /** Default 4444; 0 is a port that is free. */
  readonly port?: number
  /** Whether SIGTERM and SIGINT drain and end the process. Default: true. */
  readonly signals?: boolean
}

const ONE_INSTANCE =
  'signal-relay: Deno Deploy may run several instances, which share nothing: two people of one room on two of them ' +
  'do not find each other. Run this relay where there is one instance.'

/** A relay for Deno: `fetch` goes into `Deno.serve`, or into a handler of yours. */
export class DenoRelay extends Relay {
  /** @throws {SettingsError} A setting cannot be used. */
  constructor(settings: Settings = {}, options: RelayOptions = {}) {
    super(settings, { ...options, runtimePings: true })
    if (isOnDeploy()) console.warn(ONE_INSTANCE)
  }

  /** Answers a request: upgrades, `/healthz`, `/readyz` and `/limits`, and `okay` elsewhere. */
  readonly fetch = (request: Request, info: ConnectionInfo): Response | Promise<Response> => {
    const answer = this.request(factsOf(request, info.remoteAddr.hostname), request)
    return answer instanceof Promise ? answer.then((answer) => this.#respond(answer, request)) : this.#respond(answer, request)
  }

  #respond(answer: Answer, request: Request): Response {
    if (answer.peer === undefined) return responseOf(answer)
    const { peer, protocol } = answer
    try {
      const idleTimeout = (this.limits.ping_interval ?? 0) / 1_000
      const options = protocol === undefined ? { idleTimeout } : { idleTimeout, protocol }
      const { socket, response } = Deno.upgradeWebSocket(request, options)
      socket.addEventListener('open', () => this.connect(peer, new WebSocketSocket(socket)))
      listen(this, peer, socket)
      return response
    } catch {
      this.leave(peer)
      return responseOf({ status: 400, headers: [], body: 'this upgrade cannot be made' })
    }
  }
}

/** What `serve` returns. */
export interface RunningRelay {
  readonly relay: DenoRelay
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
  const relay = new DenoRelay(settings, options)
  const listenOptions = { hostname: options.host ?? '127.0.0.1', port: options.port ?? 4444, onListen: () => {} }
  const server = Deno.serve(listenOptions, relay.fetch)
  const stop = async (): Promise<void> => {
    await relay.drain()
    await server.shutdown()
  }
  if (options.signals !== false) {
    let isStopping = false
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      Deno.addSignalListener(signal, () => {
        if (isStopping) Deno.exit(130)
        isStopping = true
        // A peer that has not answered the close by now is not waited for.
        void relay.drain().then(() => Deno.exit(0))
      })
    }
  }
  return { relay, port: server.addr.port, stop }
}

function isOnDeploy(): boolean {
  try {
    return Deno.env.get('DENO_DEPLOYMENT_ID') !== undefined
  } catch {
    // Without the permission to look it is not Deploy, which gives all.
    return false
  }
}

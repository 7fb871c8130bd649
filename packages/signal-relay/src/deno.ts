import { type Answer, Relay, type RelayOptions, type Settings } from './index.ts'
import { endOnSignals, listenAt, type ListenOptions, placeOf } from './listen.ts'
import { plain } from './settings.ts'
import { factsOf, listen, responseOf, WebSocketSocket } from './web.ts'

export * from './index.ts'
export { ListenError, type ListenOptions } from './listen.ts'

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
  removeSignalListener(signal: 'SIGINT' | 'SIGTERM', listener: () => void): void
  readonly env: { get(name: string): string | undefined }
  exit(code: number): never
}

/** What `Deno.serve` tells of a request's connection. */
export interface ConnectionInfo {
  readonly remoteAddr: { readonly hostname?: string }
}

const ONE_INSTANCE =
  'Deno Deploy may run several instances, which share nothing: two people of one room on two of them ' +
  'do not find each other. Run this relay where there is one instance.'

/** Deploy ends an instance five seconds after its SIGINT: time for all closes, and for who does not answer one. */
const DEPLOY_DEFAULTS = { drain_seconds: 2, close_timeout: '1s' }

/** How long after a drain those are waited for who do not answer their close, in milliseconds. */
const SHUTDOWN_MAX = 1_000

/**
 * A relay for Deno: `fetch` goes into `Deno.serve`, or into a handler of yours.
 *
 * On Deploy, which ends an instance five seconds after its SIGINT, `drain_seconds` is 2 by default
 * and `close_timeout` 1 s.
 */
export class DenoRelay extends Relay {
  /** @throws {SettingsError} A setting cannot be used. */
  constructor(settings: Settings = {}, options: RelayOptions = {}) {
    super(isOnDeploy() ? { ...DEPLOY_DEFAULTS, ...plain('settings', settings) } : settings, {
      ...plain('options', options),
      runtimePings: true,
    })
    if (isOnDeploy()) this.tell({ level: 'warn', event: 'notice', text: ONE_INSTANCE })
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
 * @throws {ListenError} It cannot listen there.
 */
export async function serve(settings: Settings = {}, options: ListenOptions = {}): Promise<RunningRelay> {
  const { place, rest } = placeOf(options)
  const relay = new DenoRelay(settings, rest)
  await relay.ready()
  const listen = (hostname: string, port: number) => {
    const server = Deno.serve({ hostname, port, onListen: () => {} }, relay.fetch)
    return { server, port: server.addr.port }
  }
  const listening = await listenAt(place, listen, ({ server }) => server.shutdown())
  const stop = async (): Promise<void> => {
    await relay.drain()
    // Deno cannot end a connection whose client does not answer, and would wait for it.
    let timer: ReturnType<typeof setTimeout> | undefined
    const enough = new Promise<void>((resolve) => (timer = setTimeout(resolve, SHUTDOWN_MAX)))
    await Promise.race([enough, Promise.all(listening.map(({ server }) => server.shutdown()))])
    clearTimeout(timer)
    forget()
  }
  const forget = place.signals ? endOnSignals(PROCESS, stop) : () => {}
  return { relay, port: listening[0].port, stop }
}

const PROCESS = {
  on: (signal: 'SIGTERM' | 'SIGINT', listener: () => void): void => Deno.addSignalListener(signal, listener),
  off: (signal: 'SIGTERM' | 'SIGINT', listener: () => void): void => Deno.removeSignalListener(signal, listener),
  exit: (code: number): void => Deno.exit(code),
}

function isOnDeploy(): boolean {
  try {
    return ['DENO_DEPLOY', 'DENO_DEPLOYMENT_ID'].some((name) => Deno.env.get(name) !== undefined)
  } catch {
    // Without the permission to look it is not Deploy, which gives all.
    return false
  }
}

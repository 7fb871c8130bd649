// Where a relay on a server of its own listens, and how it ends: the same on every runtime.

import type { RelayOptions } from './relay.ts'
import { plain, SettingsError, shown } from './settings.ts'

/** Where to listen. */
export interface ListenOptions extends RelayOptions {
  /**
   * Default `localhost`: this machine alone, by 127.0.0.1 and ::1, since clients differ in which of
   * them `localhost` is. `*` is every interface, any other is one address.
   */
  readonly host?: string
  /** Default 4444; 0 is a port that is free. */
  readonly port?: number | string
  /** Whether SIGTERM and SIGINT drain and end the process. Default: true. */
  readonly signals?: boolean
}

/** Where to listen, judged. */
export interface Place {
  readonly host: string
  readonly port: number
  readonly signals: boolean
}

/** An address that cannot be listened on. The message says which, why and what to do. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
  /** The system's word for it, such as `EADDRINUSE`. */
  readonly code: string | undefined

  constructor(message: string, code: string | undefined) {
    super(message)
    this.code = code
  }
}

/** A server that listens. */
export interface Listening {
  readonly port: number
}

/**
 * Takes from options what says where to listen.
 *
 * @throws {SettingsError} One of them cannot be used.
 */
export function placeOf(options: ListenOptions): { place: Place; rest: RelayOptions } {
  const { host = 'localhost', port = 4444, signals = true, ...rest } = plain('options', options)
  if (typeof host !== 'string' || host.trim() === '') throw new SettingsError(`host is ${shown(host)}, which is not an address; write localhost, * or an address`)
  const isPort = typeof port === 'number' || (typeof port === 'string' && /^\d{1,5}$/.test(port))
  const number = Number(port)
  if (!isPort || !Number.isInteger(number) || number < 0 || number > 65_535) throw new SettingsError(`port is ${shown(port)}, which is not a number from 0 to 65535`)
  if (typeof signals !== 'boolean') throw new SettingsError(`signals is ${shown(signals)}, which is not true or false`)
  return { place: { host: host.trim(), port: number, signals }, rest }
}

/** How often a free port is looked for that is free at both addresses of a machine. */
const TRIES_MAX = 10

/**
 * Listens at all addresses of a place, on one port.
 *
 * @throws {ListenError} One of them cannot be listened on.
 */
export async function listenAt<Server extends Listening>(
  { host, port }: Place,
  listen: (host: string, port: number) => Server | Promise<Server>,
  close: (server: Server) => unknown,
): Promise<[Server, ...Server[]]> {
  const at = async (host: string, port: number): Promise<Server> => {
    try {
      return await listen(host, port)
    } catch (error) {
      throw explained(host, port, error)
    }
  }
  if (host === '*') return [await at('::', port).catch((error) => (isMissing(error) ? at('0.0.0.0', port) : Promise.reject(error)))]
  if (host !== 'localhost') return [await at(host, port)]
  for (let tries = 1; ; tries += 1) {
    const first = await at('127.0.0.1', port)
    try {
      return [first, await at('::1', first.port)]
    } catch (error) {
      if (isMissing(error)) return [first]
      await close(first)
      const isOther = error instanceof ListenError && error.code === 'EADDRINUSE'
      if (port !== 0 || !isOther || tries === TRIES_MAX) throw error
    }
  }
}

/** Whether the system has no such address, as one without IPv6. */
function isMissing(error: unknown): boolean {
  return error instanceof ListenError && ['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(error.code ?? '')
}

/** Runtimes whose errors have no code name them. */
const CODES: Readonly<Record<string, string>> = {
  AddrInUse: 'EADDRINUSE',
  AddrNotAvailable: 'EADDRNOTAVAIL',
  PermissionDenied: 'EACCES',
}

function explained(host: string, port: number, error: unknown): ListenError {
  const { code: known, name = '', message = String(error) } = error as { code?: unknown; name?: string; message?: string }
  const code = typeof known === 'string' ? known : CODES[name]
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`
  switch (code) {
    case 'EADDRINUSE':
      return new ListenError(`${address} is taken: end the program that listens there, or choose another port; 0 takes a free one`, code)
    case 'EACCES':
      return new ListenError(`${address} is not for ordinary users, as ports below 1024 are reserved: choose a higher one behind a proxy`, code)
    case 'EADDRNOTAVAIL':
      return new ListenError(`no network interface of this machine has the address ${host}: choose one that it has, or * for all`, code)
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new ListenError(`${host} is not an address of this machine: choose one that it has, or * for all`, code)
    default:
      return new ListenError(`cannot listen on ${address}: ${message}`, code)
  }
}

/** How a runtime tells of signals, and how it ends. */
export interface Process {
  on(signal: 'SIGTERM' | 'SIGINT', listener: () => void): void
  off(signal: 'SIGTERM' | 'SIGINT', listener: () => void): void
  exit(code: number): void
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const
/** The relays of this process that end on a signal. */
const serving = new Set<() => Promise<void>>()
let unlisten = (): void => {}
let isEnding = false

/**
 * Has a signal drain all relays of this process and then end it; a second one ends it at once.
 * Returns how to take a relay out again.
 */
export function endOnSignals(process: Process, stop: () => Promise<void>): () => void {
  if (serving.size === 0) {
    const end = (): void => {
      if (isEnding) process.exit(130)
      isEnding = true
      void Promise.allSettled([...serving].map((stop) => stop())).then(() => process.exit(0))
    }
    SIGNALS.forEach((signal) => process.on(signal, end))
    unlisten = () => SIGNALS.forEach((signal) => process.off(signal, end))
  }
  serving.add(stop)
  return () => {
    if (serving.delete(stop) && serving.size === 0 && !isEnding) unlisten()
  }
}

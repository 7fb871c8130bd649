import cluster from 'node:cluster'
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Server as SecureServer } from 'node:https'
import { type AddressInfo, Socket as TcpSocket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Server as TlsServer } from 'node:tls'
import { type WebSocket, WebSocketServer } from 'ws'

import { type Answer, type Facts, type Message, Relay, type RelayOptions, type Settings, SettingsError, type Socket } from './index.ts'
import { endOnSignals, listenAt, type ListenOptions, placeOf } from './listen.ts'
import { WINDOW_BYTES } from './queue.ts'
import { plain, shown } from './settings.ts'

export * from './index.ts'
export { ListenError, type ListenOptions } from './listen.ts'

/** Which upgrades of a server are the relay's. */
export interface AttachOptions extends RelayOptions {
  /** Only those to these paths; others are left to other listeners. Default: all. */
  readonly path?: string | readonly string[]
}

/** So much longer than is allowed may a message be and still be refused in good order. */
const MESSAGE_SLACK = 64 * 1024

/**
 * A relay on the upgrades of a server of yours, beside Express, Fastify and others.
 *
 * @throws {SettingsError} A setting cannot be used.
 */
export function attach(server: Server | SecureServer, settings: Settings = {}, options: AttachOptions = {}): NodeRelay {
  const isServer = typeof server?.on === 'function' && typeof server.address === 'function'
  if (!isServer) throw new SettingsError('attach needs the http.Server: what app.listen() returns of Express, app.server of Fastify')
  const { path, ...rest } = plain('options', options)
  const paths = pathsOf(path)
  const relay = new NodeRelay(settings, rest)
  take(server, relay, paths)
  return relay
}

/** What `serve` returns. */
export interface NodeServer {
  readonly relay: NodeRelay
  readonly port: number
  /** That of 127.0.0.1, if it listens on `localhost`. */
  readonly server: Server
  /** Drains, and ends the server. */
  stop(): Promise<void>
}

/**
 * A relay on a server of its own. Resolves when it listens.
 *
 * @throws {SettingsError} A setting cannot be used.
 * @throws {ListenError} It cannot listen there.
 */
export async function serve(settings: Settings = {}, options: ListenOptions = {}): Promise<NodeServer> {
  const { place, rest } = placeOf(options)
  const relay = new NodeRelay(settings, rest)
  await relay.ready()
  const listening = await listenAt(place, (host, port) => listen(relay, host, port), ({ server }) => server.close())
  const stop = async (): Promise<void> => {
    // Until all are gone it answers: those who come are told when to come again.
    await relay.drain()
    for (const { server } of listening) {
      server.close()
      server.closeAllConnections()
    }
    forget()
  }
  const forget = place.signals ? endOnSignals(process, stop) : () => {}
  const [{ server, port }] = listening
  return { relay, port, server, stop }
}

async function listen(relay: NodeRelay, host: string, port: number): Promise<{ server: Server; port: number }> {
  const server = createServer(relay.page)
  take(server, relay, undefined)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return { server, port: (server.address() as AddressInfo).port }
}

/** A relay and the paths that are its own; without any, all are. */
interface Attachment {
  readonly relay: NodeRelay
  readonly paths: readonly string[] | undefined
}

/** The relays of each server. */
const attachments = new WeakMap<Server | SecureServer, Attachment[]>()

/** Makes a relay answer the upgrades of a server. All relays of one have one listener. */
function take(server: Server | SecureServer, relay: NodeRelay, paths: readonly string[] | undefined): void {
  const others = attachments.get(server)
  // One that drains lets nobody in any more.
  const rest = (others ?? []).filter(({ relay }) => !relay.stats().draining)
  const isTaken = rest.some((other) => paths === undefined || other.paths === undefined || other.paths.some((path) => paths.includes(path)))
  if (isTaken) throw new SettingsError('this server has a relay already, at the same path; drain that one, or give each a path of its own')
  attachments.set(server, [...rest, { relay, paths }])
  if (others !== undefined) return
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const isAlone = server.listenerCount('upgrade') === 1
    const path = unslashed(request.url?.split('?')[0] ?? '/')
    const found = attachments.get(server)?.find(({ paths }) => paths?.includes(path) ?? true)
    // What Node would give to the listeners of requests, if nobody listened to upgrades.
    const isWebSocket = /(^|,)\s*websocket\s*(,|$)/i.test(request.headers.upgrade ?? '')
    if (found !== undefined && (isWebSocket || !isAlone)) found.relay.upgrade(request, socket, head)
    else if (isAlone) handBack(server, request, socket, head)
  })
}

/** Has the server answer a request as if its client had not asked for an upgrade, which it may (RFC 9110, 7.8). */
function handBack(server: Server | SecureServer, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const { method, url, httpVersion, rawHeaders } = request
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() !== 'upgrade') lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`)
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]))
  server.emit(server instanceof TlsServer ? 'secureConnection' : 'connection', socket)
}

function pathsOf(path: unknown): readonly string[] | undefined {
  if (path === undefined) return undefined
  const paths: readonly unknown[] = Array.isArray(path) ? path : [path]
  if (paths.length === 0) throw new SettingsError('path is an empty list; leave it out for all paths')
  return paths.map((path) => {
    if (typeof path === 'string' && /^\/[^?#]*$/.test(path)) return unslashed(path)
    throw new SettingsError(`path is ${shown(path)}, which is not a path; write one such as "/signal"`)
  })
}

/** A path without the slash at its end. */
const unslashed = (path: string): string => (path.length > 1 ? path.replace(/\/$/, '') : path)

/** A relay for Node, over `ws`. */
export class NodeRelay extends Relay {
  readonly #sockets: WebSocketServer
  readonly #protocols = new WeakMap<IncomingMessage, string>()

  /** @throws {SettingsError} A setting cannot be used. */
  constructor(settings: Settings = {}, options: RelayOptions = {}) {
    super(settings, options)
    if (cluster.isWorker) this.tell({ level: 'warn', event: 'notice', text: ONE_PROCESS })
    this.#sockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      // Past it `ws` closes by itself, at once; up to it the relay refuses.
      maxPayload: (this.limits.message_bytes_max ?? 0) * 2 + MESSAGE_SLACK,
      handleProtocols: (_, request) => this.#protocols.get(request) ?? false,
    })
  }

  /** Answers an upgrade: the listener of a server's event `upgrade`. */
  readonly upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const answer = this.request(factsOf(request), request)
    if (answer instanceof Promise) {
      // The client may end it at any time, which its being destroyed says, too.
      socket.on('error', ignore)
      void answer.then((answer) => this.#upgrade(answer, request, socket, head))
    } else this.#upgrade(answer, request, socket, head)
  }

  #upgrade(answer: Answer, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (answer.peer === undefined) {
      refuse(socket, answer)
      return
    }
    const { peer, protocol } = answer
    if (protocol !== undefined) this.#protocols.set(request, protocol)
    let hasBegun = false
    try {
      this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
        this.#begin(peer, webSocket, socket)
        hasBegun = true
      })
    } catch (error) {
      // So says `ws` of a socket that is a WebSocket already.
      const text = 'another listener of this server has answered an upgrade that is the relay’s too; give each a path of its own'
      this.tell({ level: 'error', event: 'failed', text, error })
    }
    // The client may have gone away while its request was judged.
    if (!hasBegun) this.leave(peer)
  }

  /** Answers `/healthz`, `/readyz` and `/limits`, and `okay` elsewhere: a request listener. */
  readonly page = (request: IncomingMessage, response: ServerResponse): void => {
    const answer = this.request(factsOf(request), request)
    if (answer instanceof Promise) void answer.then((answer) => this.#page(answer, response))
    else this.#page(answer, response)
  }

  #page(answer: Answer, response: ServerResponse): void {
    if (answer.peer !== undefined) {
      // Only an upgrade that Node does not take for one comes here.
      this.leave(answer.peer)
      response.writeHead(400).end()
      return
    }
    response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(answer.body)
  }

  #begin(peer: number, socket: OwnedWebSocket, stream: Duplex): void {
    const owner = new NodeSocket(this, peer, socket, stream)
    socket[OWNER] = owner
    this.connect(peer, owner)
    socket.on('message', onMessage)
    socket.on('ping', onFrame)
    socket.on('pong', onFrame)
    socket.on('error', onError)
    socket.on('close', onClose)
    stream.on('finish', onFinish)
  }
}

const OWNER = Symbol('owner')

/** A WebSocket of `ws` that knows whose it is, so that the listeners of all are the same. */
interface OwnedWebSocket extends WebSocket {
  [OWNER]?: NodeSocket
}

function onMessage(this: OwnedWebSocket, data: unknown): void {
  this[OWNER]?.receive(data as Buffer)
}

function onFrame(this: OwnedWebSocket, data: Buffer): void {
  this[OWNER]?.frame(data.length)
}

function onError(this: OwnedWebSocket, error: NodeJS.ErrnoException): void {
  // Those of `ws` itself are about what the client sent.
  if (error.code?.startsWith('WS_ERR_')) this[OWNER]?.brokeProtocol()
}

function onClose(this: OwnedWebSocket): void {
  this[OWNER]?.leave()
}

/**
 * Both sides have said their close, or the client is gone: `ws` would wait for the client to end the
 * connection, which is for a server to do (RFC 6455, 7.1.1).
 */
function onFinish(this: Duplex): void {
  this.destroy()
}

function ignore(): void {}

const ONE_PROCESS =
  'this is one of several processes of a cluster, which share nothing: two people of one room in two of them do not ' +
  'find each other; run the relay in one process'

/**
 * A WebSocket whose texts go past `ws` to its stream: `ws` makes a header and a vector for each
 * receiver, where here a text is framed once for all. Its own frames are whole, too, so that they
 * can stand between ours. What comes within one turn of the event loop goes out in one write.
 */
class NodeSocket implements Socket {
  readonly #relay: Relay
  readonly #peer: number
  readonly #socket: WebSocket
  readonly #stream: Duplex
  readonly #written = (): void => this.#relay.flush(this.#peer)
  /** The first frame that waits; there are others seldom. */
  #first: Buffer | undefined
  #others: Buffer[] | undefined
  #waitingBytes = 0

  constructor(relay: Relay, peer: number, socket: WebSocket, stream: Duplex) {
    this.#relay = relay
    this.#peer = peer
    this.#socket = socket
    this.#stream = stream
  }

  get tellsRoom(): boolean {
    return true
  }

  receive(message: Buffer): void {
    this.#relay.receive(this.#peer, message)
  }

  frame(bytes: number): void {
    this.#relay.frame(this.#peer, bytes)
  }

  brokeProtocol(): void {
    // The client has not said its close, and may be sending still: a reset would overtake ours.
    this.#stream.off('finish', onFinish)
    this.#relay.brokeProtocol(this.#peer)
  }

  leave(): void {
    this.#relay.leave(this.#peer)
  }

  send(message: Message): void {
    if (this.#socket.readyState !== 1) return
    const frame = framed(message)
    if (this.#first === undefined) {
      this.#first = frame
      flushSoon(this)
    } else if (this.#others === undefined) this.#others = [frame]
    else this.#others.push(frame)
    this.#waitingBytes += frame.length
    // So that what counts as waiting is what the system does not take.
    if (this.#waitingBytes >= WINDOW_BYTES) this.flush()
  }

  flush(): void {
    const first = this.#first
    if (first === undefined) return
    const waiting = this.#others === undefined ? first : Buffer.concat([first, ...this.#others], this.#waitingBytes)
    this.#first = undefined
    this.#others = undefined
    this.#waitingBytes = 0
    const isOpen = this.#socket.readyState <= 2 && this.#stream.writable
    if (isOpen) this.#stream.write(waiting, this.#written)
  }

  buffered(): number {
    return this.#stream.writableLength + this.#waitingBytes
  }

  ping(): void {
    if (this.#socket.readyState === 1) this.#socket.ping()
  }

  close(code: number, reason: string): void {
    this.flush()
    this.#socket.resume()
    this.#socket.close(code, reason)
  }

  hold(): void {
    this.#socket.pause()
  }

  abort(): void {
    // With a reset, so that the system does not keep what waits for it.
    if (this.#stream instanceof TcpSocket) this.#stream.resetAndDestroy()
    else this.#socket.terminate()
  }
}

let dirty: NodeSocket[] = []

function flushSoon(socket: NodeSocket): void {
  if (dirty.push(socket) === 1) setImmediate(flushAll)
}

function flushAll(): void {
  const sockets = dirty
  dirty = []
  for (const socket of sockets) socket.flush()
}

let lastMessage: Message | undefined
let lastFrame: Buffer = Buffer.alloc(0)

/** A text as one frame of a server (RFC 6455, 5.2), made once for all who get it. */
function framed(message: Message): Buffer {
  if (message === lastMessage) return lastFrame
  const { bytes } = message
  const length = bytes.length
  const start = length < 126 ? 2 : length < 0x10000 ? 4 : 10
  const frame = Buffer.allocUnsafe(start + length)
  frame[0] = 0x81
  if (start === 2) frame[1] = length
  else if (start === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  frame.set(bytes, start)
  lastMessage = message
  lastFrame = frame
  return frame
}

function factsOf(request: IncomingMessage): Facts {
  return {
    method: request.method ?? 'GET',
    target: request.url ?? '/',
    remote: request.socket.remoteAddress,
    header: (name) => headerOf(request, name),
  }
}

/** Of some headers Node keeps but the first in `headers`, and `headersDistinct` are lists of all. */
function headerOf({ headers, rawHeaders }: IncomingMessage, name: string): string | undefined {
  if (headers[name] === undefined) return undefined
  let value: string | undefined
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const raw = rawHeaders[at] ?? ''
    if (raw.length !== name.length || raw.toLowerCase() !== name) continue
    const next = rawHeaders[at + 1] ?? ''
    value = value === undefined ? next : `${value}, ${next}`
  }
  return value
}

function refuse(socket: Duplex, page: Exclude<Answer, { peer: number }>): void {
  socket.on('error', ignore)
  const body = Buffer.from(page.body)
  const headers = [...page.headers, ['content-length', String(body.length)], ['connection', 'close']]
  const head = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  socket.once('finish', () => socket.destroy())
  socket.end(Buffer.concat([Buffer.from(`HTTP/1.1 ${page.status} ${STATUS_CODES[page.status] ?? ''}\r\n${head}\r\n`), body]))
}

import { type CompiledModule, Instance, Message, Records } from './module.ts'
import { askable, type Authorize, type AuthorizeRequest, type Grant, Refusal, written } from './authorize.ts'
import { type Log, type LogEntry, toConsole } from './log.ts'
import { fetchText, type Published } from './published.ts'
import { checkOptions, type Settings, SettingsError, texts } from './settings.ts'
import { Queue, QUEUED_COST, WINDOW_BYTES } from './queue.ts'
import { type Signature, Signatures } from './signatures.ts'

export { type Authorize, type AuthorizeRequest, type Grant, Refusal } from './authorize.ts'
export type { Log, LogEntry } from './log.ts'
export { type CompiledModule, Message } from './module.ts'
export { type Setting, type Settings, SettingsError } from './settings.ts'

/** One connection, as a host has it. None of the methods may wait. */
export interface Socket {
  /** Sends a text message. */
  send(message: Message): void
  /** How many bytes wait in the runtime, because the client does not read. */
  buffered(): number
  /** Whether the host calls `flush` when fewer wait than did; otherwise it is looked at by a timer. */
  readonly tellsRoom?: boolean
  /** Sends a ping frame, where the runtime lets one. */
  ping(): void
  /** Begins a close. */
  close(code: number, reason: string): void
  /** Reads no more, where the runtime lets one: the peer is refused, and its close follows. */
  hold?(): void
  /** Ends the connection without its client, where the runtime lets one. */
  abort?(): void
}

/** What of a request the relay looks at; see `facts`. */
export interface Facts {
  readonly method: string
  /** Path and query, as they were sent. */
  readonly target: string
  /** The IP address at the other end of the connection. */
  readonly remote: string | undefined
  /** The value of a header; those of one that came more than once are joined with `, `. */
  header(name: string): string | undefined
}

/** What a request is answered: a page, or an upgrade to the connection of `peer`. */
export type Answer =
  | { readonly peer?: never; readonly status: number; readonly headers: [string, string][]; readonly body: string }
  | { readonly peer: number; readonly protocol: string | undefined }

/** What there is and what has happened. The names are those of the metrics of `signal serve`. */
export interface Stats {
  readonly peers: number
  readonly topics: number
  readonly draining: boolean
  readonly connects: number
  readonly received: Readonly<Record<string, number>>
  readonly ignored: Readonly<Record<string, number>>
  readonly deliveries: number
  readonly topics_skipped: number
  readonly holds: Readonly<Record<string, number>>
  readonly closes: Readonly<Record<string, number>>
  readonly by_peer: number
  readonly refusals: Readonly<Record<string, number>>
  readonly auth: Readonly<Record<string, number>>
}

/** A setting, as help and tables show it. */
export interface SettingDescription {
  readonly name: string
  readonly unit: 'text' | 'count' | 'bytes' | 'time' | 'switch'
  readonly what: string
  readonly form?: string
  readonly default?: string
  readonly past?: string
  readonly why?: string
}

/** What a relay may be given beside settings. */
export interface RelayOptions {
  /** Says who may come in, in place of `token_keys`. */
  readonly authorize?: Authorize
  /** Where log entries go. Default: warnings and errors go to the console. */
  readonly log?: Log
}

/** How a host differs from others. */
export interface HostOptions extends RelayOptions {
  /** Whether the runtime pings its sockets itself, each `limits.ping_interval` milliseconds. */
  readonly runtimePings?: boolean
}

const HEADERS = [
  'upgrade',
  'sec-websocket-version',
  'sec-websocket-key',
  'sec-websocket-protocol',
  'host',
  'origin',
  'authorization',
  'x-forwarded-for',
  'access-control-request-method',
  'content-length',
  'transfer-encoding',
]

/** How often queues are looked at whose runtime does not say when it has room: less while nobody takes anything. */
const FLUSH_WAIT_MIN = 4
const FLUSH_WAIT_MAX = 250

/** So many milliseconds are the longest that a timer takes. */
const TIMER_MAX = 0x7fffffff

interface Connection {
  readonly socket: Socket
  /** What the runtime was not given yet, as it has enough that is not written. */
  readonly queue: Queue
  /** How many bytes were ever to be sent. */
  queued: number
  /** Whether the module knows that more waits than may. */
  isOver: boolean
  closing: ReturnType<typeof setTimeout> | undefined
}

/** How many bytes wait for a connection, those that the runtime has included. */
const waitingFor = ({ socket, queue }: Connection): number => socket.buffered() + queue.bytes

/**
 * A relay over one instance of the module, and the sockets of its peers. It decides nothing: what
 * the module says it does, and what the sockets say it hands in.
 */
export class RelayOf {
  /** All limits by name: sizes in bytes, times in milliseconds. */
  readonly limits: Readonly<Record<string, number>>
  /** Who may come in, in words. */
  readonly access: string

  readonly #module: Instance
  readonly #connections = new Map<number, Connection>()
  readonly #outboundMax: number
  readonly #burstMax: number
  readonly #window: number
  readonly #inboundMax: number
  readonly #published: Published | undefined
  readonly #authorize: Authorize | undefined
  readonly #hasOrigins: boolean
  readonly #log: Log
  #signatures: Signatures
  #fetching: Promise<void> = Promise.resolve()
  /** How many fetches were begun. */
  #fetches = 0
  #due = Infinity
  #timer: ReturnType<typeof setTimeout> | undefined
  #emptied: (() => void)[] = []
  /** Whose queues a timer flushes, and how long it waits now. */
  readonly #flushed = new Set<Connection>()
  #flushWait = FLUSH_WAIT_MIN
  #flushTimer: ReturnType<typeof setTimeout> | undefined

  /**
   * @param module The module of the relay, compiled.
   * @throws {SettingsError} A setting cannot be used.
   */
  constructor(module: CompiledModule, settings: Settings = {}, options: HostOptions = {}) {
    checkOptions(options, () => RelayOf.describe(module).map(({ name }) => name))
    this.#module = new Instance(module)
    const length = this.#module.writeTexts(texts(settings))
    if (options.authorize !== undefined && typeof options.authorize !== 'function') throw new SettingsError('authorize is not a function')
    if (options.log !== undefined && typeof options.log !== 'function') throw new SettingsError('log is not a function')
    const isOpen = this.#module.exports.signal_open(length, options.runtimePings === true ? 1 : 0, options.authorize === undefined ? 0 : 1)
    const told = this.#told()
    if (isOpen === 0) throw new SettingsError(told[0])
    this.limits = JSON.parse(told[0] ?? '{}') as Record<string, number>
    this.access = told[1] ?? ''
    this.#published = (JSON.parse(told[4] ?? 'null') as Published | null) ?? undefined
    // The module reads addresses more kindly than `fetch` does.
    if (this.#published !== undefined && !URL.canParse(this.#published.url)) throw new SettingsError('token_jwks_url is not an address that this runtime can fetch from')
    this.#signatures = new Signatures(JSON.parse(told[2] ?? '[]') as JsonWebKey[], 'token_keys')
    this.#authorize = options.authorize
    this.#hasOrigins = settings.origins !== undefined
    this.#log = options.log ?? toConsole
    this.#burstMax = Number(told[3])
    for (const text of told.slice(5)) this.#tell({ level: 'warn', event: 'notice', text })
    this.#outboundMax = this.limits.outbound_bytes_max ?? 0
    this.#window = Math.min(this.#outboundMax, WINDOW_BYTES)
    // Enough of a message to see that it is too long, whatever its last character is.
    this.#inboundMax = (this.limits.message_bytes_max ?? 0) + 4
    if (this.#published !== undefined) this.#fetchSoon()
  }

  /** All settings there are. */
  static describe(module: CompiledModule): SettingDescription[] {
    const instance = new Instance(module)
    instance.exports.signal_settings()
    const records = new Records(instance.read())
    records.number()
    return JSON.parse(records.text(records.number())) as SettingDescription[]
  }

  /** How many connections there are, those included whose close is not complete. */
  get size(): number {
    return this.#connections.size
  }

  /** What there is and what has happened. */
  stats(): Stats {
    this.#module.exports.signal_stats()
    return JSON.parse(this.#told()[0] ?? '{}') as Stats
  }

  /** The same as text for Prometheus, of the type `text/plain; version=0.0.4`. */
  metrics(): string {
    const waiting = [...this.#connections.values()].map(waitingFor)
    const sum = waiting.reduce((sum, bytes) => sum + bytes, 0)
    this.#module.exports.signal_metrics(sum, waiting.reduce((most, bytes) => Math.max(most, bytes), 0))
    return this.#told()[0] ?? ''
  }

  /**
   * Reads the keys of tokens, which otherwise happens with the first token. Those of `token_jwks_url`
   * are fetched; if that fails the log says why, and it is tried again.
   *
   * @throws {Error} The runtime cannot use one of `token_keys`.
   */
  async ready(): Promise<void> {
    if (this.#published === undefined) return this.#signatures.ready()
    this.#fetchIfDue()
    await this.#fetching
  }

  /**
   * Judges a request. Upgrade, then `connect` or `leave` the peer; or answer with the page. It takes
   * time only where a token is verified or `authorize` is asked, which gets `raw`.
   */
  request(facts: Facts, raw?: unknown): Answer | Promise<Answer> {
    this.#fetchIfDue()
    const headers = HEADERS.map((name) => facts.header(name))
    const length = this.#module.writeTexts([facts.method, facts.target, facts.remote, ...headers])
    this.#plan(this.#module.exports.signal_request(length, performance.now(), Date.now(), random()))
    return this.#judged(facts, raw)
  }

  /** The answer that stands in the output, once the question that may stand there is answered. */
  #judged(facts: Facts, raw: unknown): Answer | Promise<Answer> {
    const records = new Records(this.#module.read())
    switch (records.number()) {
      case RECORD.signatures:
        return this.#verify(records, facts, raw)
      case RECORD.authorize:
        return this.#ask(records.number(), facts, raw)
      case RECORD.keys:
        return this.#wait(records.number(), facts, raw)
    }
    return this.#answer()
  }

  /** Waits for the fetch of keys that is on its way, or is due because of this request. */
  async #wait(peer: number, facts: Facts, raw: unknown): Promise<Answer> {
    this.#fetchIfDue()
    const fetching = this.#fetching
    return this.#inTime(peer, 'the keys of a token could not be fetched', () => fetching, () => {
      this.#plan(this.#module.exports.signal_resumed(peer, performance.now(), Date.now(), random()))
      return this.#judged(facts, raw)
    })
  }

  #fetchSoon(): void {
    try {
      this.#plan(0)
    } catch {
      // A Worker has no timers while it starts; the first request fetches.
    }
  }

  #fetchIfDue(): void {
    const published = this.#published
    if (published === undefined || this.#module.exports.signal_fetch(performance.now()) === 0) return
    this.#fetching = this.#fetchKeys(published)
  }

  /** Never fails: what is wrong is for the log, and the keys that are there stay in use. */
  async #fetchKeys(published: Published): Promise<void> {
    const own = (this.#fetches += 1)
    let [text, isFetched] = ['', 1]
    try {
      text = await fetchText(published)
    } catch (error) {
      ;[text, isFetched] = [(error as Error).message, 0]
    }
    // It was given up, as of a process that was stopped for a while; who waits for it waits for the next.
    if (own !== this.#fetches) return this.#fetching
    const length = this.#module.writeText(text)
    const due = this.#module.exports.signal_fetched(length, isFetched, performance.now())
    const keys = this.#told()[0]
    // Before the notices: who logs may ask.
    if (keys !== undefined) this.#use(JSON.parse(keys) as JsonWebKey[])
    this.#carryOut(due)
  }

  #use(keys: JsonWebKey[]): void {
    const signatures = new Signatures(keys, 'token_jwks_url')
    this.#signatures = signatures
    signatures.ready().catch((error: Error) => this.#tell({ level: 'warn', event: 'notice', text: error.message }))
  }

  async #verify(records: Records, facts: Facts, raw: unknown): Promise<Answer> {
    const [peer, count] = [records.number(), records.number()]
    const signatures: Signature[] = []
    for (let at = 0; at < count; at += 1) {
      const [key, messageLength, signatureLength] = [records.number(), records.number(), records.number()]
      const [message, signature] = [records.bytes(messageLength), records.bytes(signatureLength)]
      signatures.push({ key, message, signature })
    }
    const verify = () => this.#signatures.verify(signatures)
    return this.#inTime(peer, 'a token could not be verified', verify, (right) => {
      this.#plan(this.#module.exports.signal_verified(peer, right, performance.now(), Date.now(), random()))
      // Asked again, if the keys are others now.
      return this.#judged(facts, raw)
    })
  }

  async #ask(peer: number, facts: Facts, raw: unknown): Promise<Answer> {
    const ask = async () => written(await this.#said(askable(facts, raw, this.#hasOrigins)))
    return this.#inTime(peer, 'authorize has failed', ask, (said) => {
      const length = this.#module.writeText(said)
      this.#plan(this.#module.exports.signal_authorized(peer, length, performance.now(), Date.now(), random()))
      const answer = this.#answer()
      const problem = this.#told()[0]
      if (problem !== undefined) this.#tell({ level: 'error', event: 'failed', text: `what authorize returned cannot be used: ${problem}` })
      return answer
    })
  }

  /** What `authorize` says. A refusal may be thrown, too. */
  async #said(request: AuthorizeRequest): Promise<Grant | Refusal | undefined> {
    try {
      return await this.#authorize?.(request)
    } catch (error) {
      if (error instanceof Refusal) return error
      throw error
    }
  }

  /** The answer by what `find` finds out, or that of a door that stays shut if it fails or takes too long. */
  async #inTime<T>(peer: number, failure: string, find: () => Promise<T>, answer: (found: T) => Answer | Promise<Answer>): Promise<Answer> {
    const { handshake_timeout: wait = 0 } = this.limits
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<typeof LATE>((resolve) => {
      timer = setTimeout(resolve, wait, LATE)
    })
    try {
      const found = await Promise.race([find(), late])
      if (found !== LATE) return await answer(found)
      this.#tell({ level: 'error', event: 'failed', text: `${failure}: it took more than ${wait} ms` })
    } catch (error) {
      this.#tell({ level: 'error', event: 'failed', text: failure, error })
      this.#plan(this.#module.exports.signal_not_judged(peer, 0, performance.now(), random()))
      return this.#answer()
    } finally {
      clearTimeout(timer)
    }
    this.#plan(this.#module.exports.signal_not_judged(peer, 1, performance.now(), random()))
    return this.#answer()
  }

  /** The answer that stands in the output. */
  #answer(): Answer {
    const records = new Records(this.#module.read())
    if (records.number() === RECORD.upgrade) {
      const peer = records.number()
      return { peer, protocol: records.text(records.number()) || undefined }
    }
    const [status, bodyLength, headersLength] = [records.number(), records.number(), records.number()]
    const body = records.text(bodyLength)
    const lines = records.text(headersLength).split('\n')
    const pairs = lines.slice(0, -1).flatMap((line, at) => (at % 2 === 0 ? [[line, lines[at + 1] ?? '']] : []))
    if (status >= 400) this.#tell({ level: 'debug', event: 'refused', text: body, status })
    return { status, headers: pairs as [string, string][], body }
  }

  /** Begins the connection of a peer that `request` has named. */
  connect(peer: number, socket: Socket): void {
    this.#connections.set(peer, { socket, queue: new Queue(this.#window), queued: 0, isOver: false, closing: undefined })
    this.#tell({ level: 'debug', event: 'connected', text: 'a peer is connected', peer })
    this.#carryOut(this.#module.exports.signal_connect(peer, performance.now()))
  }

  /** Handles a message, text or binary. */
  receive(peer: number, message: string | Uint8Array): void {
    const length = this.#module.writeMessage(message, this.#inboundMax)
    this.#carryOut(this.#module.exports.signal_receive(peer, length, performance.now()))
  }

  /** Handles a ping or pong frame with so many bytes in it. */
  frame(peer: number, bytes: number): void {
    this.#carryOut(this.#module.exports.signal_frame(peer, bytes, performance.now()))
  }

  /** Hands on what waits for a peer: to be called when its socket has room, by a host whose runtime says so. */
  flush(peer: number): void {
    const connection = this.#connections.get(peer)
    if (connection !== undefined) connection.queue.flush(connection.socket)
  }

  /** Notes that the runtime ends a connection for what came on it. */
  brokeProtocol(peer: number): void {
    this.#carryOut(this.#module.exports.signal_broke_protocol(peer, performance.now()))
  }

  /** Forgets a connection that has ended, or an upgrade that has failed. */
  leave(peer: number): void {
    const connection = this.#connections.get(peer)
    if (connection !== undefined) {
      clearTimeout(connection.closing)
      this.#flushed.delete(connection)
    }
    if (this.#connections.delete(peer)) this.#tell({ level: 'debug', event: 'left', text: 'a peer is gone', peer })
    this.#carryOut(this.#module.exports.signal_leave(peer, performance.now()))
    if (this.#connections.size === 0) this.#emptied.splice(0).forEach((resolve) => resolve())
  }

  /**
   * Ends all connections over `drain_seconds`, each with 1012, and lets nobody in any more. Resolves
   * when all are gone, or when the time for it has passed.
   */
  async drain(): Promise<void> {
    this.#carryOut(this.#module.exports.signal_drain(performance.now()))
    if (this.#connections.size === 0) return
    const { drain_seconds: seconds = 0, close_timeout: timeout = 0 } = this.limits
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, seconds * 1_000 + timeout + 500)
      this.#emptied.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  /** Does what stands in the output, and sets the timer to the next deadline. */
  #carryOut(due: number): void {
    const output = this.#module.read()
    this.#plan(due)
    if (output.length === 0) return
    const burst: number[] = []
    const over: number[] = []
    for (const records = new Records(output); !records.isAtEnd; ) {
      switch (records.number()) {
        case RECORD.send:
          this.#send(records, burst, over)
          break
        case RECORD.ping:
          this.#connections.get(records.number())?.socket.ping()
          break
        case RECORD.close:
          this.#close(records)
          break
        case RECORD.hold:
          this.#connections.get(records.number())?.socket.hold?.()
          break
        case RECORD.notice:
          this.#tell({ level: 'warn', event: 'notice', text: records.text(records.number()) })
          break
        case RECORD.look:
          this.#look(records)
          break
        case RECORD.within: {
          const connection = this.#connections.get(records.number())
          if (connection !== undefined) connection.isOver = false
          break
        }
        case RECORD.text:
          records.bytes(records.number())
          break
      }
    }
    if (over.length > 0) this.#sayLevels(over, false)
    for (const peer of burst) this.#carryOut(this.#module.exports.signal_overflow(peer))
  }

  #send(records: Records, burst: number[], over: number[]): void {
    const [count, length] = [records.number(), records.number()]
    const peers: number[] = []
    for (let at = 0; at < count; at += 1) peers.push(records.number())
    const message = new Message(records.bytes(length))
    for (const peer of peers) {
      const connection = this.#connections.get(peer)
      if (connection === undefined) continue
      const { socket, queue } = connection
      const buffered = socket.buffered()
      connection.queued += length
      if (queue.isEmpty && buffered < this.#window) {
        socket.send(message)
        continue
      }
      const waiting = buffered + queue.bytes + length + QUEUED_COST
      if (waiting > this.#burstMax) {
        burst.push(peer)
        continue
      }
      connection.queued += QUEUED_COST
      queue.push(message)
      if (socket.tellsRoom !== true) this.#flushSoon(connection)
      if (waiting > this.#outboundMax && !connection.isOver) {
        connection.isOver = true
        over.push(peer)
      }
    }
  }

  /** Tells the module what waits, once the runtime has had a chance to write. */
  #look(records: Records): void {
    const peers: number[] = []
    for (let left = records.number(); left > 0; left -= 1) peers.push(records.number())
    for (const peer of peers) this.flush(peer)
    setTimeout(() => {
      for (const peer of peers) this.flush(peer)
      if (peers.length > 0) this.#sayLevels(peers, false)
      else this.#sayLevels(this.#connections.keys(), true)
    }, 1)
  }

  #sayLevels(peers: Iterable<number>, isAll: boolean): void {
    const numbers: number[] = []
    for (const peer of peers) {
      const connection = this.#connections.get(peer)
      if (connection !== undefined) numbers.push(peer, waitingFor(connection), connection.queued)
    }
    const length = this.#module.writeNumbers(numbers)
    this.#carryOut(this.#module.exports.signal_levels(length, isAll ? 1 : 0, performance.now()))
  }

  /** Has a timer look after a queue whose runtime does not say when it has room. */
  #flushSoon(connection: Connection): void {
    this.#flushed.add(connection)
    this.#flushTimer ??= setTimeout(() => this.#flushAll(), this.#flushWait)
  }

  #flushAll(): void {
    this.#flushTimer = undefined
    let hasMoved = false
    for (const connection of this.#flushed) {
      hasMoved = connection.queue.flush(connection.socket) || hasMoved
      if (connection.queue.isEmpty) this.#flushed.delete(connection)
    }
    this.#flushWait = hasMoved ? FLUSH_WAIT_MIN : Math.min(this.#flushWait * 2, FLUSH_WAIT_MAX)
    if (this.#flushed.size > 0) this.#flushTimer = setTimeout(() => this.#flushAll(), this.#flushWait)
    else this.#flushWait = FLUSH_WAIT_MIN
  }

  #close(records: Records): void {
    const [peer, code, drops] = [records.number(), records.number(), records.number()]
    const reason = records.text(records.number())
    const connection = this.#connections.get(peer)
    if (connection === undefined) return
    this.#tell({ level: 'debug', event: 'closed', text: reason, peer, code })
    const { socket, queue } = connection
    if (drops === DROPS.nothing) queue.sendAll(socket)
    else queue.clear()
    this.#flushed.delete(connection)
    if (drops === DROPS.all && socket.abort !== undefined && socket.buffered() > 0) {
      // Nothing gets through to it, and a close would hold some of what is to be free.
      socket.abort()
      return
    }
    if (socket.abort !== undefined) {
      connection.closing = setTimeout(() => socket.abort?.(), this.limits.close_timeout)
    }
    socket.close(code, reason)
  }

  /**
   * Sets the timer to the next deadline. One that is set to an earlier stays: deadlines are put off
   * with nearly every message, and to ask the module too early is harmless.
   */
  #plan(due: number): void {
    if (due >= this.#due && due !== Infinity) return
    clearTimeout(this.#timer)
    this.#due = Infinity
    if (due === Infinity) return
    const wait = Math.min(Math.max(due - performance.now(), 0) + 1, TIMER_MAX)
    this.#timer = setTimeout(() => {
      this.#due = Infinity
      this.#fetchIfDue()
      this.#carryOut(this.#module.exports.signal_tick(performance.now()))
    }, wait)
    // Not before: a Worker that starts has no timers, and the next deadline is to find none set.
    this.#due = due
    // A relay alone does not keep a process running; its sockets do.
    if (typeof this.#timer === 'object') (this.#timer as { unref?: () => void }).unref?.()
  }

  /** The texts in the output, behind the page or upgrade that it may begin with. */
  #told(): string[] {
    const told: string[] = []
    for (const records = new Records(this.#module.read()); !records.isAtEnd; ) {
      switch (records.number()) {
        case RECORD.text:
          told.push(records.text(records.number()))
          break
        case RECORD.notice:
          records.bytes(records.number())
          break
        case RECORD.upgrade:
          records.number()
          records.bytes(records.number())
          break
        case RECORD.page: {
          records.number()
          const lengths = [records.number(), records.number()]
          lengths.forEach((length) => records.bytes(length))
          break
        }
      }
    }
    return told
  }

  /** Hands an entry to the log. */
  protected tell(entry: LogEntry): void {
    this.#tell(entry)
  }

  // A log that fails ends no connection, nor the process if it fails later.
  #tell(entry: LogEntry): void {
    try {
      const told: unknown = this.#log(entry)
      if (told instanceof Promise) told.catch(() => {})
    } catch {}
  }
}

const LATE = Symbol('late')

const random = (): number => Math.floor(Math.random() * 0x100000000)

/** The records of an output; see `crates/signal-wasm/src/output.rs`. */
const RECORD = { send: 1, ping: 2, close: 3, hold: 4, upgrade: 5, page: 6, text: 7, signatures: 8, authorize: 9, notice: 10, look: 11, within: 12, keys: 13 } as const
/** What a close drops of that which is queued; with all of it goes the connection. */
const DROPS = { nothing: 0, all: 2 } as const

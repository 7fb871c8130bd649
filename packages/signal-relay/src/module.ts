/**
 * A `WebAssembly.Module`. Not by that name: it is one of browsers' types, which a project for a server
 * may not have.
 */
export type CompiledModule = object

/** The module from inside: see `crates/signal-wasm/src/abi.rs`. */
export interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  signal_input(length: number): number
  signal_output(): number
  signal_output_len(): number
  signal_open(length: number, pings: number, authorizes: number): number
  signal_settings(): void
  signal_stats(): void
  signal_metrics(queued: number, queuedLargest: number): void
  signal_request(length: number, now: number, unixNow: number, random: number): number
  signal_verified(peer: number, right: number, now: number, unixNow: number, random: number): number
  signal_authorized(peer: number, length: number, now: number, unixNow: number, random: number): number
  signal_not_judged(peer: number, isLate: number, now: number, random: number): number
  signal_connect(peer: number, now: number): number
  signal_receive(peer: number, length: number, now: number): number
  signal_frame(peer: number, bytes: number, now: number): number
  signal_overflow(peer: number): number
  signal_levels(length: number, isAll: number, now: number): number
  signal_broke_protocol(peer: number, now: number): number
  signal_leave(peer: number, now: number): number
  signal_drain(now: number): number
  signal_tick(now: number): number
}

const NONE = 0xffffffff
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** One instance of the module, with its memory. */
export class Instance {
  readonly exports: Exports

  constructor(module: CompiledModule) {
    this.exports = new WebAssembly.Instance(module as WebAssembly.Module).exports as unknown as Exports
  }

  /** Writes texts, each behind its length, and returns how many bytes they take. */
  writeTexts(texts: readonly (string | undefined)[]): number {
    const encoded = texts.map((text) => (text === undefined ? undefined : encoder.encode(text)))
    const length = encoded.reduce((sum, text) => sum + 4 + (text?.length ?? 0), 0)
    const start = this.exports.signal_input(length)
    const memory = new Uint8Array(this.exports.memory.buffer, start, length)
    const view = new DataView(this.exports.memory.buffer, start, length)
    let at = 0
    for (const text of encoded) {
      view.setUint32(at, text?.length ?? NONE, true)
      if (text !== undefined) memory.set(text, at + 4)
      at += 4 + (text?.length ?? 0)
    }
    return length
  }

  /** Writes one text as it is, and returns how many bytes it takes. */
  writeText(text: string): number {
    const bytes = encoder.encode(text)
    const start = this.exports.signal_input(bytes.length)
    new Uint8Array(this.exports.memory.buffer, start, bytes.length).set(bytes)
    return bytes.length
  }

  /** Writes numbers as doubles, and returns how many bytes they take. */
  writeNumbers(numbers: readonly number[]): number {
    const length = numbers.length * 8
    const start = this.exports.signal_input(length)
    const view = new DataView(this.exports.memory.buffer, start, length)
    numbers.forEach((number, at) => view.setFloat64(at * 8, number, true))
    return length
  }

  /** Writes the first bytes of a message, `most` at most, and returns how many they are. */
  writeMessage(message: string | Uint8Array, most: number): number {
    // No character takes more than three bytes for each of its UTF-16 units.
    const room = Math.min(typeof message === 'string' ? message.length * 3 : message.length, most)
    const start = this.exports.signal_input(room)
    const memory = new Uint8Array(this.exports.memory.buffer, start, room)
    if (typeof message === 'string') return encoder.encodeInto(message, memory).written
    memory.set(message.length > room ? message.subarray(0, room) : message)
    return room
  }

  /** A copy of the output: what is done with it may call the module again. */
  read(): Uint8Array<ArrayBuffer> {
    const length = this.exports.signal_output_len()
    if (length === 0) return EMPTY
    return new Uint8Array(this.exports.memory.buffer, this.exports.signal_output(), length).slice() as Uint8Array<ArrayBuffer>
  }
}

const EMPTY = new Uint8Array(0)

/** One text on its way to many: decoded once, if a socket wants text, and never copied. */
export class Message {
  readonly bytes: Uint8Array<ArrayBuffer>
  #text: string | undefined

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.bytes = bytes
  }

  get text(): string {
    return (this.#text ??= decoder.decode(this.bytes))
  }
}

/** Reads the records of an output. */
export class Records {
  readonly #bytes: Uint8Array<ArrayBuffer>
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  number(): number {
    const number = this.#view.getUint32(this.#at, true)
    this.#at += 4
    return number
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += (length + 3) & ~3
    return bytes
  }

  text(length: number): string {
    return decoder.decode(this.bytes(length))
  }
}

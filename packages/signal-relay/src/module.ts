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
  signal_resumed(peer: number, now: number, unixNow: number, random: number): number
  signal_fetch(now: number): number
  signal_fetched(length: number, isFetched: number, now: number): number
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
const EMPTY = new Uint8Array(0)

/** As the encoder does it, but most texts are short and ASCII, which takes less than a call of it. */
function encodeInto(text: string, bytes: Uint8Array, start: number): number {
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at)
    if (unit >= 0x80) return encoder.encodeInto(text, bytes.subarray(start)).written
    bytes[start + at] = unit
  }
  return text.length
}

/** Writes a number as the module reads it, the lowest byte first. */
function writeNumber(bytes: Uint8Array, at: number, number: number): void {
  bytes[at] = number
  bytes[at + 1] = number >>> 8
  bytes[at + 2] = number >>> 16
  bytes[at + 3] = number >>> 24
}

const readNumber = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24)) >>> 0

/** One instance of the module, with its memory. */
export class Instance {
  readonly exports: Exports
  #bytes: Uint8Array<ArrayBuffer> = EMPTY

  constructor(module: CompiledModule) {
    this.exports = new WebAssembly.Instance(module as WebAssembly.Module).exports as unknown as Exports
  }

  /** Writes texts, each behind its length, and returns how many bytes they take. */
  writeTexts(texts: readonly (string | undefined)[]): number {
    // No character takes more than three bytes for each of its UTF-16 units.
    const room = texts.reduce((sum, text) => sum + 4 + (text?.length ?? 0) * 3, 0)
    const start = this.exports.signal_input(room)
    const memory = this.#memory()
    let at = start
    for (const text of texts) {
      const length = text === undefined ? 0 : encodeInto(text, memory, at + 4)
      writeNumber(memory, at, text === undefined ? NONE : length)
      at += 4 + length
    }
    return at - start
  }

  /** Writes one text as it is, and returns how many bytes it takes. */
  writeText(text: string): number {
    return this.writeMessage(text, Infinity)
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
    const memory = this.#memory()
    if (typeof message === 'string') return encoder.encodeInto(message, memory.subarray(start, start + room)).written
    memory.set(message.length > room ? message.subarray(0, room) : message, start)
    return room
  }

  /** A copy of the output: what is done with it may call the module again. */
  read(): Uint8Array<ArrayBuffer> {
    const length = this.exports.signal_output_len()
    if (length === 0) return EMPTY
    const start = this.exports.signal_output()
    return this.#memory().slice(start, start + length)
  }

  /** All memory. As it grows it gets another buffer, and the one before is empty. */
  #memory(): Uint8Array<ArrayBuffer> {
    if (this.#bytes.length === 0) this.#bytes = new Uint8Array(this.exports.memory.buffer)
    return this.#bytes
  }
}

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
  #at = 0

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  number(): number {
    const number = readNumber(this.#bytes, this.#at)
    this.#at += 4
    return number
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += (length + 3) & ~3
    return bytes
  }

  text(length: number): string {
    return length === 0 ? '' : decoder.decode(this.bytes(length))
  }
}

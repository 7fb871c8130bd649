import type { Message } from './module.ts'

/** A runtime that has so many bytes for a socket that are not written is given no more; fewer, if no more may wait. */
export const WINDOW_BYTES = 64 * 1024
/** What a message in a queue costs beside its bytes. */
export const QUEUED_COST = 128

/** What takes messages, as far as its client reads. */
interface Sink {
  send(message: Message): void
  buffered(): number
}

/**
 * What waits for one socket and was not given to the runtime, which would keep a copy for each
 * receiver and give back none of it.
 */
export class Queue {
  readonly #window: number
  #messages: Message[] = []
  /** How many of them are sent. */
  #sent = 0
  #bytes = 0

  constructor(window: number) {
    this.#window = window
  }

  get bytes(): number {
    return this.#bytes
  }

  get isEmpty(): boolean {
    return this.#messages.length === 0
  }

  push(message: Message): void {
    this.#messages.push(message)
    this.#bytes += message.bytes.length + QUEUED_COST
  }

  /** Sends as much as the window has room for, and returns whether that is any. */
  flush(sink: Sink): boolean {
    const before = this.#bytes
    while (!this.isEmpty && sink.buffered() < this.#window) this.#sendNext(sink)
    return this.#bytes < before
  }

  sendAll(sink: Sink): void {
    while (!this.isEmpty) this.#sendNext(sink)
  }

  clear(): void {
    this.#messages = []
    this.#sent = 0
    this.#bytes = 0
  }

  #sendNext(sink: Sink): void {
    const message = this.#messages[this.#sent] as Message
    this.#sent += 1
    this.#bytes -= message.bytes.length + QUEUED_COST
    if (this.#sent === this.#messages.length) this.clear()
    else if (this.#sent >= 1_024) {
      this.#messages = this.#messages.slice(this.#sent)
      this.#sent = 0
    }
    sink.send(message)
  }
}

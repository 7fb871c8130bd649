// The relay under test, as a process that can be killed and started again on the same port.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { parseArgs } from 'node:util'
import { onFinish, until } from './checks.js'

const USAGE = `usage: node SCRIPT --url ws://127.0.0.1:PORT -- COMMAND [ARGUMENT...]

COMMAND starts a relay that listens at the URL's host and port. The script starts it, kills it, and starts it again.`

/** What a relay that is asked to end has for it, in milliseconds: longer than its drain. */
const END_TIMEOUT_MS = 15_000

/** The relay that the command line names, not started yet. */
export function relayFromArguments(options = {}) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { url: { type: 'string' }, ...options },
  })
  if (!values.url || positionals.length === 0) {
    console.error(USAGE)
    process.exit(2)
  }
  return { relay: new Relay(values.url, positionals), options: values }
}

export class Relay {
  #command
  #child = null
  #isOver = false
  #log = ''

  constructor(url, command) {
    this.url = url
    this.#command = command
    onFinish(() => this.kill())
  }

  /** The number of its process, while there is one. */
  get pid() {
    return this.#child?.pid
  }

  /** Starts the relay and waits until its port takes connections. */
  async start() {
    if (await this.#takesConnections()) throw new Error(`something else already listens at ${this.url}`)
    if (this.#isOver) throw new Error('nothing is started any more')
    const [program, ...args] = this.#command
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    const keep = (chunk) => (this.#log = (this.#log + chunk).slice(-2000))
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.once('error', keep)
    await until(
      () => {
        if (child.exitCode !== null || child.pid === undefined) throw new Error(`the relay did not start: ${this.#log}`)
        return this.#takesConnections()
      },
      () => `the relay to listen at ${this.url}; it printed: ${this.#log}`,
    )
  }

  /** Ends the relay as a crash would: no close frames, no goodbye. */
  async kill() {
    const child = this.#child
    const isAlive = this.isAlive()
    this.#child = null
    if (!isAlive) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  /** Asks the relay to end, waits until it has, and starts it no more. */
  async terminate() {
    this.#isOver = true
    const child = this.#child
    if (!this.isAlive()) return
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    const timeout = setTimeout(() => child.kill('SIGKILL'), END_TIMEOUT_MS)
    await exited
    clearTimeout(timeout)
  }

  /** Asks the relay to read its files again, and waits until it logs this. */
  async reload(done) {
    this.#log = ''
    this.#child.kill('SIGHUP')
    await until(
      () => this.#log.includes(done),
      () => `the relay to log ${JSON.stringify(done)}; it printed: ${this.#log}`,
    )
  }

  /** Throws if the relay process has ended by itself. */
  assertAlive() {
    if (!this.isAlive()) throw new Error(`the relay has ended: ${this.#log}`)
  }

  isAlive() {
    const child = this.#child
    return child !== null && child.exitCode === null && child.signalCode === null
  }

  #takesConnections() {
    const { hostname, port } = new URL(this.url)
    return new Promise((resolve) => {
      const socket = net.connect({ host: hostname, port: Number(port) })
      socket.once('connect', () => socket.destroy() && resolve(true))
      socket.once('error', () => resolve(false))
    })
  }
}

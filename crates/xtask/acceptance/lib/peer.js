// A client in a process of its own, driven over Node's channel between parent and child.
//
// One process a client is what makes the test honest: y-webrtc joins all rooms of one process by BroadcastChannel, and a
// process can only be reached over the network.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { onFinish, until } from './checks.js'

export class Peer {
  #child
  #log = ''

  /** What the client last said of itself; null before its first word. */
  state = null

  /** Starts `peers/SCRIPT` and tells it how to begin. */
  constructor(name, script, settings) {
    this.name = name
    const path = fileURLToPath(new URL(`../peers/${script}`, import.meta.url))
    this.#child = fork(path, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    const keep = (chunk) => (this.#log = (this.#log + chunk).slice(-2000))
    this.#child.stdout.on('data', keep)
    this.#child.stderr.on('data', keep)
    this.#child.on('message', (state) => (this.state = state))
    onFinish(() => this.kill())
    this.tell({ do: 'start', ...settings })
  }

  tell(command) {
    this.#child.send(command, (error) => error && (this.#log += `\n${error.message}`))
  }

  /** Waits until the client's state satisfies `question`. */
  until(question, what, seconds) {
    return until(
      () => {
        if (this.#child.exitCode !== null) throw new Error(`${this.name} has ended: ${this.#log}`)
        return this.state !== null && question(this.state)
      },
      () => `${this.name}: ${what}; its state is ${JSON.stringify(this.state)} ${this.#log}`,
      seconds,
    )
  }

  async kill() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }
}

// Relays that serve as one, and the NATS servers between them: each a process, of which any may be ended and started again.

import { once } from 'node:events'
import net from 'node:net'
import { until } from './checks.js'
import { Relay } from './relay.js'

const HOST = '127.0.0.1'
const SIZE = 3

export const OPTIONS = { signal: { type: 'string' }, 'nats-server': { type: 'string' } }

export class Cluster {
  /** `signal` and `nats-server` are programs. Nothing runs yet. */
  static async from({ signal, 'nats-server': nats }) {
    if (!signal || !nats) throw new Error('--signal PATH and --nats-server PATH are needed')
    const ports = await freePorts(4 * SIZE)
    const take = () => ports.splice(0, SIZE)
    return new Cluster(signal, nats, { clients: take(), routes: take(), peers: take(), admins: take() })
  }

  constructor(signal, nats, { clients, routes, peers, admins }) {
    const address = (port) => `nats://${HOST}:${port}`
    // A server that names itself here notices that, and leaves it out.
    const known = ['--cluster_name', 'signal', '--routes', routes.map(address).join(',')]
    this.servers = clients.map((port, index) => {
      const listen = ['--addr', HOST, '--port', `${port}`, '--cluster', address(routes[index])]
      return new Relay(address(port), [nats, ...listen, ...known])
    })
    const join = ['--cluster-nats', this.servers.map((server) => server.url).join(',')]
    this.relays = peers.map((port, index) => {
      const listen = ['--listen', `${HOST}:${port}`, '--admin-listen', `${HOST}:${admins[index]}`]
      return new Relay(`ws://${HOST}:${port}`, [signal, 'serve', '--drain-seconds', '1', ...listen, ...join])
    })
    this.pages = admins.map((port) => `http://${HOST}:${port}/`)
  }

  get processes() {
    return [...this.servers, ...this.relays]
  }

  get urls() {
    return this.relays.map((relay) => relay.url)
  }

  /** Starts all that does not run, and waits until each relay knows the others and may be sent peers. */
  async start() {
    for (const process of this.processes) {
      if (!process.isAlive()) await process.start()
    }
    await this.isWhole()
  }

  async isWhole() {
    await until(async () => (await Promise.all(this.pages.map(knowsOthers))).every(Boolean), 'all relays to know each other')
  }

  assertAlive() {
    this.processes.forEach((process) => process.assertAlive())
  }
}

async function knowsOthers(page) {
  try {
    const { cluster } = await (await fetch(new URL('status.json', page))).json()
    return cluster.is_ready && cluster.others.length === SIZE - 1
  } catch {
    // It has not opened its page yet, or is being started.
    return false
  }
}

/** Ports that nothing listens on right now, all different. */
async function freePorts(count) {
  const servers = Array.from({ length: count }, () => net.createServer().listen(0, HOST))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => server.address().port)
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))))
  return ports
}

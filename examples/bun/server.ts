import { BunRelay } from 'signal-relay/bun'

// Settings have the names of `signal serve`: { origins: ['https://app.example'], peers_max: 500 }.
const relay = new BunRelay()

const port = Number(process.env.PORT ?? 4444)
Bun.serve({ port, hostname: process.env.HOST ?? '127.0.0.1', fetch: relay.fetch, websocket: relay.websocket })

// A second signal ends it at once.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => relay.drain().then(() => process.exit(0)))
}

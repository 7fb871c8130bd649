import { DenoRelay } from 'signal-relay/deno'

// On Deploy it says at start that it has to be the only instance. Settings have the names of
// `signal serve`: { origins: ['https://app.example'], peers_max: 500 }.
const relay = new DenoRelay()

const port = Number(Deno.env.get('PORT') ?? 4444)
const hostname = Deno.env.get('HOST') ?? '127.0.0.1'
Deno.serve({ port, hostname }, relay.fetch)

let isEnding = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  Deno.addSignalListener(signal, () => {
    if (isEnding) Deno.exit(130)
    isEnding = true
    relay.drain().then(() => Deno.exit(0))
  })
}

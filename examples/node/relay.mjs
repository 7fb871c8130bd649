import { serve } from 'signal-relay/node'

// Settings have the names of `signal serve`: { origins: ['https://app.example'], peers_max: 500 }.
const { server, relay } = await serve({}, { port: Number(process.env.PORT ?? 4444) })
console.log(`ws://127.0.0.1:${server.address().port}, to ${relay.access}`)

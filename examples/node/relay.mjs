import { serve } from 'signal-relay/node'

// Settings have the names of `signal serve`: { origins: ['https://app.example'], peers_max: 500 }.
const { relay, port } = await serve({}, { port: process.env.PORT ?? 4444 })
console.log(`ws://localhost:${port}, to ${relay.access}`)

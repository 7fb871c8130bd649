// The relay on the upgrades of an Express app. npm install signal-relay ws express
import express from 'express'
import { attach } from 'signal-relay/node'

const app = express()
app.get('/', (_, response) => response.send('my app'))
const server = app.listen(Number(process.env.PORT ?? 4444), '127.0.0.1')

// At every path; { path: '/signal' } leaves the others to other listeners.
const relay = attach(server)
app.get(['/healthz', '/readyz', '/limits'], relay.page)

process.on('SIGTERM', async () => {
  await relay.drain()
  process.exit(0)
})

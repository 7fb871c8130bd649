// The relay on the upgrades of a Fastify app. npm install signal-relay ws fastify
import fastify from 'fastify'
import { attach } from 'signal-relay/node'

const app = fastify()
app.get('/', () => 'my app')
const relay = attach(app.server)

process.on('SIGTERM', async () => {
  await relay.drain()
  await app.close()
})
await app.listen({ port: Number(process.env.PORT ?? 4444), host: '127.0.0.1' })

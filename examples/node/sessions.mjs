// Who is logged in to your app may use the rooms of their team. npm install signal-relay ws express
import { randomBytes } from 'node:crypto'
import express from 'express'
import { attach, Refusal } from 'signal-relay/node'

const APP = process.env.APP_ORIGIN ?? 'http://localhost:4444'

// In place of your own sessions: their secret, and who it stands for.
const sessions = new Map()

const app = express()
app.get('/login', (_, response) => {
  const secret = randomBytes(16).toString('base64url')
  sessions.set(secret, { user: 'ann', team: 'garden', ends: Date.now() / 1000 + 3600 })
  response.cookie('session', secret, { httpOnly: true, sameSite: 'lax' }).send('you are logged in')
})
const server = app.listen(Number(process.env.PORT ?? 4444), '127.0.0.1')

async function authorize({ header }) {
  const secret = /(?:^|; )session=([\w-]+)/.exec(header('cookie') ?? '')?.[1]
  const session = sessions.get(secret)
  if (session === undefined) return new Refusal(401, 'please log in')
  return { topics: [`${session.team}/*`], sub: session.user, peers_max: 10, exp: session.ends }
}

// With a cookie `origins` have to be named: browsers send it from the pages of every site.
const relay = attach(server, { origins: [APP] }, { authorize })

process.on('SIGTERM', async () => {
  await relay.drain()
  process.exit(0)
})

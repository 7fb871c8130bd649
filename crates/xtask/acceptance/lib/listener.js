// Somebody who subscribes a topic by hand and keeps what the relay sends: what an operator of the relay could read.

import WebSocket from 'ws'
import { onFinish, until } from './checks.js'

export async function listen(url, topic) {
  const messages = []
  const socket = new WebSocket(url)
  onFinish(() => socket.terminate())
  socket.on('message', (data) => messages.push(JSON.parse(data)))
  socket.on('error', () => {})
  await until(() => socket.readyState === WebSocket.OPEN, `a connection to ${url}`)
  socket.send(JSON.stringify({ type: 'subscribe', topics: [topic] }))
  // The answer to a ping shows that the subscription before it has been read.
  socket.send(JSON.stringify({ type: 'ping' }))
  await until(() => messages.some((message) => message.type === 'pong'), `a pong from ${url}`)
  return { publishes: () => messages.filter((message) => message.type === 'publish') }
}

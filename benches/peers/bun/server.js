// The y-webrtc protocol on Bun's own publish and subscribe, which live in its C++ part: JavaScript parses a message and sets
// `clients`, and never sees a receiver. Listens on 127.0.0.1:$PORT.

/** @typedef {{ topics: Set<string> }} Peer */

const pong = '{"type":"pong"}'

/** @type {import('bun').WebSocketHandler<Peer>} */
const websocket = {
  perMessageDeflate: false,
  // Bun pings by itself before this passes, and closes who does not answer.
  idleTimeout: 60,
  sendPings: true,
  // As the relay's own `message_bytes_max` and `outbound_bytes_max`.
  maxPayloadLength: 64 * 1024,
  backpressureLimit: 1024 * 1024,
  closeOnBackpressureLimit: true,

  message (ws, data) {
    const message = read(data)
    if (message === null || typeof message !== 'object') return
    switch (message.type) {
      case 'subscribe':
        for (const topic of names(message)) ws.subscribe(topic)
        break
      case 'unsubscribe':
        for (const topic of names(message)) ws.unsubscribe(topic)
        break
      case 'publish':
        if (typeof message.topic !== 'string' || message.topic === '') return
        message.clients = server.subscriberCount(message.topic)
        // `server.publish` includes the publisher if it is a subscriber; `ws.publish` does not.
        if (message.clients > 0) server.publish(message.topic, JSON.stringify(message))
        break
      case 'ping':
        ws.send(pong)
    }
  }
}

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: Number(process.env.PORT),
  websocket,
  fetch (request, server) {
    if (server.upgrade(request)) return
    return new Response('okay')
  }
})

console.log(`listening on 127.0.0.1:${server.port}`)

/** @returns {any} what the message says, or null if it is no JSON */
function read (data) {
  try {
    // JSON.parse makes a string of a binary message by itself.
    return JSON.parse(data)
  } catch {
    return null
  }
}

/** @returns {string[]} the topics that Bun can subscribe; it throws for an empty name, to which nobody can publish anyway */
function names (message) {
  const { topics } = message
  return Array.isArray(topics) ? topics.filter(topic => typeof topic === 'string' && topic !== '') : []
}

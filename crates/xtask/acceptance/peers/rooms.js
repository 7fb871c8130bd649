// Unchanged y-webrtc providers of many rooms in one process, on one connection to the relay. Opens each room at the instant that it
// is told, and says what it has sent and heard there, and when it has read what the other client has written.

import { createHash } from 'node:crypto'
import wrtc from '@roamhq/wrtc'
import WebSocket from 'ws'
import * as Y from 'yjs'

// Browsers have a WebSocket; Node 20 has none. It must be there before y-webrtc uses it. This one keeps what is sent.
globalThis.WebSocket = class extends WebSocket {
  send(text) {
    const message = JSON.parse(text)
    if (message.type === 'publish') rooms.get(message.topic)?.sent.push(short(message.data))
    super.send(text)
    setImmediate(report)
  }
}

const { WebrtcProvider } = await import('y-webrtc')

/** The clients of a room; each writes one letter. */
const CLIENTS = 2

// No STUN server: all peers are on this machine, and the test must not need the internet.
const peerOpts = { wrtc, config: { iceServers: [] } }
const rooms = new Map()
let signaling
let first

// Each room listens for the end of the process.
process.setMaxListeners(0)

// y-webrtc throws where an answer comes to a connection that is gone. A browser logs that and goes on.
process.on('uncaughtException', report)
process.on('unhandledRejection', report)

process.on('disconnect', () => process.exit())

process.on('message', (command) => {
  switch (command.do) {
    case 'start':
      return start(command.url)
    case 'open':
      return command.rooms.forEach(open)
    case 'close':
      for (const name of command.names) {
        rooms.get(name).provider.destroy()
        rooms.delete(name)
      }
      return report()
    default:
      throw new Error(`unknown command ${command.do}`)
  }
})

function start(url) {
  signaling = [url]
  // A room of its own, so that the connection is there, and stays, when others open.
  first = new WebrtcProvider(`only ${process.pid}`, new Y.Doc(), { signaling, peerOpts })
  for (const connection of first.signalingConns) {
    connection.on('connect', report)
    connection.on('message', ({ type, topic, data }) => {
      const room = type === 'publish' && rooms.get(topic)
      if (!room || data.from === room.provider?.room?.peerId) return
      room.heard.push(short(data))
      report()
    })
  }
  report()
}

function open({ name, at }) {
  const doc = new Y.Doc()
  const text = doc.getText('text')
  const room = { provider: null, opened: null, synced: null, sent: [], heard: [] }
  rooms.set(name, room)
  text.insert(0, 'x')
  doc.on('update', () => {
    if (text.length < CLIENTS || room.synced !== null) return
    room.synced = (now() - at) / 1000
    report()
  })
  // Timers are a millisecond late and more; the last bit is waited for as it is.
  setTimeout(() => {
    while (now() < at);
    room.opened = now()
    room.provider = new WebrtcProvider(name, doc, { signaling, peerOpts })
    report()
  }, at - now() - 5)
}

/** Milliseconds since 1970, in parts of one, the same in all processes of this machine. */
function now() {
  return performance.timeOrigin + performance.now()
}

/** What a message says, in a word, and enough to know it by. */
function short(data) {
  const hash = createHash('sha1').update(JSON.stringify(data)).digest('hex')
  return `${data.signal?.type ?? data.type} ${hash.slice(0, 8)}`
}

function report() {
  if (!process.connected) return
  const all = [...rooms].map(([name, { provider, ...room }]) => [name, { ...room, broadcast: provider?.room?.bcConns.size ?? 0 }])
  const relay = first.signalingConns.every((connection) => connection.connected)
  process.send({ relay, rooms: Object.fromEntries(all) })
}

// One unchanged y-webrtc provider and its document. Says what it sees to the parent after every change.

import wrtc from '@roamhq/wrtc'
import WebSocket from 'ws'
import * as Y from 'yjs'

// Browsers have a WebSocket; Node 20 has none. It must be there before y-webrtc uses it.
globalThis.WebSocket = WebSocket

const { WebrtcProvider } = await import('y-webrtc')

const doc = new Y.Doc()
const text = doc.getText('text')
let provider
// A message that this client's password does not open. y-webrtc lets the rejection go unhandled.
let unreadable = 0
// How often a connection to the relay was lost.
let reconnects = 0

process.on('unhandledRejection', () => {
  unreadable += 1
  report()
})

process.on('disconnect', () => process.exit())

process.on('message', (command) => {
  switch (command.do) {
    case 'start':
      return start(command)
    case 'insert':
      return text.insert(command.at, command.text)
    default:
      throw new Error(`unknown command ${command.do}`)
  }
})

function start({ url, room, password = null }) {
  provider = new WebrtcProvider(room, doc, {
    signaling: [url].flat(),
    password,
    // No STUN server: all peers are on this machine, and the test must not need the internet.
    peerOpts: { wrtc, config: { iceServers: [] } },
  })
  doc.on('update', report)
  provider.on('status', report)
  provider.on('peers', report)
  provider.on('synced', report)
  for (const connection of provider.signalingConns) {
    connection.on('connect', report)
    connection.on('disconnect', () => {
      reconnects += 1
      report()
    })
  }
  report()
}

function report() {
  if (!process.connected) return
  const connections = [...(provider.room?.webrtcConns.values() ?? [])]
  process.send({
    text: text.toString(),
    // `connected` means that the key is derived and the room open; the announce goes out then.
    relay: provider.connected && provider.signalingConns.every((connection) => connection.connected),
    relays: provider.connected ? provider.signalingConns.filter((connection) => connection.connected).length : 0,
    webrtc: connections.filter((connection) => connection.connected).length,
    broadcast: provider.room?.bcConns.size ?? 0,
    unreadable,
    reconnects,
  })
}

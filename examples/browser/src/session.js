// The shared document, and the connections that keep it shared.

import { WebrtcProvider } from 'y-webrtc'
import * as Y from 'yjs'

const STATUS_INTERVAL_MS = 250

export function openSession({ room, relay }) {
  const doc = new Y.Doc()
  const provider = new WebrtcProvider(room, doc, { signaling: [relay] })
  return { text: doc.getText('text'), awareness: provider.awareness, provider }
}

/**
 * Calls `listener` with `{ relay, failedAttempts, peers }` now and after every change.
 *
 * `relay` is `connecting`, `connected` or `reconnecting`; `failedAttempts` counts those since the last success; `peers` is how
 * many WebRTC connections are open. y-webrtc has no event for a data channel that opens nor for a failed attempt to connect, so
 * they are looked at four times a second.
 */
export function watchStatus(provider, listener) {
  let hasBeenConnected = false
  let last = ''
  const look = () => {
    const connected = provider.signalingConns.some((connection) => connection.connected)
    hasBeenConnected ||= connected
    const connections = [...(provider.room?.webrtcConns.values() ?? [])]
    const status = {
      relay: connected ? 'connected' : hasBeenConnected ? 'reconnecting' : 'connecting',
      failedAttempts: provider.signalingConns[0]?.unsuccessfulReconnects ?? 0,
      peers: connections.filter((connection) => connection.connected).length,
    }
    const now = JSON.stringify(status)
    if (now !== last) listener(status)
    last = now
  }
  look()
  setInterval(look, STATUS_INTERVAL_MS)
}

// The shared document, and the connections that keep it shared.

import { WebrtcProvider } from 'y-webrtc'
import * as Y from 'yjs'

const STATUS_INTERVAL_MS = 250

// The page does not wait longer for a relay that does not answer; it opens without TURN servers then.
const TURN_TIMEOUT_MS = 2000

/**
 * Opens the document of a room, and connects to those who have it open. `iceServers` are TURN and STUN servers, as an
 * RTCPeerConnection takes them; without any, y-webrtc uses public STUN servers.
 */
export function openSession({ room, relay }, iceServers) {
  const doc = new Y.Doc()
  const peerOpts = iceServers ? { config: { iceServers } } : {}
  const provider = new WebrtcProvider(room, doc, { signaling: [relay], peerOpts })
  return { text: doc.getText('text'), awareness: provider.awareness, provider }
}

/**
 * The TURN servers of a relay with credentials for them, or null if it has none. Browsers behind some firewalls only reach each
 * other through one. The relay asks for the same token here as for a connection, so the query goes along.
 */
export async function turnServers(relay) {
  const address = new URL('/turn', relay)
  address.protocol = address.protocol === 'wss:' ? 'https:' : 'http:'
  address.search = new URL(relay).search
  try {
    const answer = await fetch(address, { signal: AbortSignal.timeout(TURN_TIMEOUT_MS) })
    if (!answer.ok) return null
    const { iceServers } = await answer.json()
    return Array.isArray(iceServers) ? iceServers : null
  } catch {
    // Relays without TURN servers answer with something else, or not at all.
    return null
  }
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

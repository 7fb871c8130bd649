// What the address bar says: `?room=..&relay=..&name=..`.

const DEFAULT_ROOM = 'lobby'
const DEFAULT_RELAY = 'ws://localhost:4444'

export function readSettings(search = location.search) {
  const parameters = new URLSearchParams(search)
  return {
    room: parameters.get('room') || DEFAULT_ROOM,
    relay: parameters.get('relay') || DEFAULT_RELAY,
    name: parameters.get('name') || '',
  }
}

/** The address of the same page in another room or at another relay. The name is not part of what one shares. */
export function linkTo({ room, relay }, base = location.href) {
  const url = new URL(base)
  url.searchParams.set('room', room)
  url.searchParams.set('relay', relay)
  url.searchParams.delete('name')
  return url.href
}

/** What is wrong with a relay's address, or null. */
export function relayProblem(relay) {
  if (!URL.canParse(relay)) return 'This is not an address. A relay looks like ws://localhost:4444.'
  const { protocol, hash } = new URL(relay)
  if (protocol !== 'ws:' && protocol !== 'wss:') return 'A relay starts with ws:// or wss://.'
  if (hash) return 'A relay has no #fragment.'
  if (protocol === 'ws:' && location.protocol === 'https:' && !isLoopback(relay)) {
    return 'A page served by https: may only use a wss:// relay.'
  }
  return null
}

function isLoopback(url) {
  const { hostname } = new URL(url)
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.')
}

// A lone user's tab that nobody looks at: lib0's own WebSocket client, unchanged, with its timers aligned to the minute, as
// Chrome does to pages that have been hidden for five. Time runs twenty times as fast, and so do the relay's intervals.

import { WebSocket } from 'ws'
import { check, assert, run } from './lib/checks.js'
import { relayFromArguments } from './lib/relay.js'

const SPEED = 20
const MINUTE = 60_000
const MINUTES = 10

const { relay, options } = relayFromArguments({ away: { type: 'boolean', default: false } })
const { setTimeout: realTimeout, clearTimeout: realClear } = globalThis
/** A pause of this length, in real milliseconds, is one that the client may take for silence of the relay. */
const PAUSE_MAX = 200
const TRIES = 5

const sleep = (virtual) => new Promise((resolve) => realTimeout(resolve, virtual / SPEED))

globalThis.WebSocket ??= WebSocket

await run(async () => {
  await relay.start()
  hide()
  // What it takes the clock from, it takes when it is loaded.
  const { WebsocketClient } = await import('lib0/websocket')
  let seen = await watch(WebsocketClient)
  // A machine that stands still in between says nothing about the relay.
  for (let tries = 1; seen.pause > PAUSE_MAX && tries < TRIES; tries += 1) {
    console.log(`      once more, as the machine stood still for ${seen.pause} ms`)
    seen = await watch(WebsocketClient)
  }
  const { here } = seen
  const what = `it was connected ${here} % of ${MINUTES} minutes, connected ${seen.connects} times and heard ${seen.pongs} pongs`
  console.log(`      ${what}`)
  if (options.away) {
    await check('without pongs that it did not ask for, a hidden tab is away a good part of the time', async () =>
      assert(here < 80 && seen.connects > MINUTES / 4, what),
    )
  } else {
    await check('a hidden tab stays connected', async () => assert(here === 100 && seen.connects === 1, what))
  }
}, { seconds: 1_200 })

/** How a client fares, and the longest time for which this process stood still. */
async function watch(WebsocketClient) {
  const client = new WebsocketClient(relay.url)
  const seen = { connects: 0, pongs: 0, pause: 0 }
  client.on('connect', () => (seen.connects += 1))
  client.on('message', (message) => (seen.pongs += message.type === 'pong'))
  while (!client.connected) await sleep(1_000)

  const looks = []
  for (let second = 0; second < MINUTES * 60; second += 1) {
    const start = performance.now()
    await sleep(1_000)
    seen.pause = Math.max(seen.pause, Math.round(performance.now() - start - 1_000 / SPEED))
    looks.push(client.connected)
  }
  client.destroy()
  seen.here = Math.round((100 * looks.filter(Boolean).length) / looks.length)
  return seen
}

/** Hides the page that runs from now on: each timer waits for the next minute after it is due. */
function hide() {
  const start = Date.now()
  const realNow = Date.now
  Date.now = () => start + (realNow() - start) * SPEED
  const untilMinute = (ms) => {
    const due = Date.now() - start + ms
    return (Math.ceil(due / MINUTE) * MINUTE - (Date.now() - start)) / SPEED
  }
  globalThis.setTimeout = (act, ms = 0, ...args) => realTimeout(act, untilMinute(ms), ...args)
  const intervals = new Map()
  globalThis.setInterval = (act, ms, ...args) => {
    const handle = {}
    const again = () => {
      intervals.set(handle, realTimeout(again, untilMinute(ms)))
      act(...args)
    }
    intervals.set(handle, realTimeout(again, untilMinute(ms)))
    return handle
  }
  globalThis.clearInterval = (handle) => realClear(intervals.get(handle))
}

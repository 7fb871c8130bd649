// A hundred rooms, each opened by two unchanged y-webrtc providers on two nodes of a cluster in the same instant.
//
// This is what a cluster with a subject of the bus for each room fails at: interest travels after the announce, and of two that
// announce themselves once and at the same time both miss the other (CLUSTER.md, section 2).

import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { assertEqual, check, run, until } from './lib/checks.js'
import { Cluster, OPTIONS } from './lib/cluster.js'
import { Peer } from './lib/peer.js'

const ROOMS = 100

// Two processes have a WebRTC connection for each room that is open: not all at once, on a machine with other work.
const AT_ONCE = 10

// How long before it a process is told of the instant, and what is between two rooms, in milliseconds.
const NOTICE = 500
const APART = 25

// Where each hears the announce of the other, both send an offer, and y-webrtc 10.3.0 does not always recover from that: on one
// relay, or on y-webrtc's own server, as well. No relay has a part in it. Such a room is closed after a while and opened by one
// after the other, as by two who reload the page, once it has been shown that the relay has delivered all.
const RELOAD_SECONDS = 10

// What a node has to learn of a subscriber on another one: 0.5 s (M4), and what a busy machine adds.
const SETTLE = 2000

const { values: programs } = parseArgs({ options: OPTIONS })

await run(async () => {
  const cluster = await Cluster.from(programs)
  await cluster.start()
  const clients = cluster.urls.map((url, index) => new Peer(`client ${index + 1}`, 'rooms.js', { url }))
  for (const client of clients) await client.until((state) => state.relay, 'to be connected to its relay')

  const seconds = []
  const apart = []
  const [counts, reloaded] = [{ one: 0, both: 0 }, []]
  for (let from = 0; from < ROOMS; from += AT_ONCE) {
    // Each two of three nodes.
    const turn = from / AT_ONCE
    const pair = [clients[turn % clients.length], clients[(turn + 1) % clients.length]]
    const names = Array.from({ length: AT_ONCE }, (_, index) => `room-${from + index}`)
    const start = Date.now() + NOTICE
    for (const client of pair) client.tell({ do: 'open', rooms: names.map((name, index) => ({ name, at: start + index * APART })) })
    await check(`rooms ${from} to ${from + AT_ONCE - 1}: at least one hears the other, nothing is lost or comes twice`, async () => {
      for (const name of names) {
        const [ann, bob] = await delivered(pair, name)
        counts[ann && bob ? 'both' : 'one'] += 1
        apart.push(Math.abs(pair[0].state.rooms[name].opened - pair[1].state.rooms[name].opened))
      }
    })
    await check(`rooms ${from} to ${from + AT_ONCE - 1} are in sync`, async () => {
      reloaded.push(...(await sync(pair, names)))
      for (const name of names) {
        const [ann, bob] = pair.map((client) => client.state.rooms[name])
        seconds.push(Math.max(ann.synced, bob.synced))
        assertEqual([ann.broadcast, bob.broadcast], [0, 0], 'peers over BroadcastChannel')
      }
    })
    await close(pair, names)
  }
  console.log(`opened ${spread(apart)} ms apart; in sync after ${spread(seconds)} s`)
  console.log(`in ${counts.both} rooms each heard the other, in ${counts.one} one did; reloaded: ${reloaded.join(', ') || 'none'}`)
  await check('all processes have survived all of it', async () => cluster.assertAlive())
})

/**
 * Waits until all that one has sent has come to the other, once and in order, from its first announce on or, on one of the two
 * sides, from behind it: that one subscribed later. Returns who has heard that announce.
 */
async function delivered(pair, name) {
  let hears
  const what = () => `${name}: what one has sent to be what the other hears: ${JSON.stringify(pair.map(({ state }) => state.rooms[name]))}`
  await until(() => {
    const [ann, bob] = pair.map(({ state }) => state.rooms[name])
    if (!ann?.opened || !bob?.opened) return false
    hears = [hearsAll(bob.sent, ann.heard), hearsAll(ann.sent, bob.heard)]
    const isSound = [hears[0] || hearsAll(bob.sent.slice(1), ann.heard), hears[1] || hearsAll(ann.sent.slice(1), bob.heard)]
    return hears.some(Boolean) && isSound.every(Boolean)
  }, what)
  return hears
}

function hearsAll(sent, heard) {
  return sent.length > 0 && sent.join() === heard.join()
}

/** Waits until both clients read what the other has written. Returns the rooms that had to be opened again. */
async function sync(pair, names) {
  const late = () => names.filter((name) => pair.some(({ state }) => state.rooms[name]?.synced == null))
  const deadline = Date.now() + RELOAD_SECONDS * 1000
  await until(() => late().length === 0 || Date.now() > deadline, 'a while')
  const reloaded = late()
  for (const name of reloaded) {
    assertEqual(await delivered(pair, name), [true, true], `${name} is not in sync though one alone made an offer: who heard the other`)
  }
  if (reloaded.length > 0) {
    await close(pair, reloaded)
    for (const client of pair) {
      client.tell({ do: 'open', rooms: reloaded.map((name) => ({ name, at: Date.now() })) })
      await client.until(({ rooms }) => reloaded.every((name) => rooms[name]?.sent.length > 0), 'to have announced itself')
      await sleep(SETTLE)
    }
  }
  const states = (name) => JSON.stringify(pair.map(({ state }) => state.rooms[name]))
  await until(() => late().length === 0, () => `both to read the same in ${late().map((name) => `${name}: ${states(name)}`)}`)
  return reloaded
}

async function close(pair, names) {
  for (const client of pair) client.tell({ do: 'close', names })
  for (const client of pair) await client.until(({ rooms }) => names.every((name) => !(name in rooms)), 'to have left its rooms')
}

function spread(numbers) {
  numbers.sort((one, other) => one - other)
  const at = (part) => numbers[Math.ceil(part * numbers.length) - 1]?.toFixed(2)
  return `${at(0.5)} (median), ${at(0.9)} (90 of 100), ${at(1)} (all)`
}

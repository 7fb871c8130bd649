// Unchanged y-webrtc providers at a relay that asks for tokens: `?token=` in the address is all they need.

import { execFileSync } from 'node:child_process'
import { assertEqual, check, run } from './lib/checks.js'
import { Peer } from './lib/peer.js'
import { relayFromArguments } from './lib/relay.js'

const { relay, options } = relayFromArguments({ signal: { type: 'string' }, key: { type: 'string' } })

const mint = (topics, expires) =>
  execFileSync(options.signal, ['token', 'mint', '--key-file', options.key, '--topics', topics, '--expires', expires], {
    encoding: 'utf8',
  }).trim()
const join = (name, room, token) =>
  new Peer(name, 'y-webrtc.js', { url: token ? `${relay.url}/?token=${token}` : relay.url, room })
const type = (peer, at, text) => peer.tell({ do: 'insert', at, text })
const reads = (peer, text) => peer.until((state) => state.text === text, `to read ${JSON.stringify(text)}`)
const onRelay = (peer) => peer.until((state) => state.relay, 'to be connected to the relay')
const offRelay = (peer) => peer.until((state) => state.relay === false, 'to be off the relay', 120)

await run(async () => {
  await relay.start()
  const stranger = join('stranger', 'team-7/notes')
  const ann = join('ann', 'team-7/notes', mint('team-7/*', '1h'))
  await onRelay(ann)
  await withTokens(ann, stranger)
  await ofAnotherRoom(ann)
  await thatEnds()
})

async function withTokens(ann, stranger) {
  const bob = join('bob', 'team-7/notes', mint('team-7/notes', '1h'))
  await stranger.until((state) => !state.relay, 'to have begun')

  await check('two providers with tokens sync a document', async () => {
    type(ann, 0, 'hello')
    await reads(bob, 'hello')
    type(bob, 5, ' world')
    await reads(ann, 'hello world')
  })
  await check('a provider without a token is never on the relay, and reads nothing', async () => {
    // It was there before them, and has tried all the time.
    assertEqual([stranger.state.relay, stranger.state.text, stranger.state.webrtc], [false, '', 0], 'the stranger')
  })
  await bob.kill()
}

async function ofAnotherRoom(ann) {
  await check('a provider whose token is for another room is on the relay, and reads nothing', async () => {
    const eve = join('eve', 'team-7/notes', mint('team-70/*', '1h'))
    await onRelay(eve)
    // A peer that joins after eve would announce itself to eve too.
    const cem = join('cem', 'team-7/notes', mint('team-7/notes', '1h'))
    await reads(cem, 'hello world')
    assertEqual([eve.state.relay, eve.state.text, eve.state.webrtc], [true, '', 0], 'eve')
    await reads(ann, 'hello world')
  })
}

/** Joins with a token that ends as soon as it can: once the provider has found its peer, which takes longer on a busy machine. */
async function joinBriefly(name, room) {
  for (const seconds of [6, 20, 60]) {
    const peer = join(name, room, mint(room, `${seconds}s`))
    const found = await peer.until((state) => state.webrtc > 0, 'to find its peer', seconds).catch(() => false)
    if (found) return peer
    await peer.kill()
  }
  throw new Error(`${name} found no peer in 60 s`)
}

async function thatEnds() {
  // One after another, as in y-webrtc.js.
  const eli = join('eli', 'short', mint('short', '1h'))
  await onRelay(eli)
  const dan = await joinBriefly('dan', 'short')
  type(dan, 0, 'before')
  await reads(eli, 'before')

  await check('a provider leaves the relay when its token ends, and does not come back', async () => {
    await offRelay(dan)
    const fay = join('fay', 'short', mint('short', '1h'))
    await reads(fay, 'before')
    assertEqual(dan.state.relay, false, 'dan on the relay')
  })
  await check('connected providers go on without the relay', async () => {
    type(dan, 6, ' and after')
    await reads(eli, 'before and after')
  })
  await check('the relay has survived all of it', async () => relay.assertAlive())
}

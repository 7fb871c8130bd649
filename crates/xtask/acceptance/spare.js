// Two unchanged y-webrtc providers that name two relays, of which one is down: the way back of examples/ROLLBACK.md in which
// nothing is typed. The other relay is a program in JavaScript, which listens at the port in PORT.

import { check, run } from './lib/checks.js'
import { Peer } from './lib/peer.js'
import { Relay, relayFromArguments } from './lib/relay.js'

const { relay, options } = relayFromArguments({ 'spare-url': { type: 'string' }, spare: { type: 'string' } })
const spare = new Relay(options['spare-url'], [process.execPath, options.spare])

const join = (name, room) => new Peer(name, 'y-webrtc.js', { url: [relay.url, spare.url], room })
const type = (peer, at, text) => peer.tell({ do: 'insert', at, text })
const reads = (peer, text) => peer.until((state) => state.text === text, `to read ${JSON.stringify(text)}`)
const onRelays = (peer, count) => peer.until((state) => state.relays === count, `to be connected to ${count} of two relays`)

/** One after another: of two that announce in the same instant both send an offer. */
async function joinInOrder(names, room, relays) {
  const peers = []
  for (const name of names) {
    const peer = join(name, room)
    await onRelays(peer, relays)
    peers.push(peer)
  }
  return peers
}

await run(async () => {
  await relay.start()
  await spare.start()
  const [ann, bob] = await joinInOrder(['ann', 'bob'], 'garden', 2)

  await check('two providers that name two relays sync', async () => {
    type(ann, 0, 'both')
    await reads(bob, 'both')
  })
  await check('those who are connected go on when one relay is killed', async () => {
    await relay.kill()
    await Promise.all([ann, bob].map((peer) => onRelays(peer, 1)))
    type(bob, 4, ', one')
    await reads(ann, 'both, one')
  })
  await check('a third finds them through the other relay', async () => {
    await reads(join('cem', 'garden'), 'both, one')
  })
  await check('two who come while it is down find each other', async () => {
    const [dan, eve] = await joinInOrder(['dan', 'eve'], 'house', 1)
    type(dan, 0, 'only the spare')
    await reads(eve, 'only the spare')
  })
  await check('when it is back, and the other is killed, a newcomer finds them through it', async () => {
    await relay.start()
    await Promise.all([ann, bob].map((peer) => onRelays(peer, 2)))
    await spare.kill()
    await Promise.all([ann, bob].map((peer) => onRelays(peer, 1)))
    await reads(join('fay', 'garden'), 'both, one')
  })
})

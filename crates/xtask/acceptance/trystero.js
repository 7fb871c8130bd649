// Two Trystero peers in two processes find each other through the relay and exchange a message.

import { assertEqual, check, run } from './lib/checks.js'
import { Peer } from './lib/peer.js'
import { relayFromArguments } from './lib/relay.js'

const { relay } = relayFromArguments()

const join = (name, room) => new Peer(name, 'trystero.js', { url: relay.url, room })

await run(async () => {
  await relay.start()
  const ann = join('ann', 'games')
  const bob = join('bob', 'games')
  const far = join('far', 'another room')
  const all = [ann, bob, far]
  const hears = (peer, text) =>
    peer.until((state) => state.messages.some((message) => message.text === text), `to hear ${JSON.stringify(text)}`)

  await check('Trystero peers find each other', async () => {
    await Promise.all(all.map((peer) => peer.until((state) => state.relay, 'to be connected to the relay')))
    await Promise.all([ann, bob].map((peer) => peer.until((state) => state.joined.length > 0, 'to find its peer')))
  })
  await check('they exchange messages', async () => {
    ann.tell({ do: 'say', text: 'hello bob' })
    await hears(bob, 'hello bob')
    bob.tell({ do: 'say', text: 'hello ann' })
    await hears(ann, 'hello ann')
  })
  await check('a third peer finds both, and a peer in another room finds nobody', async () => {
    const cem = join('cem', 'games')
    await cem.until((state) => state.joined.length === 2, 'to find two peers')
    await Promise.all([ann, bob].map((peer) => peer.until((state) => state.joined.length === 2, 'to find the third')))
    assertEqual([far.state.relay, far.state.joined], [true, []], 'the peer in another room (on the relay, peers found)')
  })
  await check('the relay has survived all of it', async () => relay.assertAlive())
})

// Two unchanged y-webrtc providers in two processes share a document through the relay.

import { assert, assertEqual, check, run, until, untilEqual } from './lib/checks.js'
import { listen } from './lib/listener.js'
import { Peer } from './lib/peer.js'
import { relayFromArguments } from './lib/relay.js'

const { relay } = relayFromArguments()

const join = (name, room, password) => new Peer(name, 'y-webrtc.js', { url: relay.url, room, password })
const type = (peer, at, text) => peer.tell({ do: 'insert', at, text })
const reads = (peer, text) => peer.until((state) => state.text === text, `to read ${JSON.stringify(text)}`)
const onRelay = (peer) => peer.until((state) => state.relay, 'to be connected to the relay')
const offRelay = (peer) => peer.until((state) => state.relay === false, 'to notice that the relay is gone')

// Providers join one after another. Two that announce in the same instant both send an offer, and the client does not always
// recover from that: without this order two runs of eight failed, and that against y-webrtc's own server.
async function joinInOrder(names, room, password) {
  const peers = []
  for (const name of names) {
    const peer = join(name, room, password)
    await onRelay(peer)
    peers.push(peer)
  }
  return peers
}

await run(async () => {
  await relay.start()
  await withoutPassword()
  await withPassword()
  await relayRestart()
  await relayAbsentAtFirst()
})

async function withoutPassword() {
  const [ann, bob] = await joinInOrder(['ann', 'bob'], 'plain')

  await check('two providers sync a document', async () => {
    type(ann, 0, 'hello')
    await reads(bob, 'hello')
    type(bob, 5, ' world')
    await reads(ann, 'hello world')
  })
  await check('the document went over WebRTC, not over BroadcastChannel', async () => {
    await untilEqual(
      () => [ann.state.webrtc, ann.state.broadcast, bob.state.webrtc, bob.state.broadcast],
      [1, 0, 1, 0],
      'connections (webrtc, broadcast) of ann and of bob',
    )
  })
  await check('a third provider joins and all three agree', async () => {
    const cem = join('cem', 'plain')
    await reads(cem, 'hello world')
    type(cem, 11, '!')
    await Promise.all([ann, bob].map((peer) => reads(peer, 'hello world!')))
  })
  await check('a provider in another room reads nothing of it', async () => {
    const [dan, eve] = await joinInOrder(['dan', 'eve'], 'plain-2')
    type(dan, 0, 'another text')
    await reads(eve, 'another text')
    await reads(ann, 'hello world!')
  })
}

async function withPassword() {
  const operator = await listen(relay.url, 'secret')
  const [ann, bob] = await joinInOrder(['ann', 'bob'], 'secret', 'correct horse')

  await check('two providers with a password sync a document', async () => {
    type(ann, 0, 'between us')
    await reads(bob, 'between us')
  })
  await check('with a password the relay carries only ciphertext', async () => {
    const saw = () => `an announce, an offer and an answer at least, saw ${operator.publishes().length} messages`
    await until(() => operator.publishes().length >= 3, saw)
    for (const message of operator.publishes()) {
      // base64 of lib0's VarString "AES-GCM", which starts every encrypted message
      assert(/^B0FFUy1HQ00M/.test(message.data), `not encrypted: ${JSON.stringify(message).slice(0, 200)}`)
    }
  })
  await check('a provider with another password reads nothing', async () => {
    const eve = join('eve', 'secret', 'battery staple')
    await onRelay(eve)
    // A peer that joins after eve announces itself to eve too.
    const cem = join('cem', 'secret', 'correct horse')
    await reads(cem, 'between us')
    await eve.until((state) => state.unreadable > 0, 'to get a message that it cannot open')
    assertEqual([eve.state.text, eve.state.webrtc], ['', 0], "eve's text and connections")
  })
}

async function relayRestart() {
  const [ann, bob] = await joinInOrder(['ann', 'bob'], 'restart')
  type(ann, 0, 'before')
  await reads(bob, 'before')

  await check('connected providers go on while the relay is down', async () => {
    await relay.kill()
    await Promise.all([ann, bob].map(offRelay))
    type(bob, 6, ' during')
    await reads(ann, 'before during')
  })
  await check('providers come back to a relay that was killed and started again', async () => {
    await relay.start()
    await Promise.all([ann, bob].map(onRelay))
  })
  await check('a new provider finds the others through the restarted relay', async () => {
    const cem = join('cem', 'restart')
    await reads(cem, 'before during')
    type(cem, 13, ' after')
    await Promise.all([ann, bob].map((peer) => reads(peer, 'before during after')))
  })
}

async function relayAbsentAtFirst() {
  await relay.kill()
  const ann = join('ann', 'late')
  type(ann, 0, 'written offline')
  await reads(ann, 'written offline')

  await check('a provider that was there before the relay is found once the relay runs', async () => {
    await relay.start()
    await onRelay(ann)
    await reads(join('bob', 'late'), 'written offline')
  })
  await check('the relay has survived all of it', async () => relay.assertAlive())
}

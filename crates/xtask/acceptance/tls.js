// Unchanged y-webrtc providers at a relay with TLS of its own, and a new certificate while they are connected.

import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, readFileSync } from 'node:fs'
import tls from 'node:tls'
import { assertEqual, check, run } from './lib/checks.js'
import { Peer } from './lib/peer.js'
import { relayFromArguments } from './lib/relay.js'

// NODE_EXTRA_CA_CERTS must name a file with both certificates: the peers read it when they start.
const files = ['certificate', 'key', 'new-certificate', 'new-key']
const { relay, options } = relayFromArguments(Object.fromEntries(files.map((name) => [name, { type: 'string' }])))

const join = (name) => new Peer(name, 'y-webrtc.js', { url: relay.url, room: 'tls' })
const type = (peer, at, text) => peer.tell({ do: 'insert', at, text })
const reads = (peer, text) => peer.until((state) => state.text === text, `to read ${JSON.stringify(text)}`)
const onRelay = (peer) => peer.until((state) => state.relay, 'to be connected to the relay')

const fingerprint = (file) => new X509Certificate(readFileSync(file)).fingerprint256

/** The fingerprint of the certificate that the relay shows now. */
async function shown() {
  const { hostname, port } = new URL(relay.url)
  const socket = tls.connect({ host: hostname, port: Number(port), servername: hostname })
  await once(socket, 'secureConnect')
  const { fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return fingerprint256
}

await run(async () => {
  await relay.start()
  const ann = join('ann')
  await onRelay(ann)

  await check('two providers sync a document over wss', async () => {
    const bob = join('bob')
    type(ann, 0, 'hello')
    await reads(bob, 'hello')
    await bob.kill()
  })
  await check('a new certificate is shown after SIGHUP, and the provider that was there stays', async () => {
    assertEqual(await shown(), fingerprint(options.certificate), 'the first certificate')
    const reconnects = ann.state.reconnects
    copyFileSync(options['new-certificate'], options.certificate)
    copyFileSync(options['new-key'], options.key)
    await relay.reload('the certificate is')
    assertEqual(await shown(), fingerprint(options['new-certificate']), 'the second certificate')
    const cem = join('cem')
    await reads(cem, 'hello')
    type(cem, 5, ' world')
    await reads(ann, 'hello world')
    assertEqual([ann.state.relay, ann.state.reconnects], [true, reconnects], "ann's connection and reconnects")
  })
  await check('the relay has survived all of it', async () => relay.assertAlive())
})

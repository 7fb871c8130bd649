import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect as connectTcp } from 'node:net'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import express from 'express'
import fastify from 'fastify'
import WebSocket, { WebSocketServer } from 'ws'

import { attach, serve, SettingsError } from '../dist/node.js'

const subscribe = JSON.stringify({ type: 'subscribe', topics: ['garden'] })
const UPGRADE =
  'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'
const publish = (data) => JSON.stringify({ type: 'publish', topic: 'garden', data })

async function client(url, protocols = []) {
  const socket = new WebSocket(url, protocols)
  socket.on('error', () => {})
  const inbox = []
  const waiting = []
  socket.on('message', (text) => {
    const message = JSON.parse(text)
    const wanted = waiting.shift()
    if (wanted) wanted(message)
    else inbox.push(message)
  })
  await once(socket, 'open')
  return {
    socket,
    send: (text) => socket.send(text),
    next: () => (inbox.length > 0 ? Promise.resolve(inbox.shift()) : new Promise((resolve) => waiting.push(resolve))),
  }
}

/** Polls until it is so, for a minute at most. */
async function until(isSo, most = 60_000) {
  for (const start = performance.now(); !isSo(); ) {
    assert(performance.now() - start < most, `waited ${most} ms for ${isSo}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

async function subscriber(url) {
  const one = await client(url)
  one.send(subscribe)
  one.send('{"type":"ping"}')
  assert.equal((await one.next()).type, 'pong')
  return one
}

/** Serves on a free port while `act` runs. */
async function serving(settings, act) {
  // Whoever is closed has time to answer, however busy the machine is.
  const { server, relay, stop } = await serve({ drain_seconds: 0, close_timeout: '60s', ...settings }, { port: 0, signals: false })
  try {
    await act(`ws://127.0.0.1:${server.address().port}`, relay)
  } finally {
    await stop()
  }
}

async function listening(server) {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server.address().port
}

async function pairTalks(url) {
  const [ann, bob] = [await subscriber(url), await subscriber(url)]
  ann.send(publish('hello'))
  const expected = { type: 'publish', topic: 'garden', data: 'hello', clients: 2 }
  assert.deepEqual([await ann.next(), await bob.next()], [expected, expected])
  ann.socket.terminate()
  bob.socket.terminate()
}

test('beside Express: its pages are its own, upgrades are the relay’s', async () => {
  const app = express()
  app.get('/', (_, response) => response.send('my app'))
  const server = createServer(app)
  const relay = attach(server)
  app.get(['/healthz', '/limits'], relay.page)
  const port = await listening(server)
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'my app')
  assert.equal((await (await fetch(`http://127.0.0.1:${port}/limits`)).json()).message_bytes_max, 65_536)
  await pairTalks(`ws://127.0.0.1:${port}/`)
  server.close()
  server.closeAllConnections()
})

test('beside Fastify, at a path of its own, others are left to others', async () => {
  const app = fastify()
  app.get('/', () => 'my app')
  attach(app.server, {}, { path: '/signal' })
  app.server.on('upgrade', (request, socket) => {
    if (request.url !== '/signal?a') socket.end('HTTP/1.1 418 Elsewhere\r\nConnection: close\r\n\r\n')
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address()
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'my app')
  await pairTalks(`ws://127.0.0.1:${port}/signal?a`)
  const elsewhere = new WebSocket(`ws://127.0.0.1:${port}/other`)
  const [, response] = await once(elsewhere, 'unexpected-response')
  assert.equal(response.statusCode, 418)
  elsewhere.on('error', () => {})
  elsewhere.terminate()
  await app.close()
})

/** What a plain request is answered, whatever its headers. */
async function asked(port, head, end = '\r\n\r\n') {
  const socket = connectTcp(port, '127.0.0.1')
  socket.write(head.join('\r\n') + end)
  let text = ''
  for await (const part of socket) text += part
  return text
}

test('an upgrade that is not the relay’s is answered by the app, as if there were no relay', async () => {
  const app = express()
  app.use(express.text())
  app.all('/', (request, response) => response.send(`my app, ${request.method} ${request.body ?? ''}`))
  const server = createServer(app)
  const [one, other] = [attach(server, {}, { path: '/one' }), attach(server, {}, { path: ['/other/', '/third'] })]
  const port = await listening(server)
  const close = 'Connection: Upgrade, HTTP2-Settings, close'
  const settings = 'HTTP2-Settings: AAMAAABkAAQAAP__'
  assert.match(await asked(port, ['GET / HTTP/1.1', 'Host: a', close, 'Upgrade: h2c', settings]), /^HTTP\/1.1 200 [^]*my app, GET $/)
  const post = ['POST / HTTP/1.1', 'Host: a', close, 'Upgrade: h2c', settings, 'Content-Type: text/plain', 'Content-Length: 5']
  assert.match(await asked(port, post, '\r\n\r\nhello'), /^HTTP\/1.1 200 [^]*my app, POST hello$/)
  const elsewhere = new WebSocket(`ws://127.0.0.1:${port}/elsewhere`)
  elsewhere.on('error', () => {})
  const [, response] = await once(elsewhere, 'unexpected-response')
  assert.equal(response.statusCode, 404)
  elsewhere.terminate()
  for (const [path, relay] of [['one', one], ['one/', one], ['other', other], ['third?a', other]]) {
    await pairTalks(`ws://127.0.0.1:${port}/${path}`)
    assert.equal(relay.stats().connects >= 2, true)
  }
  server.close()
  server.closeAllConnections()
})

test('a relay at the place of another is an error, until that one drains', async () => {
  const server = createServer()
  const first = attach(server, {}, { path: '/signal' })
  assert.throws(() => attach(server), SettingsError)
  assert.throws(() => attach(server, {}, { path: '/signal/' }), SettingsError)
  await first.drain()
  const second = attach(server)
  const port = await listening(server)
  await pairTalks(`ws://127.0.0.1:${port}/signal`)
  assert.equal(first.stats().connects, 0)
  assert.equal(second.stats().connects, 2)
  server.close()
  server.closeAllConnections()
})

test('another listener that answers the same upgrade ends neither the process nor its own connection', async () => {
  const server = createServer()
  const theirs = new WebSocketServer({ server })
  theirs.on('connection', (socket) => socket.send('{"type":"theirs"}'))
  const entries = []
  const relay = attach(server, {}, { log: (entry) => entries.push(entry) })
  const port = await listening(server)
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
  const [text] = await once(socket, 'message')
  assert.deepEqual(JSON.parse(text), { type: 'theirs' })
  await until(() => entries.some(({ level }) => level === 'error'))
  assert.match(entries.find(({ level }) => level === 'error').text, /^another listener of this server has answered/)
  assert.equal(relay.stats().peers, 0)
  assert.match(relay.metrics(), /^signal_handshakes 0$/m)
  socket.terminate()
  theirs.close()
  server.close()
  server.closeAllConnections()
})

test('relays that are opened and closed again leave no listener behind', async () => {
  const before = process.listenerCount('SIGTERM')
  for (let round = 0; round < 12; round += 1) {
    const { stop } = await serve({}, { port: 0 })
    assert.equal(process.listenerCount('SIGTERM'), before + 1)
    await stop()
  }
  assert.equal(process.listenerCount('SIGTERM'), before)
})

test('who is refused gets a status, words and when to come again', async () => {
  await serving({ peers_per_ip_max: 1, limit_private_ips: true }, async (url, relay) => {
    const first = await client(url)
    const second = new WebSocket(url)
    const [, response] = await once(second, 'unexpected-response')
    second.on('error', () => {})
    assert.equal(response.statusCode, 429)
    assert.equal(response.headers['retry-after'], '30')
    let body = ''
    for await (const part of response) body += part
    assert.equal(body, 'too many connections are open from your address')
    first.socket.close()
    await until(() => relay.size === 0)
    await client(url)
  })
})

test('the subprotocol that was offered first is answered, and never a token', async () => {
  await serving({}, async (url) => {
    assert.equal((await client(url, ['chat', 'v2'])).socket.protocol, 'chat')
    assert.equal((await client(url, ['signal-token', 'a.b.c'])).socket.protocol, 'signal-token')
    assert.equal((await client(url)).socket.protocol, '')
  })
})

test('an upgrade that ends in the middle gives its place back', async () => {
  await serving({ peers_max: 1 }, async (url, relay) => {
    const { port, hostname } = new URL(url)
    for (let round = 0; round < 20; round += 1) {
      const socket = connectTcp(port, hostname)
      const key = Buffer.alloc(16).toString('base64')
      socket.end(`GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`)
      socket.resume()
      await once(socket, 'close')
      await until(() => /^signal_handshakes 0$/m.test(relay.metrics()) && relay.size === 0)
    }
    await pairOfOne(url)
    assert.equal(relay.stats().peers, 1)
  })
})

async function pairOfOne(url) {
  const only = await subscriber(url)
  only.send(publish(1))
  assert.equal((await only.next()).clients, 1)
}

test('a connection whose close is answered is ended, though its client keeps it open', async () => {
  await serving({}, async (url, relay) => {
    const socket = connectTcp({ host: '127.0.0.1', port: Number(new URL(url).port), allowHalfOpen: true })
    socket.write(UPGRADE)
    const close = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]
    await until(() => relay.size === 1)
    socket.write(Buffer.from(close))
    const heard = []
    socket.on('data', (data) => heard.push(data))
    await once(socket, 'end')
    assert.deepEqual([...Buffer.concat(heard).subarray(-4)], [0x88, 0x02, 0x03, 0xe8])
    // By itself `ws` waits for half a minute.
    await until(() => relay.size === 0, 20_000)
    socket.destroy()
  })
})

/** The collector of garbage, which Node hides without a flag. */
function collector() {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc')
}

test('a connection keeps nothing of the request that it began with', async () => {
  const collect = collector()
  for (const authorize of [undefined, async () => ({ topics: ['*'] })]) {
    const { server, relay, stop } = await serve({ drain_seconds: 0 }, { port: 0, signals: false, ...(authorize && { authorize }) })
    const requests = []
    server.on('upgrade', (request) => requests.push(new WeakRef(request)))
    const one = await subscriber(`ws://127.0.0.1:${server.address().port}`)
    await until(() => {
      collect()
      return requests.length === 1 && requests[0].deref() === undefined
    })
    assert.equal(relay.size, 1)
    one.socket.terminate()
    await stop()
  }
})

test('who does not read is closed, what waits for it is bounded, and a pair beside it is not disturbed', async () => {
  const settings = { close_timeout: '100ms', outbound_bytes_max: '256KiB', outbound_grace: '20ms', bytes_per_second: '1GiB', bytes_burst: '1GiB', fan_out_bytes_per_second: '1GiB', fan_out_bytes_burst: '1GiB', messages_per_second: 100_000, messages_burst: 100_000 }
  await serving(settings, async (url, relay) => {
    const [ann, bob, deaf] = [await subscriber(url), await subscriber(url), await subscriber(url)]
    deaf.socket._socket.pause()
    const filler = 'x'.repeat(60_000)
    let rounds = 0
    for (const start = performance.now(); relay.stats().closes.slow_consumer !== 1; ) {
      assert(performance.now() - start < 60_000, 'the deaf one is still there')
      ann.send(publish(filler))
      await Promise.all([ann.next(), bob.next()])
      rounds += 1
    }
    assert(rounds * 60_000 > 256 * 1024)
    ann.send(publish('last'))
    assert.equal((await bob.next()).clients, 2)
    // It does not answer the close, so it is ended without.
    await until(() => relay.size === 2)
  })
})

test('a flood is refused, and who breaks the protocol is gone, while a pair goes on', async () => {
  await serving({ close_hold: '100ms', strikes_burst: 20, messages_burst: 100 }, async (url, relay) => {
    const [flood, broken] = [await client(url), await client(url)]
    for (let count = 0; count < 2_000; count += 1) flood.send(publish(count))
    broken.socket._socket.write(Buffer.from([0xff, 0xff, 0xff]))
    const [[code], [brokenCode]] = await Promise.all([once(flood.socket, 'close'), once(broken.socket, 'close')])
    assert.equal(code, 4429)
    assert.equal(brokenCode, 1002)
    await pairTalks(url)
    assert.equal(relay.stats().closes.protocol, 1)
    assert.equal(relay.stats().closes.rate_limited, 1)
  })
})

test('whose message is far too long reads why, though it is sending still', async () => {
  await serving({ message_bytes_max: '1KiB' }, async (url) => {
    const { port } = new URL(url)
    const socket = connectTcp({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true })
    const read = []
    let failure
    socket.on('data', (bytes) => read.push(bytes)).on('error', (error) => (failure = error))
    socket.write(UPGRADE)
    await until(() => Buffer.concat(read).includes('\r\n\r\n'))
    // A text of 64 MiB, of which some comes behind the close.
    socket.write(Buffer.from([0x81, 0xff, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]))
    const close = Buffer.from([0x88, 0x02, 0x03, 0xf1])
    for (let sent = 0; sent < 64; sent += 1) socket.write(Buffer.alloc(64 * 1024))
    await until(() => Buffer.concat(read).includes(close) || failure !== undefined)
    for (let sent = 0; sent < 64; sent += 1) {
      socket.write(Buffer.alloc(64 * 1024))
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal(failure, undefined)
    assert(Buffer.concat(read).includes(close))
    socket.destroy()
  })
})

test('a drain closes all with 1012, and those who come are told to come again', async () => {
  await serving({ drain_seconds: 1 }, async (url, relay) => {
    const one = await client(url)
    const drained = relay.drain()
    const late = new WebSocket(url)
    const [, response] = await once(late, 'unexpected-response')
    late.on('error', () => {})
    late.terminate()
    assert.equal(response.statusCode, 503)
    if (one.socket.readyState !== WebSocket.CLOSED) await once(one.socket, 'close')
    await drained
    assert.equal(one.socket._closeCode, 1012)
    assert.equal(relay.size, 0)
  })
})

test('ten thousand publishes arrive, each with the right number of clients', async () => {
  const settings = { messages_per_second: 100_000, messages_burst: 100_000, bytes_per_second: '1GiB', bytes_burst: '1GiB', fan_out_per_second: 1_000_000, fan_out_burst: 1_000_000 }
  await serving(settings, async (url) => {
    const all = [await subscriber(url), await subscriber(url), await subscriber(url)]
    for (let count = 0; count < 10_000; count += 1) all[0].send(publish(count))
    for (const one of all) {
      for (let count = 0; count < 10_000; count += 1) {
        const { data, clients } = await one.next()
        assert.deepEqual([data, clients], [count, 3])
      }
    }
  })
})

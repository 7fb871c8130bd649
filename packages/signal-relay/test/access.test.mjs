// Who may come in: tokens, which the runtime verifies, and `authorize`.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import WebSocket from 'ws'

import { Refusal, Relay, SettingsError } from '../dist/index.js'
import { serve } from '../dist/node.js'

const vectors = JSON.parse(readFileSync(new URL('../../../crates/signal-access/vectors/tokens.json', import.meta.url), 'utf8'))

function upgrade(target = '/', headers = {}) {
  const all = { upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==', host: 'relay.example.org', ...headers }
  return { method: 'GET', target, remote: '127.0.0.1', header: (name) => all[name] }
}

/** A socket that keeps what it is sent. */
function socket() {
  const sent = []
  return { sent, send: (message) => sent.push(message.text), buffered: () => 0, ping: () => {}, close: () => {} }
}

/** How many hear a publish of a peer who may do what `answer` says. */
function heard(relay, peer, who, type, topic) {
  const before = who.sent.length
  relay.receive(peer, JSON.stringify({ type, topic, topics: [topic], data: 1 }))
  return who.sent.length - before
}

test('every token of the vectors is judged as by every other relay', async (t) => {
  const relays = new Map()
  for (const [name, { keys, audience, origins, token_in, issuer, topics_claim, topics_default }] of Object.entries(vectors.relays)) {
    const given = {
      token_keys: keys ?? undefined,
      token_audience: audience ?? undefined,
      origins: origins.length > 0 ? origins : undefined,
      token_in,
      token_issuer: issuer,
      token_topics_claim: topics_claim,
      token_topics_default: topics_default,
      // These are about other things.
      fan_out_burst: 100_000,
    }
    const settings = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
    relays.set(name, () => new Relay(settings, { log: () => {} }))
  }
  let judged = 0
  for (const row of vectors.rows) {
    const { expected } = row
    t.mock.method(Date, 'now', () => (row.now ?? 1_900_000_000) * 1_000)
    const relay = relays.get(row.relay)()
    const headers = {}
    for (const [name, value] of row.headers) {
      const lower = name.toLowerCase()
      headers[lower] = lower in headers ? `${headers[lower]}, ${value}` : value
    }
    const answer = await relay.request(upgrade(row.query === null ? '/' : `/?${row.query}`, headers))
    const status = answer.peer === undefined ? answer.status : 101
    assert.equal(status, expected.status, row.name)
    judged += 1
    if (status !== 101) {
      const challenge = answer.headers.find(([name]) => name === 'www-authenticate')?.[1]
      assert.equal(challenge, expected.challenge, row.name)
      continue
    }
    // Which of other subprotocols is answered is not about tokens.
    if (expected.protocol !== undefined) assert.equal(answer.protocol, expected.protocol, row.name)
    for (const [names, type, may] of [['may_subscribe', 'subscribe', true], ['may_not_subscribe', 'subscribe', false]]) {
      for (const topic of expected[names] ?? []) {
        const mine = socket()
        const own = await relay.request(upgrade(row.query === null ? '/' : `/?${row.query}`, headers))
        relay.connect(own.peer, mine)
        const before = relay.stats().topics
        heard(relay, own.peer, mine, type, topic)
        assert.equal(relay.stats().topics - before, may ? 1 : 0, `${row.name}: ${topic}`)
        relay.leave(own.peer)
      }
    }
    relay.connect(answer.peer, socket())
    for (const [names, may] of [['may_publish', true], ['may_not_publish', false]]) {
      for (const topic of expected[names] ?? []) {
        const before = relay.stats().received.publish ?? 0
        heard(relay, answer.peer, socket(), 'publish', topic)
        assert.equal((relay.stats().received.publish ?? 0) - before, may ? 1 : 0, `${row.name}: ${topic}`)
      }
    }
    relay.leave(answer.peer)
  }
  assert(judged > 200, `only ${judged} rows`)
})

const SECRET = { kty: 'oct', alg: 'HS256', k: 'dGhpcyBrZXkgaXMgZm9yIHRlc3RzIGFuZCBkb2NzIG9ubHk' }
const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

async function hs256(claims) {
  const key = await crypto.subtle.importKey('jwk', { kty: 'oct', k: SECRET.k }, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  const signed = `${encode({ alg: 'HS256' })}.${encode(claims)}`
  const signature = await crypto.subtle.sign('HMAC', key, Buffer.from(signed))
  return `${signed}.${Buffer.from(signature).toString('base64url')}`
}

test('a runtime that cannot verify keeps the door shut, and says so', async (t) => {
  const entries = []
  const relay = new Relay({ token_keys: SECRET }, { log: (entry) => entries.push(entry) })
  const target = `/?token=${await hs256({ exp: 4_102_444_800, topics: ['*'] })}`
  const broken = t.mock.method(crypto.subtle, 'verify', () => Promise.reject(new Error('no such thing')))
  const answer = await relay.request(upgrade(target))
  assert.equal(answer.status, 500)
  assert.deepEqual(entries.map(({ level, event }) => [level, event]), [['error', 'failed'], ['debug', 'refused']])
  assert.equal(entries[0].error.message, 'no such thing')
  broken.mock.restore()
  assert.notEqual((await relay.request(upgrade(target))).peer, undefined)
})

test('a key that the runtime does not take is an error when the relay is made ready', async () => {
  // Not a point on the curve, which the module cannot know.
  const key = { kty: 'EC', crv: 'P-256', x: 'A'.repeat(42) + 'E', y: 'A'.repeat(42) + 'I' }
  const relay = new Relay({ token_keys: key }, { log: () => {} })
  await assert.rejects(relay.ready(), (error) => error instanceof SettingsError && /^token_keys: .* key 1, of ECDSA/.test(error.message))
  await assert.rejects(serve({ token_keys: key }, { port: 0, signals: false }), SettingsError)
})

test('garbage for tokens is refused, however much of it there is', async () => {
  const relay = new Relay({ token_keys: SECRET }, { log: () => {} })
  const good = await hs256({ exp: 4_102_444_800, topics: ['*'] })
  const [header, claims, signature] = good.split('.')
  const wrong = [
    '', '.', '..', '...', 'a', 'a.b.c', `${header}..${signature}`, `${header}.${claims}.`, `${header}.${claims}`, `.${claims}.${signature}`,
    `${header}.${claims}.${signature}A`, `${header}.${claims}.${signature.slice(0, -4)}`, `${header}.${encode({ exp: 4_102_444_801, topics: ['*'] })}.${signature}`,
    `${encode({ alg: 'none' })}.${claims}.`, `${encode({ alg: 'RS256' })}.${claims}.${signature}`, `${encode({ alg: 'HS256', crit: ['x'] })}.${claims}.${signature}`,
    '%00', '\u0000', '🦀'.repeat(100), 'A'.repeat(5_000), `${header}.${claims}.${'A'.repeat(3_000)}`,
  ]
  for (const token of wrong) {
    const answer = await relay.request(upgrade(`/?token=${token}`))
    assert(answer.status === 401 || answer.status === 400, `${token}: ${answer.status}`)
  }
  const many = await Promise.all(Array.from({ length: 500 }, (_, at) => relay.request(upgrade(`/?token=${header}.${encode({ at })}.${signature}`))))
  assert(many.every(({ status }) => status === 401))
  assert.equal(relay.stats().peers, 0)
  assert.notEqual((await relay.request(upgrade(`/?token=${good}`))).peer, undefined)
})

/** What a request is answered where `authorize` says this. */
async function answered(authorize, settings = {}, request = upgrade()) {
  const entries = []
  const relay = new Relay(settings, { authorize, log: (entry) => entries.push(entry) })
  const answer = await relay.request(request, 'raw')
  const errors = entries.filter(({ level }) => level === 'error')
  return { relay, answer, errors }
}

test('authorize may answer at once or later', async () => {
  for (const authorize of [() => ({ topics: ['*'] }), async () => ({ topics: ['garden'] })]) {
    const { answer, errors } = await answered(authorize)
    assert.notEqual(answer.peer, undefined)
    assert.deepEqual(errors, [])
  }
})

test('authorize sees the request, and refuses by returning or throwing a Refusal', async () => {
  let seen
  const returned = await answered((request) => {
    seen = request
    return new Refusal(403, 'not you', { retry_after: 3 })
  }, {}, upgrade('/room?ticket=7', { 'x-session': 'abc' }))
  assert.equal(returned.answer.status, 403)
  assert.equal(returned.answer.body, 'not you')
  assert.deepEqual(returned.answer.headers.find(([name]) => name === 'retry-after'), ['retry-after', '3'])
  assert.deepEqual([seen.target, seen.remote, seen.header('X-Session'), seen.raw], ['/room?ticket=7', '127.0.0.1', 'abc', 'raw'])
  const thrown = await answered(async () => {
    throw new Refusal(401)
  })
  assert.equal(thrown.answer.status, 401)
  assert.deepEqual([...returned.errors, ...thrown.errors], [])
})

test('an authorize that fails keeps the door shut with 500, and is reported', async () => {
  for (const authorize of [
    () => {
      throw new Error('database')
    },
    () => Promise.reject(new Error('database')),
    () => undefined,
    () => null,
    () => true,
    () => ({}),
    () => 'yes',
    () => [],
    () => ({ topics: '*' }),
    () => ({ topics: ['*'], admin: true }),
    () => ({ topics: ['*'], exp: NaN }),
    () => ({ topics: ['*'], exp: 10n }),
    () => new Refusal(200, 'fine'),
    () => {
      const circle = { topics: ['*'] }
      circle.self = circle
      return circle
    },
  ]) {
    const { answer, errors, relay } = await answered(authorize)
    assert.equal(answer.status, 500, String(authorize))
    assert.equal(answer.body, 'your access could not be checked')
    assert.equal(errors.length, 1, String(authorize))
    assert.equal(relay.stats().peers, 0)
  }
})

test('an authorize says how many clients a topic may have, and a number that is not one lets nobody in', async () => {
  for (const clients_max of [0, -1, 1.5, Number.NaN, Infinity, '4', null, true, [], [4], {}, new Map([['garden', 4]]), { garden: undefined }, { garden: null }, { garden: '4' }, { '': 4 }, { 'a*b': 4 }]) {
    const { answer, errors, relay } = await answered(() => ({ topics: ['*'], clients_max }))
    assert.equal(answer.status, 500, String(clients_max))
    assert.match(errors[0].text, /its "clients_max"/)
    assert.equal(relay.stats().peers, 0)
  }
  const sizes = [{ garden: 2, 'hou*': 1 }, 2, undefined]
  const relay = new Relay({}, { authorize: () => ({ topics: ['*'], clients_max: sizes.shift() }) })
  const peers = []
  for (let count = 3; count > 0; count -= 1) {
    const { peer } = await relay.request(upgrade())
    const who = socket()
    relay.connect(peer, who)
    peers.push([peer, who])
  }
  const subscribe = (number, topic) => relay.receive(peers[number][0], JSON.stringify({ type: 'subscribe', topics: [topic] }))
  const clients = (topic) => {
    const [peer, who] = peers[0]
    relay.receive(peer, JSON.stringify({ type: 'publish', topic }))
    return JSON.parse(who.sent.at(-1)).clients
  }
  subscribe(0, 'garden')
  subscribe(2, 'garden')
  subscribe(1, 'garden')
  assert.equal(clients('garden'), 2)
  subscribe(0, 'shed')
  subscribe(2, 'shed')
  subscribe(1, 'shed')
  assert.equal(clients('shed'), 2)
  subscribe(2, 'house')
  subscribe(0, 'house')
  assert.equal(relay.stats().topics_skipped, 3)
})

test('an authorize that takes too long keeps the door shut with 503, and its answer comes too late', async () => {
  let say
  const { answer, errors, relay } = await answered(() => new Promise((resolve) => (say = resolve)), { handshake_timeout: '100ms', peers_max: 1 })
  assert.equal(answer.status, 503)
  assert.match(errors[0].text, /took more than 100 ms/)
  say({ topics: ['*'] })
  await new Promise(setImmediate)
  assert.equal(relay.stats().peers, 0)
  assert.equal(relay.stats().auth.timed_out, 1)
})

test('without origins authorize gets no cookie, so that no site can connect as who is logged in', async () => {
  const byCookie = ({ header }) => (header('cookie') === 'session=ann' ? { topics: ['*'] } : new Refusal(401))
  const request = (origin) => upgrade('/', { cookie: 'session=ann', origin })
  const open = await answered(byCookie, {}, request('https://evil.example'))
  assert.equal(open.answer.status, 500)
  assert.match(open.errors[0].error.message, /^authorize reads cookies, and origins is not set/)
  const settings = { origins: ['https://app.example'] }
  assert.equal((await answered(byCookie, settings, request('https://evil.example'))).answer.status, 403)
  assert.notEqual((await answered(byCookie, settings, request('https://app.example'))).answer.peer, undefined)
})

test('two things that say who may come in are an error, and so is one that cannot', () => {
  assert.throws(() => new Relay({ token_keys: SECRET }, { authorize: () => ({ topics: ['*'] }) }), SettingsError)
  assert.throws(() => new Relay({}, { authorize: 'yes' }), { message: 'authorize is not a function' })
  assert.throws(() => new Relay({}, { authorize: null }), { message: 'authorize is not a function' })
  assert.throws(() => new Relay({}, { log: 1 }), { message: 'log is not a function' })
})

async function serving(settings, options, act) {
  const { server, relay, stop } = await serve({ drain_seconds: 0, close_timeout: '100ms', ...settings }, { port: 0, signals: false, ...options })
  try {
    await act(`ws://127.0.0.1:${server.address().port}`, relay)
  } finally {
    await stop()
  }
}

test('through Node: a session in a cookie, a subject with one connection, and an end', async () => {
  const sessions = { ann: { topics: ['garden'], sub: 'ann', peers_max: 1 } }
  const authorize = async ({ header }) => sessions[header('cookie')?.split('=')[1]] ?? new Refusal(401, 'please log in')
  await serving({ origins: ['https://app.example'] }, { authorize }, async (url, relay) => {
    const options = (cookie, origin = 'https://app.example') => ({ headers: { cookie, origin } })
    const refused = async (...words) => {
      const socket = new WebSocket(url, options(...words))
      const [, response] = await once(socket, 'unexpected-response')
      socket.on('error', () => {})
      socket.terminate()
      return response.statusCode
    }
    assert.equal(await refused('session=eve'), 401)
    assert.equal(await refused('session=ann', 'https://evil.example'), 403)
    const ann = new WebSocket(url, options('session=ann'))
    await once(ann, 'open')
    assert.equal(await refused('session=ann'), 429)
    ann.send('{"type":"subscribe","topics":["garden","house"]}')
    ann.send('{"type":"ping"}')
    await once(ann, 'message')
    assert.equal(relay.stats().topics, 1)
    const metrics = relay.metrics()
    assert.match(metrics, /^signal_peers 1$/m)
    assert.match(metrics, /^signal_auth_total\{result="granted"\} 1$/m)
    ann.close()
  })
})

test('through Node: a client that goes away while it is judged leaves nothing behind', async () => {
  const waiting = []
  const authorize = () => new Promise((resolve) => waiting.push(resolve))
  await serving({ peers_max: 2 }, { authorize, log: () => {} }, async (url, relay) => {
    for (let round = 0; round < 2; round += 1) {
      const socket = new WebSocket(url)
      socket.on('error', () => {})
      while (waiting.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
      socket.terminate()
      await new Promise((resolve) => setTimeout(resolve, 20))
      waiting.splice(0).forEach((resolve) => resolve({ topics: ['*'] }))
    }
    let stays = false
    for (let tries = 0; tries < 1_000 && !stays; tries += 1) {
      const socket = new WebSocket(url)
      socket.on('error', () => {})
      const opened = once(socket, 'open').then(() => true, () => false)
      while (waiting.length === 0 && relay.stats().refusals.peers_max === undefined) await new Promise((resolve) => setTimeout(resolve, 5))
      waiting.splice(0).forEach((resolve) => resolve({ topics: ['*'] }))
      stays = await opened
      socket.terminate()
    }
    assert(stays)
    for (let tries = 0; relay.stats().peers > 0 && tries < 1_000; tries += 1) await new Promise((resolve) => setTimeout(resolve, 10))
    assert.equal(relay.stats().peers, 0)
  })
})

test('what a log throws ends nothing, and without one warnings go to the console', async (t) => {
  const relay = new Relay({}, { log: () => assert.fail('no') })
  const { peer } = relay.request(upgrade())
  relay.connect(peer, socket())
  relay.leave(peer)
  // Node ends a process whose promise is rejected and looked at by nobody.
  const later = new Relay({}, { log: async () => assert.fail('no') })
  await later.request(upgrade('/', { 'sec-websocket-key': 'x' }))
  await new Promise(setImmediate)
  const said = t.mock.method(console, 'error', () => {})
  const failing = new Relay({}, { authorize: () => assert.fail('no') })
  await failing.request(upgrade())
  assert.equal(said.mock.callCount(), 1)
})

// Keys that an identity provider publishes, on each runtime: a provider on this machine changes them
// while peers connect.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { generateKeyPairSync, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import WebSocket from 'ws'

import { Relay } from '../dist/index.js'
import { RUNTIMES } from '../fixtures/runtimes.mjs'

const fixture = fileURLToPath(new URL('../fixtures/published.mjs', import.meta.url))
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A key of a provider, and tokens that it signs. */
function newKey(kid, alg = 'RS256') {
  const [type, options] = alg === 'RS256' ? ['rsa', { modulusLength: 2_048 }] : ['ec', { namedCurve: 'P-256' }]
  const { publicKey, privateKey } = generateKeyPairSync(type, options)
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg }
  const exp = Math.floor(Date.now() / 1_000) + 3_600
  const signed = `${encode({ alg, kid })}.${encode({ sub: 'ann', exp })}`
  const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return { jwk, token: `${signed}.${signature.toString('base64url')}` }
}

/** A provider whose answer is what `answer` does at the moment. */
async function provider() {
  const state = { asked: 0, keys: [], answer: undefined }
  const server = createServer((request, response) => {
    if (request.url !== '/keys?api=hush') return response.end(JSON.stringify({ keys: state.stolen ?? [] }))
    state.asked += 1
    if (state.answer !== undefined) return state.answer(response)
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ keys: state.keys }))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { state, url: `http://127.0.0.1:${server.address().port}/keys?api=hush`, close: () => server.closeAllConnections() ?? server.close() }
}

for (const [name, command] of Object.entries(RUNTIMES)) {
  test(`on ${name} the keys of a provider are fetched, and new ones when a token names them`, { skip: !command && `there is no ${name} for this system` }, async () => {
    const [first, second, third] = ['first', 'second', 'third'].map((kid) => newKey(kid))
    const { state, url, close } = await provider()
    state.answer = (response) => response.writeHead(500).end()
    const [program, ...words] = command
    const child = spawn(program, [...words, fixture], { env: { ...process.env, JWKS_URL: url }, stdio: ['pipe', 'pipe', 'inherit'] })
    try {
      const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
      const port = (await lines.next()).value
      /** Lets so many seconds pass, and says what was logged until then. */
      const pass = async (seconds) => {
        child.stdin.write(`${seconds * 1_000}\n`)
        return JSON.parse((await lines.next()).value)
      }
      /** The status of an upgrade with this token. */
      const status = async ({ token }) => {
        const socket = new WebSocket(`ws://127.0.0.1:${port}/?token=${token}`)
        socket.on('error', () => {})
        const opened = once(socket, 'open').then(() => 101)
        const refused = once(socket, 'unexpected-response').then(([, response]) => response.statusCode)
        // Of the two that does not come, `once` is told with the end of the socket.
        const status = await Promise.any([opened, refused])
        socket.terminate()
        return status
      }
      const ready = async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).status
      const failed = /^the keys of tokens could not be fetched from http:\/\/127\.0\.0\.1:\d+\/keys: /

      // Down at the start: the relay runs, and is not ready.
      assert.equal(await ready(), 503)
      assert.equal(await status(first), 503)
      state.answer = undefined
      state.keys = [first.jwk]
      const told = await pass(61)
      assert(told.some((text) => text.includes('set token_issuer')), told.join('\n'))
      assert(told.some((text) => failed.test(text) && text.endsWith('it answers with 500; every token is refused until they are')), told.join('\n'))
      assert.equal(await status(first), 101)
      assert.equal(await ready(), 200)

      // Another key: not asked for at once, and then once for all.
      state.keys = [second.jwk]
      const before = state.asked
      assert.equal(await status(second), 401)
      assert.equal(state.asked, before)
      await pass(11)
      const many = await Promise.all([second, second, second, third, second, second].map(status))
      assert.deepEqual(many, [101, 101, 101, 401, 101, 101])
      assert.equal(state.asked, before + 1)
      assert.equal(await status(first), 401)

      // One that the runtime cannot use does not keep out those of another of its name.
      const fourth = newKey('fourth', 'ES256')
      state.keys = [second.jwk, { ...fourth.jwk, x: fourth.jwk.y }, fourth.jwk]
      await pass(61)
      assert.equal(await status(fourth), 101)

      // Whatever goes wrong from then on, those fetched last stay in use.
      state.stolen = [third.jwk]
      for (const [answer, says] of [
        [(response) => response.writeHead(302, { location: '/stolen' }).end(), 'a redirect'],
        [(response) => response.end(JSON.stringify({ keys: [third.jwk], padding: 'x'.repeat(300_000) })), 'longer than 256 KiB'],
        [(response) => response.end(Buffer.from([0x7b, 0xff, 0x7d])), 'not text'],
        [(response) => response.end('<html>please log in</html>'), 'cannot be used'],
        [(response) => response.destroy(), 'there is no answer'],
      ]) {
        state.answer = answer
        await pass(61)
        assert.equal(await status(third), 401, says)
        assert.equal(await status(second), 101, says)
        const told = (await pass(0)).filter((text) => failed.test(text))
        assert(told.length > 0 && told.every((text) => text.includes(says) && text.endsWith('; those fetched last stay in use')), `${says}: ${told.join('\n')}`)
        assert(!told.some((text) => text.includes('hush')), told.join('\n'))
      }
    } finally {
      child.kill('SIGKILL')
      close()
    }
  })
}


test('a relay that is made where there are no timers yet sets them later', () => {
  const set = globalThis.setTimeout
  const timers = []
  try {
    // As a Worker that starts.
    globalThis.setTimeout = () => {
      throw new Error('not here')
    }
    const relay = new Relay({ token_jwks_url: 'http://127.0.0.1:9/keys', token_topics_default: '*' }, { log: () => {} })
    globalThis.setTimeout = (...timer) => timers.push(timer)
    relay.request({ method: 'GET', target: '/healthz', remote: '127.0.0.1', header: () => undefined })
    assert.equal(timers.length, 1)
  } finally {
    globalThis.setTimeout = set
  }
})

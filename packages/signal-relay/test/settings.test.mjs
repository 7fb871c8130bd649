import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { runInNewContext } from 'node:vm'

import express from 'express'

import { describeSettings, Relay, SettingsError } from '../dist/index.js'
import { attach, serve } from '../dist/node.js'

const here = (path) => new URL(path, import.meta.url)
const command = (words, environment = {}) => {
  const env = { PATH: process.env.PATH, ...environment }
  return spawnSync(process.execPath, [here('../dist/cli.js').pathname, ...words], { encoding: 'utf8', env, timeout: 120_000 })
}

test('the types name every setting there is, and no other', () => {
  const types = readFileSync(here('../src/settings.ts'), 'utf8')
  const typed = [...types.matchAll(/^ {2}readonly ([a-z_]+)\?:/gm)].map(([, name]) => name)
  const known = describeSettings().map(({ name }) => name)
  assert.deepEqual(typed.sort(), known.sort(), 'a new limit of the core goes into src/settings.ts, too')
})

test('a setting that cannot be used is an error that names it', () => {
  for (const [settings, message] of [
    [{ peers_max: 'many' }, 'peers_max is "many", which is not a whole number'],
    [{ peer_max: 3 }, 'there is no setting "peer_max"; is it peers_max?'],
    [{ origins: null }, 'origins is null; leave it out to go without'],
    [{ origins: [] }, /^origins is empty; /],
    [{ token_keys: () => {} }, 'token_keys is a function; leave it out to go without'],
    [{ token_keys: { kty: 'secret' } }, /^token_keys cannot be used: (?!.*secret)/],
    [{ message_bytes_max: '2MiB' }, /outbound_bytes_max .* because of message_bytes_max/],
  ]) {
    assert.throws(() => new Relay(settings), (error) => {
      assert(error instanceof SettingsError)
      if (typeof message === 'string') assert.equal(error.message, message)
      else assert.match(error.message, message)
      return true
    })
  }
})

const KEY = { kty: 'oct', alg: 'HS256', k: 'dGhpcyBrZXkgaXMgZm9yIHRlc3RzIGFuZCBkb2NzIG9ubHk' }
const GUARDS = ['origins', 'token_keys', 'token_jwks_url', 'token_audience', 'token_issuer', 'token_topics_claim', 'token_topics_default', 'token_in', 'trusted_proxies']

test('what keeps somebody out and says nothing that can be used is an error, whatever it is', () => {
  const empty = ['', ' ', ',', ' , ', [], [''], [' ', '']]
  const wrong = [undefined, null, {}, { 0: 'https://app.example' }, 0, 1, true, false, NaN, 10n, Symbol('a'), () => {}, [1], [null], [undefined], [['https://app.example']], [{}], new Date(0), new Map()]
  for (const name of GUARDS) {
    // Of these a comma is a name as good as another.
    const isName = ['token_audience', 'token_issuer', 'token_topics_claim'].includes(name)
    for (const value of [...empty, ...wrong]) {
      if (isName && typeof value === 'string' && value.includes(',')) continue
      const settings = ['token_keys', 'token_jwks_url'].includes(name) || !name.startsWith('token_') ? { [name]: value } : { token_keys: KEY, [name]: value }
      assert.throws(() => new Relay(settings), SettingsError, `${name}: ${typeof value} ${JSON.stringify(value, (_, value) => (typeof value === 'bigint' ? 'n' : value))}`)
    }
  }
  assert.throws(() => new Relay({ token_keys: process.env.NO_SUCH_VARIABLE }), {
    name: 'SettingsError',
    message: 'token_keys is undefined, which would let in those whom it is to keep out; leave it out to go without',
  })
})

test('a name that is nearly that of a guard is an error', () => {
  for (const name of ['origin', 'Origins', 'allowed_origins', 'tokens', 'token', 'tokenKeys', 'token_key', 'tokenIssuer', 'token_issuers', 'jwks_url', 'token_jwk_url', 'tokenJwksUrl', 'trustedProxies', 'trusted_proxy']) {
    for (const value of ['https://app.example', '', false, KEY]) {
      assert.throws(() => new Relay({ [name]: value }), new RegExp(`^SettingsError: there is no setting "${name}"`))
    }
  }
})

test('an authorizer that is there and is none lets nobody in', () => {
  for (const authorize of [undefined, null, '', 0, false, {}, [], 'authorize', Promise.resolve()]) {
    assert.throws(() => new Relay({}, { authorize }), SettingsError, String(authorize))
  }
  assert.throws(() => new Relay({}, { Authorize: () => {} }), SettingsError)
})

test('a limit that cannot be used is an error, and one that is undefined is the default', () => {
  for (const value of ['', ' ', [], {}, [1, 2], null, NaN, Infinity, -1, 'x', () => {}]) {
    assert.throws(() => new Relay({ peers_max: value }), SettingsError, String(value))
    assert.throws(() => new Relay({ limit_private_ips: value }), SettingsError, String(value))
  }
  assert.equal(new Relay({ peers_max: undefined }).limits.peers_max, 10_000)
})

test('an option that no host has, one of another host, and a setting in the wrong place are errors', () => {
  const authorize = () => ({ topics: ['*'] })
  for (const [settings, options, message] of [
    [{}, { authorise: authorize }, 'there is no option "authorise"; is it authorize?'],
    [{}, { colour: 'red' }, 'there is no option "colour"'],
    [{}, { port: 4457 }, 'port is an option of serve, and of nothing else'],
    [{}, { path: '/signal' }, 'path is an option of attach on Node, and of nothing else'],
    [{}, { origins: ['https://app.example'] }, 'origins is a setting, not an option: give it in the argument before'],
    [{ port: 4457 }, {}, 'port is an option, not a setting: give it in the argument after the settings'],
    [{ authorize }, {}, 'authorize is an option, not a setting: give it in the argument after the settings'],
    [{ constructor: 1 }, {}, 'there is no setting "constructor"'],
  ]) {
    assert.throws(() => new Relay(settings, options), new SettingsError(message))
  }
})

test('what has no members to read is not taken for settings, which would let everybody in', async () => {
  class Getters {
    get origins() {
      return ['https://app.example']
    }
  }
  const wrong = [Promise.resolve({ origins: [] }), new Map([['origins', 'https://app.example']]), new Getters(), Object.create({ origins: [] }), () => {}, null, 'x', 5, []]
  for (const given of wrong) {
    assert.throws(() => new Relay(given), (error) => error instanceof SettingsError && /^settings are /.test(error.message))
    assert.throws(() => new Relay({}, given), (error) => error instanceof SettingsError && /^options are /.test(error.message))
    assert.throws(() => attach(createServer(), {}, given), SettingsError)
    await assert.rejects(serve({}, given), SettingsError)
  }
  assert.throws(() => new Relay(Promise.resolve({})), new SettingsError('settings are a Promise, not an object with names and values; await it'))
  assert.equal(new Relay(Object.assign(Object.create(null), { peers_max: 7 })).limits.peers_max, 7)
  assert.equal(new Relay(runInNewContext('({ peers_max: 7 })')).limits.peers_max, 7)
})

test('where to listen is judged before anybody listens', async () => {
  for (const options of [{ port: 'abc' }, { port: -1 }, { port: 65_536 }, { port: 1.5 }, { port: NaN }, { port: '' }, { port: '4444 ' }, { port: null }, { port: [4444] }, { host: '' }, { host: 5 }, { host: null }, { signals: 'no' }, { signals: 0 }]) {
    const [name] = Object.keys(options)
    await assert.rejects(serve({}, options), (error) => error instanceof SettingsError && error.message.startsWith(`${name} is `))
  }
  for (const path of ['signal', '', '/a?b', '/a#b', [], ['/a', 5], null, 5, {}]) {
    assert.throws(() => attach(createServer(), {}, { path }), (error) => error instanceof SettingsError && error.message.startsWith('path is '))
  }
  for (const server of [undefined, null, {}, () => {}, express()]) {
    assert.throws(() => attach(server), new SettingsError('attach needs the http.Server: what app.listen() returns of Express, app.server of Fastify'))
  }
})

test('settings have the forms of signal serve', () => {
  const { limits } = new Relay({ peers_max: 5, close_hold: 0.5, message_bytes_max: '2KiB', ping_interval: '1m', limit_private_ips: true })
  assert.equal(limits.peers_max, 5)
  assert.equal(limits.close_hold, 500)
  assert.equal(limits.message_bytes_max, 2_048)
  assert.equal(limits.ping_interval, 60_000)
  assert.equal(limits.limit_private_ips, 1)
})

test('the command refuses what it cannot use, with status 2', () => {
  for (const [words, environment, message] of [
    [['--peer-max', '3'], {}, 'there is no option --peer-max; is it --peers-max?'],
    [['--colour'], {}, 'there is no option --colour; --help lists them'],
    [['-p', '4444'], {}, 'there is no option -p; is it --port 4444?'],
    [['-c', '4444'], {}, 'there is no option -c; --help lists them'],
    [['--host', '0.0.0.0'], {}, 'there is no option --host; is it --listen 0.0.0.0:4444?'],
    [['serve', '--port', '4444'], {}, 'there is no option serve; leave it out, as this command does nothing else'],
    [['4444'], {}, 'there is no option 4444; is it --port 4444?'],
    [['--limit-private-ips', 'maybe'], {}, /^signal-relay: limit_private_ips is "maybe"/],
    [['--constructor', '3'], {}, 'there is no option --constructor; --help lists them'],
    [['--peers-max'], {}, '--peers-max needs a value'],
    [['--peers-max', '--port', '0'], {}, '--peers-max needs a value'],
    [['--peers-max', '3', '--peers-max', '4'], {}, '--peers-max is given twice; a list has commas: --peers-max A,B'],
    [['--peers-max', 'many'], {}, 'peers_max is "many", which is not a whole number'],
    [[], { SIGNAL_PEER_MAX: '3' }, 'SIGNAL_PEER_MAX is not a variable of this relay; is it SIGNAL_PEERS_MAX?'],
    [[], { SIGNAL_PORT: '3' }, 'SIGNAL_PORT is not a variable of this relay; PORT is, and SIGNAL_LISTEN'],
    [[], { SIGNAL_ORIGINS: '' }, /^signal-relay: origins is empty; /],
    [[], { SIGNAL_TOKEN_KEY_FILE: '' }, /^signal-relay: SIGNAL_TOKEN_KEY_FILE is empty; /],
    [['--port', '99999'], {}, '--port is "99999", which is not a port; write 4444'],
    [[], { PORT: 'http' }, 'PORT is "http", which is not a port; write 4444'],
    [['--listen', '::1:4444'], {}, '--listen is "::1:4444", which is not a port, nor an address with one; write localhost:4444'],
    [['--listen', '0.0.0.0'], {}, '--listen is "0.0.0.0", which is not a port, nor an address with one; write 0.0.0.0:4444'],
    [['--token-key-file', '/no/such'], {}, /--token-key-file cannot be read: /],
    [['--port', '1', '--listen', '2'], {}, /both given/],
  ]) {
    const { status, stderr } = command(words, environment)
    assert.equal(status, 2, `${words} ${stderr}`)
    if (typeof message === 'string') assert.equal(stderr, `signal-relay: ${message}\n`)
    else assert.match(stderr, message)
  }
})

test('the command passes over what is empty, and what Kubernetes sets for a service', async () => {
  const folder = mkdtempSync(`${tmpdir()}/signal-relay-`)
  try {
    const jwk = JSON.stringify({ kty: 'oct', alg: 'HS256', k: 'dGhpcyBrZXkgaXMgZm9yIHRlc3RzIGFuZCBkb2NzIG9ubHk' })
    // As editors on Windows write it. What comes after the keys fails, so that nothing is served.
    writeFileSync(`${folder}/keys`, Buffer.from(`\ufeff${jwk}`, 'utf16le'))
    const environment = {
      SIGNAL_PEERS_MAX: '',
      SIGNAL_SERVICE_HOST: '10.0.0.1',
      SIGNAL_PORT: 'tcp://10.0.0.1:4444',
      SIGNAL_PORT_4444_TCP_ADDR: '10.0.0.1',
      SIGNAL_SERVICE_PORT_WS: '4444',
      SIGNAL_TOKEN_KEY_FILE: `${folder}/keys`,
    }
    const { status, stderr } = command(['--listen', '192.0.2.1:0'], environment)
    assert.match(stderr, /^signal-relay: no network interface of this machine has the address 192\.0\.2\.1/)
    assert.equal(status, 1)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('the help lists every setting but the one with secrets', () => {
  const { stdout, status } = command(['--help'])
  assert.equal(status, 0)
  for (const { name } of describeSettings()) {
    assert.equal(stdout.includes(`--${name.replaceAll('_', '-')} `), name !== 'token_keys', name)
  }
})

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { describeSettings, Relay, SettingsError } from '../dist/index.js'

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

test('an option that no host has and a setting in the wrong place are errors', () => {
  assert.throws(() => new Relay({}, { authorise: () => ({ topics: ['*'] }) }), new SettingsError('there is no option "authorise"'))
  assert.throws(() => new Relay({}, { prot: 4457 }), new SettingsError('there is no option "prot"'))
  const misplaced = new SettingsError('port is an option, not a setting: give it in the second argument')
  assert.throws(() => new Relay({ port: 4457 }), misplaced)
})

test('settings have the forms of signal serve', () => {
  const { limits } = new Relay({ peers_max: 5, close_hold: 0.5, message_bytes_max: '2KiB', ping_interval: '1m', limit_private_ips: true, origins: undefined })
  assert.equal(limits.peers_max, 5)
  assert.equal(limits.close_hold, 500)
  assert.equal(limits.message_bytes_max, 2_048)
  assert.equal(limits.ping_interval, 60_000)
  assert.equal(limits.limit_private_ips, 1)
})

test('the command refuses what it cannot use, with status 2', () => {
  for (const [words, environment, message] of [
    [['--peer-max', '3'], {}, 'there is no option --peer-max; --help lists them'],
    [['--peers-max'], {}, '--peers-max needs a value'],
    [['--peers-max', 'many'], {}, 'peers_max is "many", which is not a whole number'],
    [[], { SIGNAL_PEER_MAX: '3' }, 'SIGNAL_PEER_MAX is not a variable of this relay; --help lists them'],
    [[], { SIGNAL_ORIGINS: '' }, /^signal-relay: origins is empty; /],
    [['--port', '99999'], {}, '--port is "99999", which is not an address with a port; write 127.0.0.1:4444'],
    [['--token-key-file', '/no/such'], {}, /--token-key-file cannot be read: /],
    [['--port', '1', '--listen', '2'], {}, /both given/],
  ]) {
    const { status, stderr } = command(words, environment)
    assert.equal(status, 2, `${words} ${stderr}`)
    if (typeof message === 'string') assert.equal(stderr, `signal-relay: ${message}\n`)
    else assert.match(stderr, message)
  }
})

test('the help lists every setting but the one with secrets', () => {
  const { stdout, status } = command(['--help'])
  assert.equal(status, 0)
  for (const { name } of describeSettings()) {
    assert.equal(stdout.includes(`--${name.replaceAll('_', '-')} `), name !== 'token_keys', name)
  }
})

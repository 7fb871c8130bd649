// On Deno Deploy, which this machine only looks like: a variable of the environment is how a program knows.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { RUNTIMES } from '../fixtures/runtimes.mjs'

const fixture = fileURLToPath(new URL('../fixtures/deploy.mjs', import.meta.url))
const skip = !RUNTIMES.deno && 'there is no deno for this system'

function relay(environment, settings = {}) {
  const [program, ...words] = RUNTIMES.deno
  const env = { ...process.env, DENO_DEPLOY: undefined, DENO_DEPLOYMENT_ID: undefined, ...environment }
  const { stdout, stderr } = spawnSync(program, [...words, fixture, JSON.stringify(settings)], { env, encoding: 'utf8' })
  assert.equal(stderr, '')
  return JSON.parse(stdout)
}

test('on Deploy a relay says at start that it has to be the only instance', { skip }, () => {
  for (const environment of [{ DENO_DEPLOY: '1' }, { DENO_DEPLOYMENT_ID: 'a1b2c3' }]) {
    const { told } = relay(environment)
    assert.equal(told.length, 1)
    assert.match(told[0], /^warn: Deno Deploy may run several instances, which share nothing: .* Run this relay where there is one instance\.$/)
  }
  assert.deepEqual(relay({}).told, [])
})

test('on Deploy a drain takes less than the five seconds after which an instance is ended', { skip }, () => {
  const { drain_seconds, close_timeout } = relay({ DENO_DEPLOY: '1' })
  // Half a second for the closes themselves, one for connections that nobody answers on.
  assert(drain_seconds * 1_000 + close_timeout + 500 + 1_000 < 5_000)
  assert.equal(relay({ DENO_DEPLOY: '1' }, { drain_seconds: 4 }).drain_seconds, 4)
})

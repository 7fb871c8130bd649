// Who reads is not ended, however much comes at once; who does not is, and does not take the memory of all.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'

import WebSocket from 'ws'

import { running, RUNTIMES } from '../fixtures/runtimes.mjs'

const FILLER = 'x'.repeat(60_000)
/** Each says at once what it may. */
const MESSAGES = 12
const publish = (topic, data) => JSON.stringify({ type: 'publish', topic, data })

async function open(url) {
  const socket = new WebSocket(url)
  socket.on('error', () => {})
  await once(socket, 'open')
  return socket
}

/** A member of a room that is there. */
async function member(url, topic) {
  const socket = await open(url)
  socket.send(JSON.stringify({ type: 'subscribe', topics: [topic] }))
  socket.send('{"type":"ping"}')
  await once(socket, 'message')
  return socket
}

async function stopped(url, topic) {
  const socket = await member(url, topic)
  socket._socket.pause()
  return socket
}

/** Resolves with the code if it is closed first. */
function hears(socket, count) {
  return new Promise((resolve) => {
    let heard = 0
    socket.on('message', () => {
      heard += 1
      if (heard === count) resolve(heard)
    })
    socket.once('close', (code) => resolve(`closed with ${code} after ${heard}`))
  })
}

/** What the relay counts, as it is told. */
function counted(lines) {
  const seen = { last: undefined, most: 0 }
  lines.on('line', (line) => {
    seen.last = JSON.parse(line)
    seen.most = Math.max(seen.most, seen.last.queued)
  })
  return seen
}

for (const [name, command] of Object.entries(RUNTIMES)) {
  const skip = !command && `there is no ${name} for this system`

  for (const readers of [1, 3]) {
    test(`on ${name} forty bursts at once reach ${readers} who read`, { skip }, async () => {
      // This machine may be busy with other things than reading.
      const settings = JSON.stringify({ outbound_grace: '60s' })
      await running(command, 'readers.mjs', settings, async (url) => {
        const count = 40 * MESSAGES
        const heard = []
        for (let reader = 0; reader < readers; reader += 1) heard.push(hears(await member(url, 'garden'), count))
        const publishers = await Promise.all(Array.from({ length: 40 }, () => open(url)))
        for (const publisher of publishers) {
          for (let message = 0; message < MESSAGES; message += 1) publisher.send(publish('garden', FILLER))
        }
        assert.deepEqual(await Promise.all(heard), Array(readers).fill(count))
      })
    })
  }

  test(`on ${name} one who has stopped reading is ended, and a pair beside it goes on`, { skip }, async () => {
    const large = { bytes_per_second: '1GiB', bytes_burst: '1GiB', fan_out_bytes_per_second: '1GiB', fan_out_bytes_burst: '1GiB' }
    const settings = { ...large, outbound_bytes_max: '256KiB', outbound_grace: '50ms', messages_per_second: 100_000, messages_burst: 100_000 }
    await running(command, 'readers.mjs', JSON.stringify(settings), async (url, lines) => {
      const seen = counted(lines)
      const [ann, bob] = [await member(url, 'garden'), await member(url, 'garden')]
      const deaf = await stopped(url, 'garden')
      const start = performance.now()
      while (seen.last?.closes.slow_consumer !== 1) {
        assert(performance.now() - start < 60_000, 'the deaf one is still there')
        const both = [ann, bob].map((one) => once(one, 'message'))
        ann.send(publish('garden', FILLER))
        await Promise.all(both)
      }
      const last = once(bob, 'message')
      ann.send(publish('garden', 'last'))
      const [text] = await last
      assert.equal(JSON.parse(text).clients, 2)
      assert.equal(Object.values(seen.last.closes).reduce((sum, count) => sum + count), 1)
      deaf.terminate()
    })
  })

  test(`on ${name} many who have stopped reading do not take more than memory_max`, { skip }, async () => {
    const large = { bytes_per_second: '1GiB', bytes_burst: '1GiB', fan_out_bytes_per_second: '100GiB', fan_out_bytes_burst: '100GiB' }
    // They are not ended for their pace.
    const settings = { ...large, outbound_grace: '60s', memory_max: '8MiB', messages_per_second: 100_000, messages_burst: 100_000 }
    await running(command, 'readers.mjs', JSON.stringify(settings), async (url, lines) => {
      const seen = counted(lines)
      const [ann, bob] = [await member(url, 'garden'), await member(url, 'house')]
      const deaf = []
      for (let count = 0; count < 60; count += 1) deaf.push(await stopped(url, 'garden'))
      const start = performance.now()
      while (!(seen.last?.closes.memory_max >= 20)) {
        assert(performance.now() - start < 120_000, `nobody is ended: ${JSON.stringify(seen.last)}`)
        const echo = once(ann, 'message')
        ann.send(publish('garden', FILLER))
        await echo
      }
      assert(seen.most < 16 * 1024 * 1024, `${seen.most} bytes waited`)
      const echo = once(bob, 'message')
      bob.send(publish('house', 'still here'))
      assert.equal(JSON.parse((await echo)[0]).clients, 1)
      for (const one of deaf) one.terminate()
    })
  })
}

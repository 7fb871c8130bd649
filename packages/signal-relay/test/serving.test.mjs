// Where each host listens, and how it ends.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { networkInterfaces } from 'node:os'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import WebSocket from 'ws'

import { RUNTIMES } from '../fixtures/runtimes.mjs'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const UPGRADE =
  'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'
const hasIpv6 = Object.values(networkInterfaces()).flat().some(({ address }) => address === '::1')

async function serving(command, words, act) {
  const [program, ...before] = command
  const child = spawn(program, [...before, here('../fixtures/serving.mjs'), ...words], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  try {
    const [line] = await once(createInterface(child.stdout), 'line')
    await act(JSON.parse(line), child, ended)
  } finally {
    child.kill('SIGKILL')
  }
}

async function client(url) {
  const socket = new WebSocket(url)
  socket.on('error', () => {})
  await once(socket, 'open')
  return socket
}

/** What a client is told: it subscribes, publishes, and asks for a pong. */
async function told(socket) {
  const messages = []
  const done = new Promise((resolve) => {
    socket.on('message', (text) => {
      messages.push(JSON.parse(text))
      if (messages.at(-1).type === 'pong') resolve()
    })
  })
  socket.send('{"type":"subscribe","topics":["garden"]}')
  socket.send('{"type":"publish","topic":"garden","data":1}')
  socket.send('{"type":"ping"}')
  await done
  return messages
}

for (const [name, command] of Object.entries(RUNTIMES)) {
  const skip = !command && `there is no ${name} for this system`

  test(`on ${name} localhost is both addresses, a port that is taken is said, and all relays drain on a signal`, { skip }, async () => {
    await serving(command, ['1'], async ({ busy, taken, nowhere, shared }, child, ended) => {
      assert.deepEqual(taken, {
        name: 'ListenError',
        code: 'EADDRINUSE',
        message: `127.0.0.1:${busy} is taken: end the program that listens there, or choose another port; 0 takes a free one`,
      })
      assert.equal(nowhere.name, 'ListenError')
      assert.match(nowhere.message, /192\.0\.2\.1/)
      if (shared !== undefined) {
        // Two relays on one server of Bun, whose peers have the same numbers.
        const [one, other] = [await client(`ws://127.0.0.1:${shared}/one`), await client(`ws://127.0.0.1:${shared}/other`)]
        for (const socket of [one, other]) {
          const messages = await told(socket)
          assert.deepEqual(messages.map(({ type, clients }) => [type, clients]), [['publish', 1], ['pong', undefined]])
          socket.terminate()
        }
      }
      const hosts = hasIpv6 ? ['127.0.0.1', '[::1]', 'localhost'] : ['127.0.0.1', 'localhost']
      const all = await Promise.all(hosts.map((host) => client(`ws://${host}:${busy}`)))
      const closed = all.map((socket) => once(socket, 'close'))
      // The other relay has nobody, and is at its end at once.
      child.kill('SIGTERM')
      for (const close of closed) assert.equal((await close)[0], 1012)
      assert.deepEqual(await ended, [0, null])
    })
  })

  test(`on ${name} clients that are gone before they are answered leave no place taken`, { skip }, async () => {
    await serving(command, [], async ({ busy }) => {
      for (let count = 0; count < 300; count += 1) {
        const socket = connectTcp(busy, '127.0.0.1')
        socket.on('error', () => {})
        socket.write(UPGRADE)
        await new Promise((resolve) => setTimeout(resolve, 1))
        socket.resetAndDestroy()
      }
      const start = performance.now()
      while ((await (await fetch(`http://127.0.0.1:${busy}/healthz`)).json()).peers > 0) {
        assert(performance.now() - start < 60_000, 'places are taken for a minute')
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    })
  })

  test(`on ${name} a second signal ends it at once`, { skip }, async () => {
    await serving(command, ['3600'], async ({ busy }, child, ended) => {
      const peers = await Promise.all(Array.from({ length: 3 }, () => client(`ws://127.0.0.1:${busy}`)))
      child.kill('SIGINT')
      const start = performance.now()
      while ((await fetch(`http://127.0.0.1:${busy}/readyz`)).status !== 503) {
        assert(performance.now() - start < 60_000, 'it does not drain')
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      child.kill('SIGINT')
      assert.deepEqual(await ended, [130, null])
      peers.forEach((socket) => socket.terminate())
    })
  })
}

// What each host does by itself with an answer that comes later.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import WebSocket from 'ws'

import { RUNTIMES } from '../fixtures/runtimes.mjs'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
for (const [name, command] of Object.entries(RUNTIMES)) {
  test(`on ${name} an authorizer that answers later lets in, refuses, fails and is late`, { skip: !command && `there is no ${name} for this system` }, async () => {
    const [program, ...words] = command
    const child = spawn(program, [...words, here('../fixtures/authorizer.mjs')], { stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      const [port] = await once(createInterface(child.stdout), 'line')
      const url = `ws://127.0.0.1:${port}`
      const headers = (cookie, origin = 'https://app.example') => ({ headers: { cookie, origin } })
      const refused = async (path, cookie, origin) => {
        const socket = new WebSocket(url + path, ['chat'], headers(cookie, origin))
        socket.on('error', () => {})
        const [, response] = await once(socket, 'unexpected-response')
        let body = ''
        for await (const part of response) body += part
        return [response.statusCode, body]
      }
      assert.deepEqual(await refused('/', 'session=eve'), [401, 'please log in'])
      assert.equal((await refused('/', 'session=ann', 'https://evil.example'))[0], 403)
      assert.deepEqual(await refused('/broken', 'session=ann'), [500, 'your access could not be checked'])
      assert.deepEqual(await refused('/slow', 'session=ann'), [503, 'your access could not be checked in time'])
      assert.deepEqual(await refused('/raw', 'session=ann'), [418, 'object, 2 errors'])

      const ann = new WebSocket(url, ['chat'], headers('session=ann'))
      await once(ann, 'open')
      assert.equal(ann.protocol, 'chat')
      assert.equal((await refused('/', 'session=ann'))[0], 429)
      ann.send('{"type":"subscribe","topics":["garden","house"]}')
      ann.send('{"type":"publish","topic":"house","data":1}')
      ann.send('{"type":"publish","topic":"garden","data":2}')
      const [text] = await once(ann, 'message')
      assert.deepEqual(JSON.parse(text), { type: 'publish', topic: 'garden', data: 2, clients: 1 })
      ann.terminate()

      // Whoever goes away while it is judged leaves no place taken.
      for (let round = 0; round < 5; round += 1) {
        const gone = new WebSocket(`${url}/slow`, headers('session=ann'))
        gone.on('error', () => {})
        setTimeout(() => gone.terminate(), 20)
        await new Promise((resolve) => gone.once('close', resolve))
      }
      const peers = async () => (await (await fetch(`${url.replace('ws:', 'http:')}/healthz`)).json()).peers
      const start = performance.now()
      while ((await peers()) > 0) {
        assert(performance.now() - start < 60_000, 'places are taken for a minute')
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    } finally {
      child.kill('SIGKILL')
    }
  })
}

// The page at the admin address shows what the relay does, in a real browser.

import { mkdirSync } from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import WebSocket from 'ws'
import { openBrowser, PATIENCE } from './lib/browser.js'
import { assert, assertEqual, check, onFinish, run, until, untilEqual } from './lib/checks.js'
import { relayFromArguments } from './lib/relay.js'

const { relay, options } = relayFromArguments({
  // Where the command serves its admin address, such as http://127.0.0.1:9444.
  admin: { type: 'string' },
  chromium: { type: 'string', default: '/usr/bin/chromium' },
  // Where pictures of the page are put, to look at; none without it.
  screenshots: { type: 'string' },
  // How many seconds of traffic there are before the pictures are taken.
  seconds: { type: 'string', default: '0' },
})

await run(async () => {
  await relay.start()
  const browser = await openBrowser(options.chromium)
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 } })
  const page = await context.newPage()
  page.setDefaultTimeout(PATIENCE)
  const problems = []
  const asked = new Set()
  page.on('pageerror', (error) => problems.push(error.message))
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()))
  page.on('request', (request) => asked.add(request.url()))
  await page.goto(options.admin)

  const text = (selector) => page.locator(selector).innerText()
  const number = async (key) => Number.parseFloat((await text(`#tile-${key} .value`)).replaceAll(',', ''))
  const rows = async (id) => {
    const cells = (row) => row.locator('td').allInnerTexts()
    return new Map(await Promise.all((await page.locator(`#${id} tbody tr`).all()).map(cells)))
  }
  const shows = (key, wanted) =>
    until(async () => wanted(await number(key)), async () => `the tile ${key}, which says ${await text(`#tile-${key}`)}`)

  await check('the page says that the relay serves, and that nobody is there', async () => {
    await until(async () => (await text('#state')) === 'serving', async () => `the state, which is ${await text('#state')}`)
    await shows('peers', (peers) => peers === 0)
    await untilEqual(async () => [...(await rows('counts-refusals')).keys()], ['none yet'], 'refusals')
  })
  await check('every limit in force is shown', async () => {
    const limits = async () => {
      const shown = await rows('limits')
      return [shown.get('message_bytes_max'), shown.get('ping_interval')]
    }
    await untilEqual(limits, ['64KiB', '30s'], 'limits')
  })
  const peers = await Promise.all(Array.from({ length: 12 }, connect))
  onFinish(() => peers.forEach((peer) => peer.terminate()))
  const traffic = setInterval(() => peers.forEach(publish), 100)
  onFinish(() => clearInterval(traffic))
  await check('peers, topics and rates move with the traffic', async () => {
    await shows('peers', (count) => count === peers.length)
    await shows('topics', (count) => count === 3)
    await shows('messages', (rate) => rate > 50)
    await shows('deliveries', (rate) => rate > 200)
    await until(async () => ((await page.locator('#tile-deliveries .line').getAttribute('d')) ?? '').includes('L'), 'a plot of deliveries')
  })
  await check('what is refused and what has no effect is counted by cause', async () => {
    await refusedUpgrade()
    peers[0].send('no JSON')
    await until(async () => (await rows('counts-refusals')).get('bad_request') === '1', 'the refused upgrade')
    await until(async () => (await rows('counts-ignored')).get('not_json') === '1', 'the message that is not JSON')
  })
  await check('the page asks this address alone, and a script that gets into it does not run', async () => {
    const foreign = [...asked].filter((url) => !url.startsWith(options.admin))
    assertEqual(foreign, [], 'requests elsewhere')
    assertEqual(problems, [], 'errors')
    const ran = await page.evaluate(() => {
      const script = document.createElement('script')
      script.textContent = 'window.ran = true'
      document.body.append(script)
      return window.ran === true
    })
    assert(!ran, 'a script without the right hash has run')
    problems.length = 0
  })
  await takeScreenshots(page)
  await check('the page says so when the relay does not answer any more', async () => {
    await relay.kill()
    await until(async () => (await text('#state')).startsWith('no answer'), async () => `"no answer", not ${await text('#state')}`)
  })
}, { seconds: 600 + Number(options.seconds) })

async function connect(_, place) {
  const socket = new WebSocket(relay.url)
  socket.on('error', () => {})
  await until(() => socket.readyState === WebSocket.OPEN, 'a connection')
  socket.topic = `room-${place % 3}`
  socket.send(JSON.stringify({ type: 'subscribe', topics: [socket.topic] }))
  return socket
}

function publish(socket) {
  socket.send(JSON.stringify({ type: 'publish', topic: socket.topic, data: 'x'.repeat(Math.random() * 800) }))
}

/** Asks for an upgrade of a version that nobody speaks. */
function refusedUpgrade() {
  const headers = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '8' }
  return new Promise((resolve, reject) => {
    const request = http.get(relay.url.replace('ws:', 'http:'), { headers }, (answer) => resolve(answer.resume()))
    request.once('error', reject)
  })
}

async function takeScreenshots(page) {
  if (!options.screenshots) return
  mkdirSync(options.screenshots, { recursive: true })
  await page.waitForTimeout(Number(options.seconds) * 1000)
  const shoot = (name) => page.screenshot({ path: path.join(options.screenshots, `${name}.png`), fullPage: true })
  await page.emulateMedia({ colorScheme: 'light' })
  await shoot('status-light')
  await page.emulateMedia({ colorScheme: 'dark' })
  await shoot('status-dark')
  await page.setViewportSize({ width: 390, height: 844 })
  await shoot('status-phone')
}

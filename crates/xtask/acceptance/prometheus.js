// A real Prometheus scrapes a relay under load; every panel of the dashboard has data, and every alert can be judged.

import { execFileSync, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import https from 'node:https'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import WebSocket from 'ws'
import { assert, assertEqual, check, onFinish, run, until } from './lib/checks.js'
import { relayFromArguments } from './lib/relay.js'

const EXAMPLE = fileURLToPath(new URL('../../../examples/prometheus', import.meta.url))
const PARSE = `
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
print(sum(len(family.samples) for family in parse(sys.stdin.read())))
`

const { relay, options } = relayFromArguments({
  // Where the command serves its admin address, such as http://127.0.0.1:9444.
  admin: { type: 'string' },
  prometheus: { type: 'string', default: 'prometheus' },
  promtool: { type: 'string', default: 'promtool' },
  // A Python that has the official parser, prometheus_client.
  python: { type: 'string', default: 'python3' },
})

await run(async () => {
  await check('promtool finds nothing wrong with the configuration and the rules', async () => {
    promtool('check', 'config', 'prometheus.yml')
    promtool('check', 'rules', 'alerts.yml')
  })
  await check('each alert fires when it should, and is silent when it should not', async () => {
    promtool('test', 'rules', 'alerts_test.yml')
  })
  await relay.start()
  await load()
  const ask = await startPrometheus()

  await check('Prometheus scrapes the relay', async () => {
    const target = async () => (await ask('targets')).activeTargets[0]
    await until(async () => (await target())?.health === 'up', async () => `the target to be up: ${JSON.stringify(await target())}`)
  })
  await check('the official parser reads every line of the metrics', async () => {
    const text = await (await fetch(`${options.admin}/metrics`)).text()
    const lines = text.split('\n').filter((line) => line && !line.startsWith('#'))
    const parsed = execFileSync(options.python, ['-c', PARSE], { input: text, encoding: 'utf8' })
    assertEqual(Number(parsed), lines.length, 'samples')
  })
  const dashboard = JSON.parse(readFileSync(path.join(EXAMPLE, 'dashboard.json'), 'utf8'))
  for (const panel of dashboard.panels.filter(({ targets }) => targets)) {
    await check(`the panel "${panel.title}" shows data`, () => showsData(ask, panel))
  }
  for (const { expr } of dashboard.annotations.list) {
    await check('the annotation answers', () => ask('query', { query: filled(expr) }))
  }
  await check('every alert has been evaluated, and what it watches is there', async () => {
    const rules = async () => (await ask('rules')).groups.flatMap((group) => group.rules)
    await until(async () => (await rules()).every(({ health }) => health === 'ok'), async () => JSON.stringify(await rules()))
    assertEqual((await rules()).length, 10, 'alerts')
    for (const { name, query } of await rules()) {
      const watched = query.replace(/ [<>] [\d.e+]+$/, '')
      assert(watched !== query, `${name} compares with a number: ${query}`)
      await until(async () => numbers(await ask('query', { query: watched })).length > 0, `data for ${name}: ${watched}`)
    }
  })
  await check('no alert is of a relay that is well', async () => {
    const { alerts } = await ask('alerts')
    assertEqual(alerts.filter(({ state }) => state === 'firing'), [], 'alerts that fire')
  })
})

function promtool(...args) {
  try {
    execFileSync(options.promtool, args, { cwd: EXAMPLE, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    throw new Error(`promtool ${args.join(' ')}: ${error.stdout}${error.stderr}`)
  }
}

/** All queries of a panel answer, and one of them with more than nothing. */
async function showsData(ask, { title, targets }) {
  for (const { expr } of targets) {
    await until(async () => numbers(await ask('query', { query: filled(expr) })).length > 0, `data for ${title}: ${filled(expr)}`)
  }
  const values = async () => (await Promise.all(targets.map(({ expr }) => ask('query', { query: filled(expr) })))).flatMap(numbers)
  await until(async () => (await values()).some((value) => value > 0), async () => `a value that is not 0 in ${title}: ${await values()}`)
}

/** The query as Grafana would send it. */
function filled(expr) {
  return expr.replaceAll('$__rate_interval', '5s').replaceAll('$job', 'signal').replaceAll('$instance', '.*')
}

function numbers({ result }) {
  return result.map(({ value }) => Number(value[1])).filter((value) => !Number.isNaN(value))
}

/** Starts Prometheus on the example's own configuration, only faster, and returns a function that asks its API. */
async function startPrometheus() {
  const folder = mkdtempSync(path.join(tmpdir(), 'signal-prometheus-'))
  onFinish(() => rmSync(folder, { recursive: true, force: true }))
  cpSync(path.join(EXAMPLE, 'alerts.yml'), path.join(folder, 'alerts.yml'))
  const example = readFileSync(path.join(EXAMPLE, 'prometheus.yml'), 'utf8')
  const config = example.replaceAll('_interval: 15s', '_interval: 1s').replace('127.0.0.1:9444', new URL(options.admin).host)
  assert(config.includes('_interval: 1s') && config.includes(new URL(options.admin).host), 'the example has changed its form')
  writeFileSync(path.join(folder, 'prometheus.yml'), config)
  const address = `127.0.0.1:${await freePort()}`
  const args = [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=${address}`]
  const child = spawn(options.prometheus, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.on('data', (chunk) => (log = (log + chunk).slice(-2000)))
  child.once('error', (error) => (log += error.message))
  onFinish(() => child.kill('SIGKILL'))
  const ready = () => fetch(`http://${address}/-/ready`).then(({ ok }) => ok, () => false)
  await until(ready, () => `Prometheus at ${address}: ${log}`)
  return async (what, parameters = {}) => {
    const answer = await (await fetch(`http://${address}/api/v1/${what}?${new URLSearchParams(parameters)}`)).json()
    assert(answer.status === 'success', `${JSON.stringify(parameters)}: ${answer.error}`)
    return answer.data
  }
}

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

/** Gives every panel something to show until the script ends. */
async function load() {
  const peers = await Promise.all(Array.from({ length: 20 }, (_, place) => connect(`room-${place % 4}`)))
  const every = (milliseconds, act) => {
    const timer = setInterval(act, milliseconds)
    onFinish(() => clearInterval(timer))
  }
  every(50, () => peers.forEach((peer) => peer.publish('x'.repeat(200))))
  every(200, () => {
    // Five pings a second are four too many; text that is not JSON is not an offence now and then, nor is a topic that is too long.
    peers[0].tell({ type: 'ping' })
    peers[1].tell({ type: 'pong' })
    peers[2].tell({ type: 'subscribe', topics: ['t'.repeat(300)] })
  })
  every(200, () => connect('room-0').then((peer) => peer.close(), () => {}))
  every(200, refusedUpgrade)
}

async function connect(topic) {
  const socket = new WebSocket(relay.url)
  socket.on('error', () => {})
  onFinish(() => socket.terminate())
  await until(() => socket.readyState === WebSocket.OPEN, 'a connection')
  socket.tell = (message) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(message))
  socket.publish = (data) => socket.tell({ type: 'publish', topic, data })
  socket.tell({ type: 'subscribe', topics: [topic] })
  return socket
}

/** Asks for an upgrade of a version that nobody speaks. */
function refusedUpgrade() {
  const headers = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '8' }
  https.get(relay.url.replace('wss:', 'https:'), { headers }, (answer) => answer.resume()).once('error', () => {})
}

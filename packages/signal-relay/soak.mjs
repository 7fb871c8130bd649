// Keeps a relay busy for minutes, with people who behave and with others who do not, and looks whether it grows:
// npm run soak -- --minutes 5 --runtime deno. It needs the package built and installed for development.

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import WebSocket from 'ws'

const ROOMS = 20
const MEMBERS = 3
/** So much may the memory of a runtime move by itself, in MiB and as a part. */
const SLACK_MIB = 24
const SLACK = 1.15
/** Runs that are shorter say nothing about growth: a runtime takes its memory in the first minute. */
const GROWTH_SECONDS_MIN = 120

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    // `node`, `deno`, `bun`, or several with commas between them.
    runtime: { type: 'string', default: 'node' },
  },
})
const seconds = Number(values.minutes) * 60
if (!(seconds > 0)) {
  console.error(`--minutes is ${JSON.stringify(values.minutes)}, which is not a number of minutes`)
  process.exit(2)
}

const RUNTIMES = {
  node: () => [process.execPath],
  deno: () => [denoProgram(), 'run', '--allow-all'],
  bun: () => [here('node_modules/bun/bin/bun.exe'), 'run'],
}

/** Not `.bin/deno`, which is a script that starts it: the memory is that of the process. */
function denoProgram() {
  const packages = readdirSync(here('node_modules/@deno')).map((name) => here(`node_modules/@deno/${name}/deno`))
  return packages.find((path) => existsSync(path)) ?? 'deno'
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

async function until(isSo, what, ms = 60_000) {
  for (const start = performance.now(); !(await isSo()); ) {
    assert(performance.now() - start < ms, `waited ${ms / 1_000} s for ${what}`)
    await pause(20)
  }
}

/** The relay, as a process on a port that the system chooses. */
async function start(name) {
  const [program, ...words] = RUNTIMES[name]()
  const settings = {
    '--listen': '127.0.0.1:0',
    '--outbound-bytes-max': '256KiB',
    '--close-hold': '200ms',
    '--close-timeout': '500ms',
    '--bytes-per-second': '1GiB',
    '--bytes-burst': '1GiB',
    '--fan-out-bytes-per-second': '1GiB',
    '--fan-out-bytes-burst': '1GiB',
  }
  const child = spawn(program, [...words, here('dist/cli.js'), ...Object.entries(settings).flat()], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.on('data', (text) => (said += text))
  await until(() => /serves ws:\/\/127\.0\.0\.1:\d+/.test(said) || child.exitCode !== null, 'the relay to serve')
  assert.equal(child.exitCode, null, `the relay has ended: ${said}`)
  return { child, url: /ws:\/\/127\.0\.0\.1:\d+/.exec(said)[0] }
}

/** Resident memory of a process, in MiB. Linux needs no program for it, and a small one has no `ps`. */
function memory(pid) {
  if (process.platform === 'linux') {
    return Number(/^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024
  }
  return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) / 1024
}

async function open(url) {
  const socket = new WebSocket(url)
  socket.on('error', () => {})
  await once(socket, 'open')
  return socket
}

const say = (socket, type, topic, data) => socket.send(JSON.stringify({ type, topic, topics: [topic], data }))

/** People of one room: each must hear everything that anyone says, in order, with the right number of clients. */
async function room(url, place, counts) {
  const topic = `room-${place}`
  const members = await Promise.all(Array.from({ length: MEMBERS }, () => open(url)))
  const problems = []
  const heard = members.map(() => Array(MEMBERS).fill(0))
  let ready = 0
  members.forEach((socket, me) => {
    socket.on('message', (text) => {
      const { type, data, clients } = JSON.parse(text)
      if (type === 'pong' && data === undefined) ready += 1
      if (type !== 'publish') return
      counts.deliveries += 1
      const expected = heard[me][data.from] + 1
      if (data.number !== expected) problems.push(`${topic}: ${me} heard ${data.number} of ${data.from}, not ${expected}`)
      if (clients !== MEMBERS) problems.push(`${topic}: ${clients} clients`)
      heard[me][data.from] = data.number
    })
    socket.on('close', (code) => code !== 1000 && problems.push(`${topic}: ${me} was closed with ${code}`))
    say(socket, 'subscribe', topic)
    socket.send('{"type":"ping"}')
  })
  await until(() => ready >= MEMBERS, `${topic} to be complete`)
  let number = 0
  return {
    problems,
    speak: () => {
      number += 1
      members.forEach((socket, from) => say(socket, 'publish', topic, { from, number }))
    },
    settle: () => until(() => problems.length > 0 || heard.every((all) => all.every((last) => last === number)), `${topic} to have heard all ${number}`),
    close: () => members.forEach((socket) => socket.close(1000)),
  }
}

/** Comes, says something, and goes, with a word or without. */
async function visitor(url, counts) {
  const socket = await open(url)
  say(socket, 'subscribe', 'lobby')
  say(socket, 'publish', 'lobby', 'hello')
  await once(socket, 'message')
  counts.visits += 1
  if (counts.visits % 2 === 0) socket.close()
  else socket.terminate()
}

/** Says far too much at once, and must be closed for it. */
async function flood(url, counts) {
  const socket = await open(url)
  for (let count = 0; count < 5_000; count += 1) say(socket, 'publish', 'flood', count)
  const [code] = await once(socket, 'close')
  counts.floods += 1
  assert([4429, 1006].includes(code), `a flood was closed with ${code}`)
}

/** Subscribes, reads nothing, and must be closed although it does not answer. */
async function deaf(url, counts) {
  const [socket, speaker] = [await open(url), await open(url)]
  const topic = `deaf-${counts.deaf}`
  say(socket, 'subscribe', topic)
  socket.send('{"type":"ping"}')
  await once(socket, 'message')
  socket._socket.pause()
  const filler = 'x'.repeat(30_000)
  for (let count = 0; count < 600; count += 1) {
    say(speaker, 'publish', topic, filler)
    if (count % 20 === 0) await pause(20)
  }
  counts.deaf += 1
  socket.terminate()
  speaker.terminate()
}

const UPGRADE = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'
const GARBAGE = [
  [0xff, 0xff, 0xff, 0xff],
  [0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x81, 0x05, 1, 2, 3, 4, 5],
  [0x80, 0x80, 0, 0, 0, 0],
  [0x88, 0x81, 0, 0, 0, 0, 7],
  [0x81, 0x84, 0, 0, 0, 0, 0xff, 0xfe, 0xfd, 0xfc],
  [0x01, 0x82, 0, 0, 0, 0, 0x7b, 0x7d],
]

/** Sends what is not a frame, or half of one, or half of a request, and is gone. */
function vandal(url, counts) {
  const { hostname, port } = new URL(url)
  const socket = connectTcp(Number(port), hostname)
  socket.on('error', () => {})
  socket.resume()
  const head = counts.vandals % 3 === 2 ? UPGRADE.slice(0, 60) : UPGRADE
  socket.write(head)
  const garbage = GARBAGE[counts.vandals % GARBAGE.length]
  setTimeout(() => socket.write(Buffer.from(garbage)), 20)
  setTimeout(() => socket.destroy(), 200)
  counts.vandals += 1
}

const median = (numbers) => [...numbers].sort((one, other) => one - other)[Math.floor(numbers.length / 2)]

/** Runs one runtime, and returns what is wrong. */
async function soak(name) {
  const { child, url } = await start(name)
  const counts = { deliveries: 0, visits: 0, floods: 0, deaf: 0, vandals: 0 }
  const problems = []
  const fails = (error) => problems.push(error.message)
  const every = (ms, act) => setInterval(() => void Promise.resolve(act()).catch(fails), ms)
  const rooms = []
  for (let place = 0; place < ROOMS; place += 1) rooms.push(await room(url, place, counts))
  const samples = []
  const timers = [
    every(200, () => rooms.forEach(({ speak }) => speak())),
    every(50, () => visitor(url, counts)),
    every(3_000, () => flood(url, counts)),
    every(5_000, () => deaf(url, counts)),
    every(250, () => vandal(url, counts)),
    every(1_000, () => samples.push(memory(child.pid))),
  ]
  try {
    for (let past = 0; past < seconds && problems.length === 0; past += 30) {
      await pause(Math.min(30, seconds - past) * 1_000)
      console.log(`${name}, ${Math.min(past + 30, seconds)} s: ${Math.round(samples.at(-1) ?? 0)} MiB, ${JSON.stringify(counts)}`)
    }
    timers.forEach(clearInterval)
    for (const { settle } of rooms) await settle()
    problems.push(...rooms.flatMap(({ problems }) => problems))
    rooms.forEach(({ close }) => close())
    const peers = async () => (await (await fetch(`${url.replace('ws:', 'http:')}/healthz`)).json()).peers
    await until(async () => (await peers()) === 0, 'all connections to be forgotten')
    assert.equal(child.exitCode, null, 'the relay has ended')
  } catch (error) {
    fails(error)
  }
  timers.forEach(clearInterval)
  child.kill('SIGKILL')
  return [...new Set(problems), ...growth(name, samples)].slice(0, 10)
}

/** Compares the second quarter of a run with the last. */
function growth(name, samples) {
  const quarter = Math.floor(samples.length / 4)
  if (seconds < GROWTH_SECONDS_MIN || quarter === 0) return []
  const [early, late] = [samples.slice(quarter, 2 * quarter), samples.slice(-quarter)].map(median)
  console.log(`${name}: ${Math.round(early)} MiB in the second quarter, ${Math.round(late)} MiB in the last`)
  return late > early * SLACK + SLACK_MIB ? [`it has grown from ${Math.round(early)} to ${Math.round(late)} MiB`] : []
}

let isWell = true
for (const name of values.runtime.split(',')) {
  assert(name in RUNTIMES, `there is no runtime ${name}; write ${Object.keys(RUNTIMES).join(', ')}`)
  const problems = await soak(name)
  for (const problem of problems) console.error(`${name}: ${problem}`)
  if (problems.length === 0) console.log(`${name}: well`)
  isWell &&= problems.length === 0
}
process.exit(isWell ? 0 : 1)

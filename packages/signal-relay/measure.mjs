// Measures the package on Node, Deno and Bun beside y-webrtc's own server and `signal serve`, for the table in benches/README.md:
// npm run measure -- --signal ../../target/release/signal. On Linux, on a machine with nothing else to do.

import { execFileSync, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer, connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const { values } = parseArgs({
  options: {
    signal: { type: 'string', default: here('../../target/release/signal') },
    // y-webrtc's own server; `cargo xtask setup` installs it.
    'y-webrtc': { type: 'string', default: here('../../crates/xtask/acceptance/node_modules/y-webrtc/bin/server.js') },
    rounds: { type: 'string', default: '3' },
    // Seconds of each load.
    duration: { type: 'string', default: '3' },
    connections: { type: 'string', default: '4000' },
    // Of the rows those whose name has one of these in it, with commas between them: `churn,memory`.
    only: { type: 'string', default: '' },
  },
})
for (const name of ['signal', 'y-webrtc']) {
  if (existsSync(values[name])) continue
  console.error(`there is no ${values[name]}; name it with --${name}`)
  process.exit(2)
}

const LOADS = {
  '100 rooms of 10, window 1': ['--rooms', '100', '--members', '10', '--window', '1'],
  '100 rooms of 10, window 8': ['--rooms', '100', '--members', '10', '--window', '8'],
  '500 in a room, window 32': ['--rooms', '1', '--members', '500', '--window', '32'],
  '500 rooms of 2, 1.5 KB': ['--rooms', '500', '--members', '2', '--window', '1', '--bytes', '1500'],
  join: ['--scenario', 'join'],
  churn: ['--scenario', 'churn'],
}

/** The load exceeds what one peer may send by default; all other limits stay as they are. */
const RATES = Object.entries({ messages: '1000000', 'fan-out': '1000000000', bytes: '4000000000', 'fan-out-bytes': '1000GiB' }).flatMap(
  ([what, rate]) => [`--${what}-per-second`, rate, `--${what}-burst`, rate],
)

const deno = readdirSync(here('node_modules/@deno')).map((name) => here(`node_modules/@deno/${name}/deno`))
const program = here('dist/cli.js')
const SERVERS = {
  Node: (port) => [process.execPath, program, '--port', port, ...RATES],
  Deno: (port) => [deno.find((path) => existsSync(path)) ?? 'deno', 'run', '--allow-all', program, '--port', port, ...RATES],
  Bun: (port) => [here('node_modules/bun/bin/bun.exe'), 'run', program, '--port', port, ...RATES],
  "y-webrtc's server": () => [process.execPath, values['y-webrtc']],
  '`signal serve`': (port) => [values.signal, 'serve', '--listen', `127.0.0.1:${port}`, '--admin-listen', 'off', ...RATES],
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

async function freePort() {
  const server = createServer()
  // Churn leaves so many connections in TIME_WAIT that no port may be free for a while.
  for (let isListening = false; !isListening; ) {
    isListening = await new Promise((resolve) => server.once('error', () => resolve(false)).listen(0, () => resolve(true)))
    if (!isListening) await pause(1_000)
  }
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return String(port)
}

function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(Number(port), '127.0.0.1')
    socket.once('connect', () => resolve(Boolean(socket.destroy())))
    socket.once('error', () => resolve(false))
  })
}

/** Processor time of a process, in milliseconds: of all its threads, in the kernel too. */
function processorTime(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** How often a server is started that finds its port taken, as connections of the load before may have it. */
const TRIES_MAX = 5

async function start(name) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await startOnce(name)
    } catch (error) {
      if (tries === TRIES_MAX || !/EADDRINUSE|is taken/.test(error.message)) throw error
    }
  }
}

async function startOnce(name) {
  const port = await freePort()
  const [file, ...words] = SERVERS[name](port)
  const child = spawn(file, words, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, PORT: port } })
  let said = ''
  child.stderr.on('data', (text) => (said = (said + text).slice(-1_000)))
  for (const begin = performance.now(); !(await listens(port)); await pause(5)) {
    if (child.exitCode !== null || performance.now() - begin > 60_000) throw new Error(`${name} does not listen: ${said}`)
  }
  const startTime = processorTime(child.pid)
  return { name, child, startTime, address: `ws://127.0.0.1:${port}` }
}

/** What `signal bench` reports, by the names of its CSV. */
function bench({ address, child }, load) {
  const words = ['bench', '-q', '--csv', '--pid', String(child.pid), '--duration', values.duration, ...load, address]
  const [names, numbers] = execFileSync(values.signal, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).split('\n')
  const all = names.split(',').map((name, at) => [name, Number(numbers.split(',')[at])])
  return Object.fromEntries(all)
}

const median = (numbers) => [...numbers].sort((one, other) => one - other)[Math.floor(numbers.length / 2)]
const shown = (number) => (number >= 100 ? Math.round(number).toLocaleString('en') : number.toPrecision(2))
const row = (cells) => console.log(`| ${cells.join(' | ')} |`)

/** A row with what each server needs, and how many times that of Node y-webrtc's own does. */
function line(what, numbers) {
  row([what, ...numbers.map(shown), `**${(numbers[3] / numbers[0]).toPrecision(2)} ×**`])
}

const isWanted = (what) => values.only.split(',').some((only) => what.includes(only))
const names = Object.keys(SERVERS)
row(['scenario', ...names, "y-webrtc's / Node"])
row(['---', ...names.map(() => '---'), '---'])
for (const [what, load] of Object.entries(LOADS)) {
  if (!isWanted(what)) continue
  const found = names.map(() => [])
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const [at, name] of names.entries()) {
      const server = await start(name)
      found[at].push(bench(server, load).cpu_us_per_delivery)
      server.child.kill('SIGKILL')
    }
  }
  line(what, found.map(median))
}
const [idle, starts] = [[], []]
const MEMORY = 'memory of an idle connection, bytes'
const START = 'processor time until it listens, ms'
const isLast = [MEMORY, START].some(isWanted)
for (const name of isLast ? names : []) {
  const times = []
  for (let round = 0; round < Number(values.rounds); round += 1) {
    const server = await start(name)
    times.push(server.startTime)
    if (round === 0) idle.push(bench(server, ['--scenario', 'idle', '--connections', values.connections]).memory_per_connection)
    server.child.kill('SIGKILL')
  }
  starts.push(median(times))
}
if (isLast) {
  line(MEMORY, idle)
  line(START, starts)
}

const module = readFileSync(here('dist/relay.wasm'))
const packed = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json'], { cwd: here('.'), encoding: 'utf8' }))
// An array of npm 11 and before, an object by name after it.
const tarball = Object.values(packed)[0].size
const kib = (bytes) => `${Math.round(bytes / 1024)} KiB`
console.log(`\nThe module has ${kib(statSync(here('dist/relay.wasm')).size)}, ${kib(gzipSync(module, { level: 9 }).length)} after gzip, and the tarball ${kib(tarball)}.`)

// Three relays that serve as one, to look at and to play with, until Ctrl-C. `cargo xtask cluster` runs it.

import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Cluster, OPTIONS } from './lib/cluster.js'
import { servePage } from './lib/page.js'

const BUILT_PAGE = fileURLToPath(new URL('../../../examples/browser/dist', import.meta.url))
const NAMES = ['Ann', 'Bob', 'Cem']

/** How long a process that was killed stays away: longer than the others take to notice (`cluster_dead_after`, 5 s). */
const AWAY_SECONDS = 10

let cluster
let isOver = false
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => end(0))

const { values: programs } = parseArgs({ options: OPTIONS })
try {
  cluster = await Cluster.from(programs)
  await cluster.start()
  explain(await servePage(BUILT_PAGE))
  cluster.processes.forEach(watch)
} catch (error) {
  // Where it is over, what was being started has just been ended.
  if (!isOver) {
    console.error(error.message)
    await end(1)
  }
}

function explain(page) {
  const shell = (program) => path.relative(process.cwd(), program)
  const rows = cluster.relays.map((relay, index) => [relay.url, `pid ${relay.pid}`, `status page ${cluster.pages[index]}`])
  const servers = cluster.servers.map((server) => [server.url, `pid ${server.pid}`])
  const texts = cluster.urls.map((url, index) => [`${page}?room=garden&relay=${encodeURIComponent(url)}&name=${NAMES[index]}`])
  console.log(`
Three relays that serve as one:
${lines(rows)}
The NATS servers between them:
${lines(servers)}
One text, at each of the three:
${lines(texts)}
To try:
  Open two of these pages, and type.
  ${shell(programs.signal)} check --cluster ${cluster.urls.join(' ')}
  kill -9 PID                               a relay or a NATS server: the others go on. It is back after ${AWAY_SECONDS} s
  kill -STOP PID; sleep 10; kill -CONT PID  the same with one that stands still
  In an app: new WebrtcProvider(room, doc, { signaling: ['${cluster.urls[0]}'] })

Ctrl-C ends all.`)
}

function lines(rows) {
  return rows.map((row) => `  ${row.join('   ')}`).join('\n')
}

/** Says when a process has ended, and starts it again. */
async function watch(child) {
  while (!isOver) {
    await sleep(200)
    if (isOver || child.isAlive()) continue
    console.log(`${child.url} has ended; it is back in ${AWAY_SECONDS} s`)
    await sleep(AWAY_SECONDS * 1000)
    if (isOver) return
    try {
      await child.start()
      console.log(`${child.url} is back, as pid ${child.pid}`)
    } catch (error) {
      if (!isOver) console.error(error.message)
    }
  }
}

async function end(code) {
  if (isOver) return
  isOver = true
  console.log('\nending all …')
  await Promise.all((cluster?.processes ?? []).map((process) => process.terminate()))
  process.exit(code)
}

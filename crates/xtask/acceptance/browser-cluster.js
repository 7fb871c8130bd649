// Tabs of the example page in a real browser share a text through a cluster, each on a node of its own.

import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { openBrowser, Tab } from './lib/browser.js'
import { assertEqual, check, run, until } from './lib/checks.js'
import { Cluster, OPTIONS } from './lib/cluster.js'
import { servePage } from './lib/page.js'

const BUILT_PAGE = fileURLToPath(new URL('../../../examples/browser/dist', import.meta.url))

const { values } = parseArgs({ options: { ...OPTIONS, chromium: { type: 'string', default: '/usr/bin/chromium' } } })

await run(async () => {
  const cluster = await Cluster.from(values)
  await cluster.start()
  const page = await servePage(BUILT_PAGE)
  const browser = await openBrowser(values.chromium)
  const context = await browser.newContext()
  const open = (name, node) =>
    Tab.open(context, `${page}?room=notes&relay=${encodeURIComponent(cluster.urls[node])}&name=${name}`)

  const ann = await open('Ann', 0)
  await ann.onRelay()
  const bob = await open('Bob', 1)

  await check('two tabs on two nodes connect over WebRTC', async () => {
    await bob.onRelay()
    await Promise.all([ann.hasPeers(1), bob.hasPeers(1)])
  })
  await check('each tab sees the typing of the other', async () => {
    await ann.type('Hello from Ann. ')
    await bob.reads('Hello from Ann. ')
    await bob.type('Hello from Bob.')
    await ann.reads('Hello from Ann. Hello from Bob.')
  })
  await check('both go on while the node of one is down', async () => {
    await cluster.relays[0].kill()
    await until(async () => (await ann.relay()) === 'reconnecting', 'the page to say "reconnecting"')
    await ann.type(' Still here.')
    await bob.reads(await ann.text())
  })
  await check('a third tab, on the third node, finds both once the node is back', async () => {
    await cluster.start()
    await ann.onRelay()
    const cem = await open('Cem', 2)
    await cem.hasPeers(2)
    await cem.reads(await ann.text())
    await cem.type(' And Cem.')
    await Promise.all([ann, bob].map(async (tab) => tab.reads(await cem.text())))
  })
  await check('no tab reported an error', async () => assertEqual([...ann.problems(), ...bob.problems()], [], 'errors'))
  await check('all processes have survived all of it', async () => cluster.assertAlive())
})

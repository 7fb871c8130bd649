// Two tabs of the example page in a real browser share a text through the relay.

import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { openBrowser, Tab } from './lib/browser.js'
import { assert, assertEqual, check, run, until, untilEqual } from './lib/checks.js'
import { servePage } from './lib/page.js'
import { relayFromArguments } from './lib/relay.js'

const BUILT_PAGE = fileURLToPath(new URL('../../../examples/browser/dist', import.meta.url))

const { relay, options } = relayFromArguments({
  chromium: { type: 'string', default: '/usr/bin/chromium' },
  // Where pictures of the page are put, to look at; none without it.
  screenshots: { type: 'string' },
  // A TURN server that the relay gives credentials for; without it the relay has none.
  turn: { type: 'string' },
})

await run(async () => {
  await relay.start()
  const page = await servePage(BUILT_PAGE)
  const browser = await openBrowser(options.chromium)
  const context = await browser.newContext({ viewport: { width: 1100, height: 720 } })
  const address = (name, more = '') => `${page}?room=notes&relay=${encodeURIComponent(relay.url)}&name=${name}${more}`

  await withoutRelayNothingPasses(context, `${page}?room=island&relay=ws://127.0.0.1:9`)

  const ann = await Tab.open(context, address('Ann'))
  await ann.onRelay()
  const bob = await Tab.open(context, address('Bob'))

  await check('two tabs connect over WebRTC', async () => {
    await bob.onRelay()
    await Promise.all([ann.hasPeers(1), bob.hasPeers(1)])
  })
  if (options.turn) await check('the tabs use the TURN servers of the relay', () => usesTurn([ann, bob]))
  await check('each tab sees the typing of the other', async () => {
    await ann.type('Hello from Ann. ')
    await bob.reads('Hello from Ann. ')
    await bob.type('Hello from Bob.')
    await ann.reads('Hello from Ann. Hello from Bob.')
  })
  await check('the typing travels over the data channel', async () => {
    const before = await ann.received()
    await bob.type(' And more.')
    await ann.reads('Hello from Ann. Hello from Bob. And more.')
    // A report is up to 50 ms old: Chromium answers getStats() from a cache.
    await until(async () => (await ann.received()) > before, `more than the ${before} messages received before`)
  })
  await check('typing at the same time converges', async () => {
    await Promise.all([ann.type('aaaa'), bob.type('bbbb')])
    await until(async () => (await ann.text()).length === 49, async () => `all 8 letters: ${await ann.text()}`)
    await bob.reads(await ann.text())
  })
  await check('each tab shows who is there, and where', async () => {
    const people = async () => [await ann.people(), await bob.people()]
    await untilEqual(people, [['Ann', 'Bob'], ['Bob', 'Ann']], 'people, oneself first,')
    await until(async () => (await ann.cursors()).includes('Bob'), "Bob's cursor in Ann's tab")
  })
  await check('the flag with a name covers no word', async () => {
    await bob.page.keyboard.press('Enter')
    await bob.type('A second line')
    await ann.reads(await bob.text())
    for (const move of ['Home', 'ArrowUp', 'End', 'ArrowDown', 'ArrowLeft', 'ArrowLeft']) {
      const before = await ann.flag()
      await bob.page.keyboard.press(move)
      await until(async () => ![before, null].includes(await ann.flag()), `Bob's flag to move in Ann's tab after ${move}`)
      assertEqual(await ann.covered(), [], `words under a flag after ${move}`)
    }
  })
  await takeScreenshots(browser, ann, bob, address)
  await restart(context, [ann, bob], address)
  await check('no tab reported an error', async () => assertEqual([...ann.problems(), ...bob.problems()], [], 'errors'))
  await check('the relay has survived all of it', async () => relay.assertAlive())
})

// Proves that the other checks can fail: two tabs of one browser, the same room, and no relay.
async function withoutRelayNothingPasses(context, address) {
  await check('two tabs without a relay share nothing', async () => {
    const tabs = [await Tab.open(context, address), await Tab.open(context, address)]
    await tabs[0].type('alone')
    await tabs[0].reads('alone')
    const unreachable = async (tab) => (await tab.relay()) === 'unreachable'
    for (const tab of tabs) await until(() => unreachable(tab), 'the tab to say that the relay does not answer')
    assertEqual([await tabs[1].text(), await tabs[1].peers()], ['', 0], "the second tab's text and peers")
    for (const tab of tabs) await tab.page.close()
  })
}

async function usesTurn(tabs) {
  for (const tab of tabs) {
    const [{ urls, username, credential }, ...others] = await tab.iceServers()
    assertEqual([[urls].flat(), others], [[options.turn], []], 'TURN servers')
    assert(/^\d+:guest$/.test(username), `a name with an expiry, not ${username}`)
    assertEqual(credential.length, 28, 'characters of a SHA-1 in Base64')
  }
}

async function restart(context, tabs, address) {
  const [ann, bob] = tabs
  await check('tabs go on, and say so, while the relay is down', async () => {
    await relay.kill()
    for (const tab of tabs) await until(async () => (await tab.relay()) === 'reconnecting', 'the page to say "reconnecting"')
    await ann.type(' Still here.')
    await bob.reads(await ann.text())
  })
  await check('tabs come back to the restarted relay, and a third one finds them', async () => {
    await relay.start()
    for (const tab of tabs) await tab.onRelay()
    const cem = await Tab.open(context, address('Cem'))
    await cem.hasPeers(2)
    await cem.reads(await ann.text())
  })
}

async function takeScreenshots(browser, ann, bob, address) {
  if (!options.screenshots) return
  mkdirSync(options.screenshots, { recursive: true })
  const shoot = (tab, name) => tab.page.screenshot({ path: path.join(options.screenshots, `${name}.png`) })
  await bob.type(', for a cursor in the middle of the page.')
  await shoot(ann, 'light')
  await ann.page.emulateMedia({ colorScheme: 'dark' })
  await shoot(ann, 'dark')
  await ann.page.emulateMedia({ colorScheme: 'light' })
  const phone = await browser.newContext({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true })
  const cem = await Tab.open(phone, address('Cem'))
  await cem.hasPeers(2)
  await shoot(cem, 'phone')
  await cem.page.screenshot({ path: path.join(options.screenshots, 'phone-whole.png'), fullPage: true })
  await phone.close()
}

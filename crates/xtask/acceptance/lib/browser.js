// Chromium, and tabs of the example page in it.

import { chromium } from 'playwright-core'
import { onFinish, until } from './checks.js'

const ARGUMENTS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  // Nothing is asked of the internet while the test runs.
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Chromium names its own addresses by mDNS, which machines without multicast cannot resolve.
  '--disable-features=WebRtcHideLocalIpsWithMdns',
]

/** How long starting the browser and loading a page may take on a machine with other work, in milliseconds. */
export const PATIENCE = 120_000

export async function openBrowser(executablePath) {
  // Chromium has no sandbox for root.
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : []
  const browser = await chromium.launch({ executablePath, args: [...ARGUMENTS, ...sandbox], timeout: PATIENCE })
  onFinish(() => browser.close())
  return browser
}

/** One tab: the page, and what a person would see in it. */
export class Tab {
  #problems = []

  static async open(context, address) {
    const page = await context.newPage()
    page.setDefaultTimeout(PATIENCE)
    const tab = new Tab(page)
    await page.addInitScript(rememberConnections)
    await page.goto(address)
    return tab
  }

  constructor(page) {
    this.page = page
    page.on('pageerror', (error) => this.#problems.push(error.message))
  }

  relay = () => this.page.locator('#relay-status').getAttribute('data-state')
  peers = async () => Number(await this.page.locator('#peer-status').getAttribute('data-count'))
  text = async () => (await this.page.locator('.cm-line').evaluateAll(withoutCursors)).join('\n')
  people = () => this.page.locator('#people .person').allTextContents()
  cursors = () => this.page.locator('.cm-ySelectionInfo').allTextContents()
  problems = () => this.#problems

  /** Where the first name flag is, or null. */
  flag = () => this.page.evaluate(placeOfFlag)

  /** Words that a name flag covers, with the name on it. */
  covered = () => this.page.evaluate(coveredWords)

  /** The TURN and STUN servers of the tab's first WebRTC connection. */
  iceServers = () => this.page.evaluate(() => window.rememberedConnections[0].getConfiguration().iceServers)

  /** Messages that came in over WebRTC data channels, by the browser's own count. */
  received = () => this.page.evaluate(countReceived)

  async type(text) {
    await this.page.locator('.cm-content').focus()
    await this.page.keyboard.press('Control+End')
    await this.page.keyboard.type(text)
  }

  async onRelay() {
    await until(async () => (await this.relay()) === 'connected', async () => `the page to be on the relay: ${await this.relay()}`)
  }

  async reads(expected) {
    let seen
    await until(
      async () => (seen = await this.text()) === expected,
      () => `the tab to show ${JSON.stringify(expected)}, it shows ${JSON.stringify(seen)}; ${this.#problems.join('; ')}`,
    )
  }

  async hasPeers(count) {
    let seen
    await until(
      async () => (seen = await this.peers()) === count,
      () => `the tab to have ${count} WebRTC peers, it has ${seen}; ${this.#problems.join('; ')}`,
    )
  }
}

// The functions below run inside the page.

function rememberConnections() {
  const connections = (window.rememberedConnections = [])
  window.RTCPeerConnection = class extends window.RTCPeerConnection {
    constructor(...settings) {
      super(...settings)
      connections.push(this)
    }
  }
}

async function countReceived() {
  let received = 0
  for (const connection of window.rememberedConnections) {
    for (const stats of (await connection.getStats()).values()) {
      if (stats.type === 'data-channel') received += stats.messagesReceived
    }
  }
  return received
}

function withoutCursors(lines) {
  return lines.map((line) => {
    const copy = line.cloneNode(true)
    copy.querySelectorAll('.cm-ySelectionCaret, .cm-placeholder').forEach((node) => node.remove())
    return copy.textContent
  })
}

function coveredWords() {
  const covered = []
  const flags = [...document.querySelectorAll('.cm-ySelectionInfo')]
  const texts = document.createTreeWalker(document.querySelector('.cm-content'), NodeFilter.SHOW_TEXT)
  while (texts.nextNode()) {
    if (texts.currentNode.parentElement.closest('.cm-ySelectionCaret')) continue
    const range = document.createRange()
    range.selectNodeContents(texts.currentNode)
    for (const text of range.getClientRects()) {
      for (const flag of flags) {
        const { left, right, top, bottom } = flag.getBoundingClientRect()
        // Half a pixel is how browsers round.
        const isApart = right <= text.left || left >= text.right || bottom <= text.top + 0.5 || top >= text.bottom - 0.5
        if (!isApart) covered.push(`${flag.textContent}: ${texts.currentNode.data}`)
      }
    }
  }
  return covered
}

function placeOfFlag() {
  const flag = document.querySelector('.cm-ySelectionInfo')?.getBoundingClientRect()
  return flag ? `${flag.left} ${flag.top}` : null
}

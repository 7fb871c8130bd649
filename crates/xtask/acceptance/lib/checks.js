// Named checks: one line each, and a last line `N passed, M failed` for programs that read the output.

import { setTimeout as sleep } from 'node:timers/promises'

let passed = 0
let failed = 0
const cleanups = []

/** Runs `body`; prints the check's name, its verdict and its time. A failed check does not stop the next one. */
export async function check(name, body) {
  const start = performance.now()
  const seconds = () => `${((performance.now() - start) / 1000).toFixed(2)} s`
  try {
    await body()
    passed += 1
    console.log(`ok    ${name} (${seconds()})`)
  } catch (error) {
    failed += 1
    console.log(`FAIL  ${name} (${seconds()})\n      ${error.message.replaceAll('\n', '\n      ')}`)
  }
}

/** Registers what must be ended when the script ends, however it ends. Last in, first out. */
export function onFinish(cleanup) {
  cleanups.push(cleanup)
}

/**
 * Polls until `question` answers something truthy, and returns that answer.
 *
 * `what` completes the sentence "waited 60 s for ..."; a function is asked at the moment of failure, so that the message can
 * say what was there instead. Nothing here takes more than seconds on an idle machine; a busy one is given its time.
 */
export async function until(question, what, seconds = 60) {
  const deadline = performance.now() + seconds * 1000
  for (;;) {
    const answer = await question()
    if (answer) return answer
    if (performance.now() > deadline) {
      throw new Error(`waited ${seconds} s for ${typeof what === 'function' ? what() : what}`)
    }
    await sleep(20)
  }
}

export function assert(condition, message) {
  if (!condition) throw new Error(message)
}

export function assertEqual(actual, expected, what) {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (left !== right) throw new Error(`${what}: expected ${right}, got ${left}`)
}

/** Polls until `actual` answers what is expected. */
export async function untilEqual(actual, expected, what) {
  let seen
  const isExpected = async () => {
    seen = await actual()
    return JSON.stringify(seen) === JSON.stringify(expected)
  }
  await until(isExpected, () => `${what} to be ${JSON.stringify(expected)}, which is ${JSON.stringify(seen)}`)
}

/** Runs a whole script under one time limit, cleans up, prints the totals and sets the exit code. */
export async function run(script, { seconds = 600 } = {}) {
  const watchdog = setTimeout(() => finish(new Error(`the script took more than ${seconds} s`)), seconds * 1000)
  process.once('SIGINT', () => finish(new Error('interrupted')))
  process.once('SIGTERM', () => finish(new Error('terminated')))
  try {
    await script()
    await finish()
  } catch (error) {
    await finish(error)
  } finally {
    clearTimeout(watchdog)
  }
}

async function finish(error) {
  if (error) {
    failed += 1
    console.log(`FAIL  ${error.stack ?? error}`)
  }
  for (const cleanup of cleanups.splice(0).reverse()) {
    await Promise.race([Promise.resolve().then(cleanup).catch(() => {}), sleep(5000)])
  }
  console.log(`${passed} passed, ${failed} failed`)
  // WebRTC's native threads may keep the process alive; everything worth waiting for has ended above.
  process.exit(failed > 0 || passed === 0 ? 1 : 0)
}

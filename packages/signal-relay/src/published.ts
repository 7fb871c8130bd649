/** Where keys of tokens are fetched from, and what a fetch may take. */
export interface Published {
  readonly url: string
  /** In milliseconds. */
  readonly timeout: number
  readonly bytes_max: number
}

/** What is wrong with an answer, in words that go on from the address. */
class FetchProblem extends Error {}

/**
 * The text that is there now. A redirect is not followed: it could lead anywhere.
 *
 * @throws {Error} There is none; the message says why.
 */
export async function fetchText({ url, timeout, bytes_max: most }: Published): Promise<string> {
  // It ends the reading of the answer too.
  const signal = AbortSignal.timeout(timeout)
  try {
    const headers = { accept: 'application/json', 'user-agent': 'signal-relay' }
    const answer = await fetch(url, { redirect: 'manual', signal, headers })
    if (!answer.ok) {
      await answer.body?.cancel()
      throw new FetchProblem(refusal(answer))
    }
    return await text(answer, most)
  } catch (error) {
    if (error instanceof FetchProblem) throw error
    if (signal.aborted) throw new FetchProblem(`it did not answer within ${timeout / 1_000} seconds`)
    throw new FetchProblem(`there is no answer: ${withoutQuery(reason(error), url)}`)
  }
}

function refusal({ status, type }: Response): string {
  // The Web has no status for a redirect that is not followed, other runtimes have.
  const isRedirect = type === 'opaqueredirect' || (status >= 300 && status < 400)
  if (!isRedirect) return `it answers with ${status}`
  const shown = status === 0 ? '' : ` (${status})`
  return `it answers with a redirect${shown}, which is not followed; name the address it leads to`
}

async function text(answer: Response, most: number): Promise<string> {
  const reader = answer.body?.getReader()
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let [text, length] = ['', 0]
  for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
    length += part.value.length
    if (length > most) {
      await reader?.cancel()
      throw new FetchProblem(`its answer is longer than ${most / 1_024} KiB`)
    }
    text += decoded(decoder, part.value)
  }
  return text + decoded(decoder)
}

function decoded(decoder: TextDecoder, part?: Uint8Array): string {
  try {
    return part === undefined ? decoder.decode() : decoder.decode(part, { stream: true })
  } catch {
    throw new FetchProblem('its answer is not text')
  }
}

/** The query of the address may have a key in it that is not for the log; Deno names the address whole. */
function withoutQuery(reason: string, url: string): string {
  const { search } = new URL(url)
  return [search, url.slice(url.indexOf('?'))].reduce((text, query) => (query.startsWith('?') ? text.replaceAll(query, '') : text), reason)
}

/** What a runtime says of a fetch that failed: Node's own words are about nothing, those of the cause are. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  // Of several addresses that were tried, each has its own.
  const first = cause instanceof AggregateError ? cause.errors[0] : cause
  return first instanceof Error ? first.message : error.message
}

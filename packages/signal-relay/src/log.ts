/** What there is to tell an operator. No entry has a token, a topic or an address. */
export interface LogEntry {
  readonly level: 'debug' | 'warn' | 'error'
  readonly event: 'connected' | 'refused' | 'closed' | 'left' | 'notice' | 'failed'
  /** A sentence. */
  readonly text: string
  /** The number of the connection. */
  readonly peer?: number
  /** The status that a request was refused with. */
  readonly status?: number
  /** The code that a connection was closed with. */
  readonly code?: number
  /** What was thrown, by `authorize` or by the runtime. */
  readonly error?: unknown
}

/** Where entries go. What it throws is not looked at. */
export type Log = (entry: LogEntry) => void

/** Without one, what an operator has to know goes to the console. */
export const toConsole: Log = ({ level, text, error }) => {
  if (level === 'debug') return
  console[level](...[`signal-relay: ${text}`, ...(error === undefined ? [] : [error])])
}

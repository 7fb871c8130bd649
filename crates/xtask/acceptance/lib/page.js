// Serves a folder of built files on a free loopback port.

import { createReadStream, existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import path from 'node:path'
import { onFinish } from './checks.js'

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.map': 'application/json' }

/** Returns the address of `folder`'s index page. */
export async function servePage(folder) {
  if (!existsSync(path.join(folder, 'index.html'))) throw new Error(`no index.html in ${folder}: build the page first`)
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost')
    const file = path.join(folder, pathname === '/' ? 'index.html' : path.basename(pathname))
    if (!existsSync(file)) return response.writeHead(404).end()
    response.writeHead(200, { 'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream' })
    createReadStream(file).pipe(response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onFinish(() => server.closeAllConnections())
  return `http://127.0.0.1:${server.address().port}/`
}

// One object for all, as the README of packages/signal-relay has it.
import { WorkersRelay } from './workers.js'

export class Room {
  relay = new WorkersRelay()

  fetch(request) {
    return this.relay.fetch(request)
  }
}

export default {
  fetch: (request, env) => env.ROOMS.get(env.ROOMS.idFromName('global')).fetch(request),
}

// One object for all, as the README of packages/signal-relay has it.
import { WorkersRelay } from './workers.js'

export class Room {
  constructor(state, env) {
    this.relay = new WorkersRelay(env.RELAY)
  }

  fetch(request) {
    return this.relay.fetch(request)
  }
}

export default {
  fetch: (request, env) => env.ROOMS.get(env.ROOMS.idFromName('global')).fetch(request),
}

import './broadcast.js'
import { openEditor } from './editor.js'
import { introduce, rename, showPeople } from './people.js'
import { openSession, turnServers, watchStatus } from './session.js'
import { linkTo, readSettings, relayProblem } from './settings.js'

const element = (id) => document.getElementById(id)

const settings = readSettings()
const form = element('room-form')
form.elements.room.value = settings.room
form.elements.relay.value = settings.relay
document.title = `${settings.room} · Shared text`

const problem = relayProblem(settings.relay)
if (problem) {
  showProblem(problem)
  showRelay({ relay: 'invalid' })
} else {
  start()
}

form.addEventListener('submit', (event) => {
  event.preventDefault()
  const room = form.elements.room.value.trim()
  const relay = form.elements.relay.value.trim()
  const problem = relayProblem(relay)
  showProblem(problem)
  if (!problem) location.assign(linkTo({ room, relay }))
})

element('copy-link').addEventListener('click', async ({ currentTarget: button }) => {
  const link = linkTo(settings)
  try {
    await navigator.clipboard.writeText(link)
    button.textContent = 'Copied'
  } catch {
    // Without https the clipboard is closed to pages; the address bar is not.
    history.replaceState(null, '', link)
    button.textContent = 'Link is in the address bar'
  }
  setTimeout(() => (button.textContent = 'Copy link'), 2000)
})

async function start() {
  const session = openSession(settings, await turnServers(settings.relay))
  const name = element('name')
  name.value = introduce(session.awareness, settings.name)
  name.addEventListener('input', () => rename(session.awareness, name.value))
  showPeople(session.awareness, element('people'))
  watchStatus(session.provider, (status) => {
    showRelay(status)
    showPeers(status)
  })
  openEditor(element('editor'), session).focus()
}

function showRelay({ relay, failedAttempts }) {
  const unreachable = failedAttempts > 1
  const texts = {
    connecting: unreachable ? 'Relay does not answer' : 'Connecting to the relay',
    connected: 'Relay connected',
    reconnecting: 'Reconnecting to the relay',
    invalid: 'No relay',
  }
  const status = element('relay-status')
  status.dataset.state = relay === 'connecting' && unreachable ? 'unreachable' : relay
  status.textContent = texts[relay]
  status.title = settings.relay
  element('relay-address').textContent = settings.relay
  element('relay-hint').hidden = status.dataset.state !== 'unreachable'
}

function showPeers({ peers }) {
  const status = element('peer-status')
  status.dataset.state = peers > 0 ? 'connected' : 'none'
  status.dataset.count = peers
  status.textContent = peers === 0 ? 'Nobody else here' : peers === 1 ? '1 peer by WebRTC' : `${peers} peers by WebRTC`
}

function showProblem(text) {
  const problem = element('relay-problem')
  problem.hidden = !text
  problem.textContent = text ?? ''
}

// One Trystero peer that reaches its room over a WebSocket relay.
//
// Trystero's core runs unchanged. Below it is a strategy written to its documented interface, with the messages of its
// WebSocket relay client: a single `topic` where y-webrtc sends a list of `topics`, and the content under `payload`.

import { createTopicStrategy } from '@trystero-p2p/core'
import wrtc from '@roamhq/wrtc'
import WebSocket from 'ws'

/** The Node polyfill, with the form of `setLocalDescription` that it lacks: without an argument, as browsers have it. */
class RTCPeerConnection extends wrtc.RTCPeerConnection {
  async setLocalDescription(description) {
    const answers = this.signalingState === 'have-remote-offer'
    description ??= await (answers ? this.createAnswer() : this.createOffer())
    return super.setLocalDescription(description)
  }
}

const state = { relay: false, joined: [], left: [], messages: [] }
let hello

const joinRoom = createTopicStrategy({
  init: ({ relayConfig }) => relayConfig.urls.map(connect),

  subscribeTopic(socket, topic, onMessage) {
    const read = (event) => {
      const message = JSON.parse(event.data)
      if (message.topic === topic) onMessage(topic, message.payload)
    }
    socket.addEventListener('message', read)
    socket.send(JSON.stringify({ type: 'subscribe', topic }))
    return () => {
      socket.removeEventListener('message', read)
      socket.send(JSON.stringify({ type: 'unsubscribe', topic }))
    }
  },

  publishTopic(socket, topic, payload) {
    socket.send(JSON.stringify({ type: 'publish', topic, payload }))
  },
})

function connect(url) {
  const socket = new WebSocket(url)
  return new Promise((resolve, reject) => {
    socket.addEventListener('error', reject)
    socket.addEventListener('open', () => {
      state.relay = true
      report()
      resolve(socket)
    })
  })
}

process.on('disconnect', () => process.exit())

process.on('message', (command) => {
  switch (command.do) {
    case 'start':
      return start(command)
    case 'say':
      return hello.send(command.text)
    default:
      throw new Error(`unknown command ${command.do}`)
  }
})

function start({ url, room: name }) {
  const room = joinRoom(
    {
      appId: 'signal-acceptance',
      relayConfig: { urls: [url] },
      rtcPolyfill: RTCPeerConnection,
      rtcConfig: { iceServers: [] },
    },
    name,
  )
  hello = room.makeAction('hello')
  hello.onMessage = (text, { peerId }) => note(state.messages, { text, from: peerId })
  room.onPeerJoin = (peerId) => note(state.joined, peerId)
  room.onPeerLeave = (peerId) => note(state.left, peerId)
  report()
}

function note(list, entry) {
  list.push(entry)
  report()
}

function report() {
  if (process.connected) process.send(state)
}

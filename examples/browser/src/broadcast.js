// Tabs of one browser can talk to each other without any network, and y-webrtc uses that: with no relay at all, two tabs
// would still share their text. This page is there to show the relay, so tabs are kept apart unless the address says
// `?broadcast=on`. Must be imported before y-webrtc, which looks for BroadcastChannel once, when it is loaded.

/** A BroadcastChannel on which nobody ever hears anything. */
class SilentChannel extends EventTarget {
  constructor(name) {
    super()
    this.name = name
  }
  postMessage() {}
  close() {}
}

if (new URLSearchParams(location.search).get('broadcast') !== 'on') {
  globalThis.BroadcastChannel = SilentChannel
}

// Who is here: each browser says its name and colour through Yjs's awareness.

const COLORS = ['#d9480f', '#c2255c', '#9c36b5', '#6741d9', '#3b5bdb', '#1971c2', '#0c8599', '#2f9e44']
const ADJECTIVES = ['Quiet', 'Bright', 'Swift', 'Gentle', 'Bold', 'Merry', 'Calm', 'Clever']
const ANIMALS = ['Otter', 'Heron', 'Lynx', 'Fox', 'Wren', 'Badger', 'Seal', 'Hare']

const pick = (list) => list[Math.floor(Math.random() * list.length)]

export function introduce(awareness, name) {
  const color = COLORS[awareness.clientID % COLORS.length]
  const user = { name: name || `${pick(ADJECTIVES)} ${pick(ANIMALS)}`, color, colorLight: `${color}40` }
  awareness.setLocalStateField('user', user)
  return user.name
}

export function rename(awareness, name) {
  const { user } = awareness.getLocalState() ?? {}
  if (user && name.trim()) awareness.setLocalStateField('user', { ...user, name: name.trim() })
}

/** Keeps `list` showing everybody, oneself first. */
export function showPeople(awareness, list) {
  const show = () => list.replaceChildren(...everybody(awareness).map(item))
  awareness.on('change', show)
  show()
}

function everybody(awareness) {
  return [...awareness.getStates()]
    .filter(([, state]) => state.user)
    .map(([id, { user }]) => ({ isSelf: id === awareness.clientID, name: shortName(user), color: safeColor(user) }))
    .sort((a, b) => b.isSelf - a.isSelf || a.name.localeCompare(b.name))
}

// The other browsers may run anything: what they say is shortened, and only a colour is used as a colour.
const shortName = ({ name }) => String(name ?? '').slice(0, 32) || 'Somebody'
const safeColor = ({ color }) => (/^#[0-9a-f]{6}$/i.test(color) ? color : '#868e96')

function item({ isSelf, name, color }) {
  const avatar = document.createElement('span')
  avatar.className = 'avatar'
  avatar.style.background = color
  avatar.textContent = [...name][0].toUpperCase()
  avatar.ariaHidden = 'true'
  const label = document.createElement('span')
  label.className = 'person'
  label.textContent = name
  const entry = document.createElement('li')
  entry.append(avatar, label)
  if (isSelf) {
    const you = document.createElement('span')
    you.className = 'you'
    you.textContent = 'you'
    entry.append(you)
  }
  return entry
}

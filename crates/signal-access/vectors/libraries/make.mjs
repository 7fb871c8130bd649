// Makes `libraries.json`: keys, and tokens that libraries of others have signed with them, as identity providers do.
//
//   npm install jose jsonwebtoken && pip install pyjwt cryptography
//   node make.mjs > ../libraries.json
//
// The private keys are forgotten; only what verifies is written down.
import { execFileSync } from 'node:child_process'
import { createHmac, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const require = createRequire(join(process.cwd(), 'package.json'))
const { SignJWT } = await import(require.resolve('jose'))
const jsonwebtoken = require('jsonwebtoken')
const folder = import.meta.dirname

/** 2100: the tokens hold at any time of this century. */
const exp = 4102444800

const pairs = {
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: generateKeyPairSync('ed25519'),
}
const large = generateKeyPairSync('rsa', { modulusLength: 4096 })
const short = generateKeyPairSync('rsa', { modulusLength: 1024 })
const other = { RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }), ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }) }

const jwk = (pair, members) => ({ ...pair.publicKey.export({ format: 'jwk' }), ...members })
const pem = (key, type) => key.export({ format: 'pem', type })
const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** A token with any header, signed as `alg` says by node:crypto. */
function forged(header, claims, alg, key) {
  const text = `${encode(header)}.${encode(claims)}`
  if (alg === 'none') return `${text}.`
  if (alg === 'HS256') return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`
  const options = alg === 'ES256' ? { key, dsaEncoding: 'ieee-p1363' } : key
  return `${text}.${sign(alg === 'EdDSA' ? null : 'sha256', Buffer.from(text), options).toString('base64url')}`
}

const jose = (alg, claims, header = {}) => new SignJWT(claims).setProtectedHeader({ alg, kid: alg, typ: 'JWT', ...header }).sign(pairs[alg].privateKey)
// Its defaults add `iat`.
const node = (alg, claims, header = {}) => jsonwebtoken.sign(claims, pairs[alg].privateKey, { algorithm: alg, keyid: alg, header })
const python = (alg, claims, header = {}) => {
  const input = JSON.stringify({ key: pem(pairs[alg].privateKey, 'pkcs8'), alg, claims, header: { kid: alg, ...header } })
  return execFileSync(join(process.cwd(), process.env.PYTHON ?? 'python3'), [join(folder, 'sign.py')], { input }).toString().trim()
}

const claims = { sub: 'ann', exp, topics: ['garden', 'team-7/*'] }
const signed = []
for (const [library, make, algs] of [
  ['jose', jose, ['RS256', 'ES256', 'EdDSA']],
  ['jsonwebtoken', node, ['RS256', 'ES256']],
  ['PyJWT', python, ['RS256', 'ES256', 'EdDSA']],
]) {
  for (const alg of algs) signed.push({ name: `${alg} by ${library}`, relay: 'provider', token: await make(alg, claims), subject: 'ann' })
}
signed.push({ name: 'EdDSA under its new name by jose', relay: 'provider', token: await new SignJWT(claims).setProtectedHeader({ alg: 'Ed25519', kid: 'EdDSA' }).sign(pairs.EdDSA.privateKey), subject: 'ann' })
signed.push({ name: 'RS256 of 4,096 bits by node:crypto', relay: 'provider', token: forged({ alg: 'RS256', kid: 'large' }, claims, 'RS256', large.privateKey), subject: 'ann' })
signed.push({ name: 'RS256 without kid', relay: 'provider', token: forged({ alg: 'RS256' }, claims, 'RS256', pairs.RS256.privateKey), subject: 'ann' })

const tokens = {
  pass: await jose('RS256', { sub: 'pass', exp, topics: ['*'] }),
  auth0: await jose('RS256', { iss: 'https://tenant.eu.auth0.com/', sub: 'auth0|5f7c8ec7c33c6c004bbafe82', aud: ['https://api.example.org', 'https://tenant.eu.auth0.com/userinfo'], iat: 1700000000, exp, azp: 'x3kF0TVBnZ', scope: 'openid profile', 'https://example.org/topics': ['garden', 'team-7/*'], permissions: [] }),
  auth0_bare: await jose('RS256', { iss: 'https://tenant.eu.auth0.com/', sub: 'auth0|5f7c8ec7c33c6c004bbafe82', aud: ['https://api.example.org'], exp, gty: 'password' }),
  auth0_no_slash: await jose('RS256', { iss: 'https://tenant.eu.auth0.com', sub: 'auth0|5f7c8ec7c33c6c004bbafe82', aud: ['https://api.example.org'], exp }),
  auth0_other_audience: await jose('RS256', { iss: 'https://tenant.eu.auth0.com/', sub: 'auth0|5f7c8ec7c33c6c004bbafe82', aud: 'https://other.example.org', exp }),
  clerk: await node('RS256', { azp: 'https://app.example.org', exp, fva: [0, -1], iss: 'https://clerk.example.org', nbf: 1700000000, sid: 'sess_2b', sub: 'user_2aXyZ', v: 2, fea: '', sts: 'active' }, { cat: 'cl_B7d4PD111AAA' }),
  firebase: await python('RS256', { iss: 'https://securetoken.google.com/my-app', aud: 'my-app', auth_time: 1700000000, user_id: 'Zq8', sub: 'Zq8', iat: 1700000000, exp, firebase: { identities: { email: ['a@example.org'] }, sign_in_provider: 'password' } }),
  supabase: await jose('ES256', { aal: 'aal1', app_metadata: { provider: 'email', topics: ['garden'] }, aud: 'authenticated', email: 'a@example.org', exp, iat: 1700000000, is_anonymous: false, iss: 'https://ref.supabase.co/auth/v1', phone: '', role: 'authenticated', session_id: '9f2c', sub: '3fa85f64-5717-4562-b3fc-2c963f66afa6', user_metadata: { topics: ['*'] } }),
  keycloak: await python('RS256', { exp: exp + 0.5, iat: 1700000000.25, jti: 'b5', iss: 'https://id.example.org/realms/main', aud: ['account', 'relay'], sub: 'f:1:ann', typ: 'Bearer', azp: 'app', acr: '1', 'allowed-origins': ['https://app.example.org'], realm_access: { roles: ['default-roles-main', 'offline_access'] }, resource_access: { account: { roles: ['manage-account'] } }, scope: 'profile email' }, { typ: 'JWT' }),
  no_subject: await jose('RS256', { iss: 'https://tenant.eu.auth0.com/', aud: ['https://api.example.org'], exp }),
  slash_subject: await jose('RS256', { iss: 'https://tenant.eu.auth0.com/', aud: ['https://api.example.org'], exp, sub: 'a/b' }),
  star_subject: await jose('RS256', { iss: 'https://tenant.eu.auth0.com/', aud: ['https://api.example.org'], exp, sub: '*' }),
}

const everything = { sub: 'eve', exp, topics: ['*'] }
const rsaPem = pem(pairs.RS256.publicKey, 'spki')
const refused = [
  ['HS256 with an RSA key as its secret, as PEM', forged({ alg: 'HS256', kid: 'RS256' }, everything, 'HS256', rsaPem), 'algorithm'],
  ['HS256 with an RSA key as its secret, as PKCS #1', forged({ alg: 'HS256', kid: 'RS256' }, everything, 'HS256', pem(pairs.RS256.publicKey, 'pkcs1')), 'algorithm'],
  ['HS256 with an RSA key as its secret, as JWK', forged({ alg: 'HS256' }, everything, 'HS256', JSON.stringify(jwk(pairs.RS256, { kid: 'RS256' }))), 'algorithm'],
  ['HS256 with an RSA key as its secret, its modulus', forged({ alg: 'HS256' }, everything, 'HS256', Buffer.from(jwk(pairs.RS256).n, 'base64url')), 'algorithm'],
  ['HS256 with a P-256 key as its secret', forged({ alg: 'HS256', kid: 'ES256' }, everything, 'HS256', pem(pairs.ES256.publicKey, 'spki')), 'algorithm'],
  ['HS256 of an empty secret by the name of an RSA key', forged({ alg: 'HS256', kid: 'RS256' }, everything, 'HS256', ''), 'algorithm'],
  ['none by the name of an RSA key', forged({ alg: 'none', kid: 'RS256' }, everything, 'none'), 'algorithm'],
  ['RS256 without a signature', forged({ alg: 'RS256', kid: 'RS256' }, everything, 'none'), 'signature'],
  ['RS256 of a stranger', forged({ alg: 'RS256', kid: 'RS256' }, everything, 'RS256', other.RS256.privateKey), 'signature'],
  ['RS256 of a stranger without kid', forged({ alg: 'RS256' }, everything, 'RS256', other.RS256.privateKey), 'signature'],
  ['RS256 of a stranger who sends the key along', forged({ alg: 'RS256', kid: 'RS256', jwk: jwk(other.RS256) }, everything, 'RS256', other.RS256.privateKey), 'signature'],
  ['RS256 of a stranger who says where the key is', forged({ alg: 'RS256', kid: 'mine', jku: 'http://127.0.0.1:1/jwks.json', x5u: 'http://127.0.0.1:1/a.pem' }, everything, 'RS256', other.RS256.privateKey), 'unknown_key'],
  ['RS256 with SHA-512', (() => { const text = `${encode({ alg: 'RS256', kid: 'RS256' })}.${encode(everything)}`; return `${text}.${sign('sha512', Buffer.from(text), pairs.RS256.privateKey).toString('base64url')}` })(), 'signature'],
  ['RS512 of an RSA key', (() => { const text = `${encode({ alg: 'RS512', kid: 'RS256' })}.${encode(everything)}`; return `${text}.${sign('sha512', Buffer.from(text), pairs.RS256.privateKey).toString('base64url')}` })(), 'algorithm'],
  ['RS256 as PSS', (() => { const text = `${encode({ alg: 'RS256', kid: 'RS256' })}.${encode(everything)}`; return `${text}.${sign('sha256', Buffer.from(text), { key: pairs.RS256.privateKey, padding: 6, saltLength: 32 }).toString('base64url')}` })(), 'signature'],
  ['RS256 by the name of a P-256 key', forged({ alg: 'RS256', kid: 'ES256' }, everything, 'RS256', pairs.RS256.privateKey), 'algorithm'],
  ['ES256 by the name of an RSA key', forged({ alg: 'ES256', kid: 'RS256' }, everything, 'ES256', pairs.ES256.privateKey), 'algorithm'],
  ['ES256 of a stranger', forged({ alg: 'ES256', kid: 'ES256' }, everything, 'ES256', other.ES256.privateKey), 'signature'],
  ['ES256 of zeros', `${encode({ alg: 'ES256', kid: 'ES256' })}.${encode(everything)}.${Buffer.alloc(64).toString('base64url')}`, 'signature'],
  ['ES256 in DER', (() => { const text = `${encode({ alg: 'ES256', kid: 'ES256' })}.${encode(everything)}`; return `${text}.${sign('sha256', Buffer.from(text), pairs.ES256.privateKey).toString('base64url')}` })(), 'signature'],
  ['ES256 a byte too short', (() => { const token = forged({ alg: 'ES256', kid: 'ES256' }, everything, 'ES256', pairs.ES256.privateKey); const [h, c, s] = token.split('.'); return `${h}.${c}.${Buffer.from(s, 'base64url').subarray(0, 63).toString('base64url')}` })(), 'signature'],
  ['RS256 a byte too long', (() => { const token = forged({ alg: 'RS256', kid: 'RS256' }, everything, 'RS256', pairs.RS256.privateKey); const [h, c, s] = token.split('.'); return `${h}.${c}.${Buffer.concat([Buffer.alloc(1), Buffer.from(s, 'base64url')]).toString('base64url')}` })(), 'signature'],
  ['RS256 of an RSA key that is too short', forged({ alg: 'RS256', kid: 'short' }, everything, 'RS256', short.privateKey), 'unknown_key'],
  ['RS256 with crit', forged({ alg: 'RS256', kid: 'RS256', crit: ['exp'], exp }, everything, 'RS256', pairs.RS256.privateKey), 'malformed'],
].map(([name, token, error]) => ({ name, relay: 'provider', token, error }))

const keys = [
  jwk(pairs.RS256, { kid: 'RS256', alg: 'RS256', use: 'sig', x5c: ['MIIC…'], x5t: 'AA' }),
  jwk(pairs.ES256, { kid: 'ES256', key_ops: ['verify'], ext: true }),
  jwk(pairs.EdDSA, { kid: 'EdDSA', alg: 'Ed25519' }),
  jwk(large, { kid: 'large' }),
  jwk(short, { kid: 'short', alg: 'RS256' }),
  jwk(other.RS256, { kid: 'encryption', alg: 'RSA-OAEP', use: 'enc' }),
  jwk(generateKeyPairSync('ec', { namedCurve: 'P-384' }), { kid: 'P-384', alg: 'ES384' }),
  { ...jwk(pairs.ES256, { kid: 'not on the curve' }), y: 'A'.repeat(43) },
]
createPublicKey({ key: keys[0], format: 'jwk' })
console.log(JSON.stringify({ about: 'Made by libraries/make.mjs; the private keys are gone.', keys, signed, tokens, refused }, null, 2))

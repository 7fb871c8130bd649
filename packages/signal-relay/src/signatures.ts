import { SettingsError } from './settings.ts'

/** A signature of a token, and the position of the key that it is to be right with. */
export interface Signature {
  readonly key: number
  readonly message: Uint8Array<ArrayBuffer>
  readonly signature: Uint8Array<ArrayBuffer>
}

type Algorithm = EcKeyImportParams & HmacImportParams & EcdsaParams

/** What each type of key is for: HS256, EdDSA, RS256 and ES256 (RFC 7518). */
const ALGORITHMS: Readonly<Record<string, Algorithm>> = {
  oct: { name: 'HMAC', hash: 'SHA-256' } as Algorithm,
  OKP: { name: 'Ed25519' } as Algorithm,
  RSA: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as Algorithm,
  EC: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as Algorithm,
}

/**
 * Verifies signatures by the runtime's WebCrypto. Which keys there are, and which of them a token may
 * be signed with, the module has judged.
 */
export class Signatures {
  readonly #jwks: readonly JsonWebKey[]
  readonly #source: 'token_keys' | 'token_jwks_url'
  readonly #keys: (Promise<CryptoKey> | undefined)[] = []

  constructor(jwks: readonly JsonWebKey[], source: 'token_keys' | 'token_jwks_url') {
    this.#jwks = jwks
    this.#source = source
  }

  /** Reads all keys, and fails if the runtime does not take one of them. */
  async ready(): Promise<void> {
    await Promise.all(this.#jwks.map((_, position) => this.#key(position)))
  }

  /** A bit for each signature, the lowest for the first, which is 1 if it is right. */
  async verify(signatures: readonly Signature[]): Promise<number> {
    const right = await Promise.all(signatures.map((one) => this.#isRight(one)))
    return right.reduce((bits, isRight, at) => (isRight ? bits | (1 << at) : bits), 0)
  }

  async #isRight({ key, message, signature }: Signature): Promise<boolean> {
    try {
      return await crypto.subtle.verify(this.#algorithm(key), await this.#key(key), signature, message)
    } catch (error) {
      // Others that are published may be right. Deno sees only here that a point is not on the curve.
      if (this.#source === 'token_jwks_url') return false
      throw error
    }
  }

  /** Not before it is needed: a Worker has no WebCrypto while it starts. */
  #key(position: number): Promise<CryptoKey> {
    return (this.#keys[position] ??= this.#import(position))
  }

  async #import(position: number): Promise<CryptoKey> {
    try {
      return await crypto.subtle.importKey('jwk', this.#jwks[position] as JsonWebKey, this.#algorithm(position), false, ['verify'])
    } catch (error) {
      // Perhaps the next time, if it was not the key. Those that are published are fetched anew.
      if (this.#source === 'token_keys') this.#keys[position] = undefined
      throw new SettingsError(`${this.#source}: this runtime does not take key ${position + 1}, of ${this.#algorithm(position).name}`, { cause: error })
    }
  }

  #algorithm(position: number): Algorithm {
    return ALGORITHMS[this.#jwks[position]?.kty ?? ''] as Algorithm
  }
}

//! Keys that a host verifies with, as far as they can be judged without cryptography.

use alloc::string::{String, ToString as _};

use serde_json::{Map, Value, json};

use crate::key_numbers::{bytes, p256_numbers, rsa_numbers, secret, text};
use crate::key_problem::KeyProblem;
use crate::scheme::Scheme;
use crate::token::encode;

/// A key with which the host verifies.
#[derive(Clone)]
pub(crate) struct HostKey {
    pub(crate) scheme: Scheme,
    /// What verifies, and nothing else: no private half, and no name or purpose that a host could
    /// read in another way than this crate.
    pub(crate) jwk: String,
    /// How long its signatures are. Not every host takes others for wrong; some fail.
    pub(crate) signature_len: usize,
}

pub(crate) fn read(scheme: Scheme, key: &Map<String, Value>) -> Result<HostKey, KeyProblem> {
    let (jwk, signature_len) = match scheme {
        Scheme::Hs256 => (json!({ "kty": "oct", "k": encode(&secret(key)?) }), 32),
        Scheme::EdDsa => {
            if text(key, "crv") != Ok("Ed25519") {
                return Err(KeyProblem::Curve);
            }
            let point = bytes(key, "x")?;
            if !is_ed25519(&point) {
                return Err(KeyProblem::Point);
            }
            (
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(&point) }),
                64,
            )
        }
        Scheme::Rs256 => {
            let (modulus, exponent) = rsa_numbers(key)?;
            let jwk = json!({ "kty": "RSA", "n": encode(&modulus), "e": encode(&exponent) });
            (jwk, modulus.len())
        }
        Scheme::Es256 => {
            let (x, y) = p256_numbers(key)?;
            (
                json!({ "kty": "EC", "crv": "P-256", "x": encode(&x), "y": encode(&y) }),
                64,
            )
        }
    };
    Ok(HostKey {
        scheme,
        jwk: jwk.to_string(),
        signature_len,
    })
}

/// Whether these may be a public key of Ed25519: a number below 2^255 - 19, and not one of a point
/// of small order, with which one signature fits many messages and which not every host refuses.
/// Whether it is the number of a point at all takes the curve.
fn is_ed25519(point: &[u8; 32]) -> bool {
    let mut number = *point;
    // The sign of the other coordinate.
    let [.., last] = &mut number;
    *last &= 0x7f;
    number.reverse();
    let small = |number: u8| {
        let mut bytes = [0; 32];
        let [.., last] = &mut bytes;
        *last = number;
        bytes
    };
    number < PRIME && number != small(0) && number != small(1) && !SMALL_ORDER.contains(&number)
}

/// 2^255 - 19.
const PRIME: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xed,
];

/// Beside 0 and 1: -1, and those of order eight. With d of the curve, these are the roots of
/// `d y^4 + 2 y^2 - 1`.
const SMALL_ORDER: [[u8; 32]; 3] = [
    [
        0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xec,
    ],
    [
        0x05, 0xfc, 0x53, 0x6d, 0x88, 0x02, 0x38, 0xb1, 0x39, 0x33, 0xc6, 0xd3, 0x05, 0xac, 0xdf,
        0xd5, 0xf0, 0x98, 0xef, 0xf2, 0x89, 0xf4, 0xc3, 0x45, 0xb0, 0x27, 0xb2, 0xc2, 0x8f, 0x95,
        0xe8, 0x26,
    ],
    [
        0x7a, 0x03, 0xac, 0x92, 0x77, 0xfd, 0xc7, 0x4e, 0xc6, 0xcc, 0x39, 0x2c, 0xfa, 0x53, 0x20,
        0x2a, 0x0f, 0x67, 0x10, 0x0d, 0x76, 0x0b, 0x3c, 0xba, 0x4f, 0xd8, 0x4d, 0x3d, 0x70, 0x6a,
        0x17, 0xc7,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "tokens")]
    #[test]
    fn points_of_small_order_are_those_that_the_curve_has() {
        let all = SMALL_ORDER.into_iter().chain([0_u8, 1].map(|number| {
            let mut bytes = [0; 32];
            bytes[31] = number;
            bytes
        }));
        for mut number in all {
            number.reverse();
            assert!(!is_ed25519(&number));
            let key = ed25519_dalek::VerifyingKey::from_bytes(&number);
            assert!(key.is_ok_and(|key| key.is_weak()), "{number:x?}");
            number[31] |= 0x80;
            assert!(!is_ed25519(&number));
        }
    }

    #[test]
    fn a_number_that_is_not_the_smallest_for_its_point_is_not_a_key() {
        let mut number = PRIME;
        number.reverse();
        for low in 0xed..=0xff {
            number[0] = low;
            assert!(!is_ed25519(&number), "{low:x}");
        }
        assert!(is_ed25519(&[9; 32]));
    }
}

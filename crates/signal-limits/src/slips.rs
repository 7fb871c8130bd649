use alloc::vec::Vec;

/// How many letters have to be put in, taken out or changed to make one word into another: how far
/// a name that does not exist is from one that may be meant.
///
/// ```
/// assert_eq!(signal_limits::slips(b"peer_max", b"peers_max"), 1);
/// assert_eq!(signal_limits::slips(b"", b"max"), 3);
/// ```
pub fn slips(one: &[u8], other: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in (1..).zip(one) {
        let mut left = line;
        let mut above_left = line - 1;
        let mut cells = row.iter_mut();
        if let Some(first) = cells.next() {
            *first = line;
        }
        for (cell, wanted) in cells.zip(other) {
            let changed = above_left + usize::from(letter != wanted);
            above_left = *cell;
            left = changed.min(above_left + 1).min(left + 1);
            *cell = left;
        }
    }
    row.pop().unwrap_or_default()
}

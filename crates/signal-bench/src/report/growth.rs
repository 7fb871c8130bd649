//! What connections cost a server in memory, and whether that can be believed.

/// Of fewer connections nothing is said: the system gives memory in pages.
const COUNT_MIN: usize = 100;
/// Who it is, what it listens to and what goes to it take more than this in any server.
const BYTES_MIN: f64 = 128.0;
/// The first half of the connections took less than this share of what the second half took.
const SHARE_MIN: f64 = 0.5;

/// The memory of a server while connections were opened: with the first ones, with half of the
/// others, and with all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growth {
    open: [usize; 3],
    bytes: [u64; 3],
}

impl Growth {
    /// None where memory was not measured.
    pub(crate) fn new(open: [usize; 3], bytes: [Option<u64>; 3]) -> Option<Self> {
        let [Some(first), Some(half), Some(all)] = bytes else {
            return None;
        };
        Some(Self {
            open,
            bytes: [first, half, all],
        })
    }

    /// That of two servers together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            open: [0, 1, 2].map(|time| self.open[time] + other.open[time]),
            bytes: [0, 1, 2].map(|time| self.bytes[time] + other.bytes[time]),
        }
    }

    /// With all connections, in bytes.
    pub(crate) fn memory_idle(self) -> u64 {
        self.bytes[2]
    }

    /// For each connection after the first ones, in bytes. None where none was opened, and where
    /// the figure would be too small.
    pub(crate) fn per_connection(self) -> Option<f64> {
        let bytes = self.between(0, 2).filter(|bytes| *bytes > 0.0);
        bytes.filter(|_| self.doubt().is_none())
    }

    /// Why the figure is not given: a server that was used before fills the memory that it has left
    /// first, and only then takes more.
    pub(crate) fn doubt(self) -> Option<String> {
        const FIX: &str = "measure memory on a server that was just started";
        let all = self.between(0, 2)?;
        let is_many = self.open[2] - self.open[0] >= COUNT_MIN;
        if is_many && all < BYTES_MIN {
            return Some(format!(
                "the server's memory grew by {all:.0} bytes for each connection, which is less than one needs: it has \
                 some left from before; {FIX}"
            ));
        }
        let (first, second) = (self.between(0, 1)?, self.between(1, 2)?);
        let is_many = self.open[1] - self.open[0] >= COUNT_MIN;
        (is_many && first < second * SHARE_MIN).then(|| {
            format!(
                "the server's memory grew by {first:.0} bytes for each of the first connections and by {second:.0} for \
                 each of the others: it has some left from before, or takes it in large pieces; {FIX}, with more \
                 connections"
            )
        })
    }

    fn between(self, one: usize, other: usize) -> Option<f64> {
        let opened = self.open[other] - self.open[one];
        let grown = self.bytes[other].saturating_sub(self.bytes[one]);
        (opened > 0).then(|| grown as f64 / opened as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: [usize; 3] = [100, 550, 1_000];

    fn growth(open: [usize; 3], bytes: [u64; 3]) -> Growth {
        Growth::new(open, bytes.map(Some)).expect("memory was measured")
    }

    #[test]
    fn a_server_that_was_just_started_takes_the_same_for_each() {
        let growth = growth(OPEN, [10_000_000, 10_315_000, 10_675_000]);
        assert_eq!(growth.per_connection(), Some(750.0));
        assert_eq!(growth.memory_idle(), 10_675_000);
        assert_eq!(growth.doubt(), None);
    }

    #[test]
    fn a_server_with_memory_left_for_all_of_them_is_found() {
        let growth = growth(OPEN, [11_000_000, 11_000_000, 11_073_000]);
        assert_eq!(growth.per_connection(), None);
        let doubt = growth.doubt().expect("a doubt");
        assert!(doubt.contains("81 bytes for each connection, which is less than one needs"));
        assert!(doubt.ends_with("measure memory on a server that was just started"));
    }

    #[test]
    fn a_server_with_memory_left_for_some_of_them_is_found() {
        let growth = growth(OPEN, [11_000_000, 11_020_000, 11_320_000]);
        assert_eq!(growth.per_connection(), None);
        let doubt = growth.doubt().expect("a doubt");
        assert!(doubt.contains("44 bytes for each of the first connections and by 667 for"));
    }

    #[test]
    fn of_a_few_connections_nothing_is_said() {
        let few = growth([2, 11, 20], [10_000_000, 10_000_000, 10_000_000]);
        assert_eq!((few.per_connection(), few.doubt()), (None, None));
        assert_eq!(growth([5, 5, 5], [1, 1, 1]).per_connection(), None);
        assert!(Growth::new(OPEN, [Some(1), None, Some(1)]).is_none());
    }
}

/// How many files the process may have open: each peer is one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Descriptors {
    /// The limit now, if there is one.
    pub(crate) limit: Option<u64>,
    /// The limit before it was raised, if it was.
    pub(crate) raised_from: Option<u64>,
}

impl Descriptors {
    /// Raises the limit as far as a process may by itself: the soft limit, often 1,024, to the hard
    /// one.
    #[cfg(unix)]
    pub(crate) fn raise() -> Self {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let before = getrlimit(Resource::Nofile);
        let set = |limit| {
            let raised = Rlimit {
                current: Some(limit),
                maximum: before.maximum,
            };
            setrlimit(Resource::Nofile, raised).is_ok()
        };
        if let Some(current) = before.current {
            raise_from(current, before.maximum, set);
        }
        let limit = getrlimit(Resource::Nofile).current;
        let raised_from = before.current.filter(|_| limit != before.current);
        Self { limit, raised_from }
    }

    /// Other systems do not have such a limit.
    #[cfg(not(unix))]
    pub(crate) fn raise() -> Self {
        Self {
            limit: None,
            raised_from: None,
        }
    }
}

/// Raises the limit as far as `set` allows. macOS says that there is no hard limit and refuses all
/// that is above another one, which it keeps elsewhere; so what is refused is tried again, halved.
/// Where nothing is allowed, the old limit serves fewer peers.
#[cfg(unix)]
fn raise_from(current: u64, maximum: Option<u64>, mut set: impl FnMut(u64) -> bool) {
    // More would only make the tables of the kernel large.
    const ENOUGH: u64 = 1_048_576;
    let mut wanted = maximum.map_or(ENOUGH, |maximum| maximum.min(ENOUGH));
    while wanted > current && !set(wanted) {
        wanted /= 2;
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// What the limit is in the end, if the system refuses more than `most`.
    fn raised(current: u64, maximum: Option<u64>, most: u64) -> u64 {
        let mut limit = current;
        raise_from(current, maximum, |wanted| {
            if wanted <= most {
                limit = wanted;
            }
            wanted <= most
        });
        limit
    }

    #[test]
    fn the_limit_is_raised_as_far_as_the_system_allows() {
        assert_eq!(raised(1_024, Some(4_096), u64::MAX), 4_096);
        assert_eq!(raised(1_024, None, u64::MAX), 1_048_576);
        assert_eq!(raised(256, None, 122_880), 65_536, "macOS");
        assert_eq!(raised(256, None, 10_240), 8_192, "macOS, older");
        assert_eq!(raised(2_048, Some(1_024), u64::MAX), 2_048, "never lowered");
        assert_eq!(raised(1_024, Some(4_096), 1_024), 1_024, "not allowed");
    }
}

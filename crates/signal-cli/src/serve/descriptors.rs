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
        // More would only make the tables of the kernel large.
        const ENOUGH: u64 = 1_048_576;
        let wanted = before.maximum.map_or(ENOUGH, |maximum| maximum.min(ENOUGH));
        if before.current.is_some_and(|current| current < wanted) {
            let raised = Rlimit {
                current: Some(wanted),
                maximum: before.maximum,
            };
            // Where it is not allowed, the old limit serves fewer peers.
            let _ = setrlimit(Resource::Nofile, raised);
        }
        let limit = getrlimit(Resource::Nofile).current;
        let raised_from = before.current.filter(|_| limit != before.current);
        Self { limit, raised_from }
    }

    /// Other systems have no such limit.
    #[cfg(not(unix))]
    pub(crate) fn raise() -> Self {
        Self {
            limit: None,
            raised_from: None,
        }
    }
}

//! The signaling relay in memory: a whole world of peers, links and time from one seed.

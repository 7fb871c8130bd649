//! How many connections each subject has.

use std::collections::HashMap;
use std::sync::Arc;

use crate::admission::authorizer::Subject;
use crate::lock::Lock;

/// Connections by subject.
///
/// There is an entry for each subject that has a connection and no other, so the table is no longer
/// than [`peers_max`](crate::Config::peers_max).
#[derive(Debug, Default)]
pub(crate) struct Subjects {
    peers: Lock<HashMap<Arc<str>, u32>>,
}

impl Subjects {
    /// Counts a connection of the subject in. False if it has as many as it may have. Each success
    /// must be matched by one [`leave`](Self::leave).
    pub(crate) fn enter(&self, subject: &Subject) -> bool {
        let mut all = self.peers.lock();
        let peers = all.get(&subject.name).copied().unwrap_or(0);
        if peers >= subject.peers_max {
            return false;
        }
        all.insert(Arc::clone(&subject.name), peers + 1);
        true
    }

    /// Counts a connection out.
    pub(crate) fn leave(&self, name: &str) {
        let mut all = self.peers.lock();
        match all.get_mut(name) {
            Some(peers) if *peers > 1 => *peers -= 1,
            Some(_) => drop(all.remove(name)),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_has_so_many_connections_and_no_more() {
        let subjects = Subjects::default();
        let (ann, ben) = (Subject::new("ann", 2), Subject::new("ben", 1));
        assert!(subjects.enter(&ann) && subjects.enter(&ann) && subjects.enter(&ben));
        assert!(!subjects.enter(&ann));
        assert!(!subjects.enter(&ben));
        subjects.leave("ann");
        assert!(subjects.enter(&ann), "one has left");
        assert!(!subjects.enter(&ann));
    }

    #[test]
    fn two_tokens_of_one_subject_count_together_and_each_keeps_to_its_own_cap() {
        let subjects = Subjects::default();
        assert!(subjects.enter(&Subject::new("ann", 5)));
        assert!(!subjects.enter(&Subject::new("ann", 1)));
        assert!(subjects.enter(&Subject::new("ann", 2)));
    }

    #[test]
    fn who_may_have_none_gets_none() {
        assert!(!Subjects::default().enter(&Subject::new("ann", 0)));
    }

    #[test]
    fn the_table_holds_only_those_who_are_connected() {
        let subjects = Subjects::default();
        let names: Vec<String> = (0..10_000)
            .map(|number| format!("subject {number}"))
            .collect();
        for name in &names {
            assert!(subjects.enter(&Subject::new(name.as_str(), 1)));
            assert!(!subjects.enter(&Subject::new(name.as_str(), 1)));
        }
        assert_eq!(subjects.peers.lock().len(), names.len());
        for name in &names {
            subjects.leave(name);
            subjects.leave("never came");
        }
        assert!(subjects.peers.lock().is_empty());
    }
}

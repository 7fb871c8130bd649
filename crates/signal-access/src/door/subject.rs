use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::time::Duration;

use crate::door::refusal::Refused;
use crate::door::refusal_cause::RefusalCause;

/// After how long a subject with all its connections may try again: about as long as a connection
/// that was lost without a word still counts.
const RETRY: Duration = Duration::from_secs(30);

/// The person or program that a token or an account stands for, on however many connections and
/// from however many addresses.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Subject {
    name: Arc<str>,
    peers_max: Option<u32>,
}

impl Subject {
    /// A subject that may have `peers_max` connections at once, this one included.
    pub fn new(name: impl Into<Arc<str>>, peers_max: u32) -> Self {
        Self {
            name: name.into(),
            peers_max: Some(peers_max),
        }
    }

    /// A subject whose connections are counted, so that another token of the same subject may limit
    /// them, and that may have any number itself.
    pub fn uncapped(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            peers_max: None,
        }
    }

    /// The name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How many connections this token allows, if it says so.
    pub fn peers_max(&self) -> Option<u32> {
        self.peers_max
    }

    /// Whether the subject may have one more connection beside so many.
    ///
    /// # Errors
    ///
    /// If it has as many as it may have.
    pub fn judge(&self, open: u32) -> Result<(), Refused> {
        if self.peers_max.is_none_or(|peers_max| open < peers_max) {
            return Ok(());
        }
        Err(Refused {
            cause: RefusalCause::PeersPerSubject,
            retry_after: RETRY,
        })
    }
}

/// Connections by subject.
///
/// There is an entry for each subject that has a connection and no other, so there are no more
/// entries than connections.
#[derive(Debug, Default)]
pub struct Subjects {
    peers: BTreeMap<Arc<str>, u32>,
}

impl Subjects {
    /// Counts a connection of the subject in. Each success must be matched by one
    /// [`leave`](Self::leave).
    ///
    /// # Errors
    ///
    /// If the subject has as many connections as it may have.
    pub fn enter(&mut self, subject: &Subject) -> Result<(), Refused> {
        let open = self.peers.get(&subject.name).copied().unwrap_or(0);
        subject.judge(open)?;
        self.recall(subject);
        Ok(())
    }

    /// Counts a connection in that was there before this was made: after a sleep.
    pub fn recall(&mut self, subject: &Subject) {
        let open = self.peers.entry(Arc::clone(&subject.name)).or_default();
        *open = open.saturating_add(1);
    }

    /// Counts a connection out.
    pub fn leave(&mut self, name: &str) {
        match self.peers.get_mut(name) {
            Some(peers) if *peers > 1 => *peers -= 1,
            Some(_) => drop(self.peers.remove(name)),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn a_subject_has_so_many_connections_and_no_more() {
        let mut subjects = Subjects::default();
        let (ann, ben) = (Subject::new("ann", 2), Subject::new("ben", 1));
        for subject in [&ann, &ann, &ben] {
            assert_eq!(subjects.enter(subject), Ok(()));
        }
        assert!(subjects.enter(&ann).is_err());
        assert!(subjects.enter(&ben).is_err());
        subjects.leave("ann");
        assert_eq!(subjects.enter(&ann), Ok(()), "one has left");
        assert!(subjects.enter(&ann).is_err());
    }

    #[test]
    fn two_tokens_of_one_subject_count_together_and_each_keeps_to_its_own_cap() {
        let mut subjects = Subjects::default();
        assert_eq!(subjects.enter(&Subject::new("ann", 5)), Ok(()));
        assert!(subjects.enter(&Subject::new("ann", 1)).is_err());
        assert_eq!(subjects.enter(&Subject::new("ann", 2)), Ok(()));
    }

    #[test]
    fn connections_without_a_cap_count_for_those_with_one() {
        let mut subjects = Subjects::default();
        let (uncapped, capped) = (Subject::uncapped("ann"), Subject::new("ann", 2));
        for subject in [&uncapped, &capped] {
            assert_eq!(subjects.enter(subject), Ok(()));
        }
        assert!(subjects.enter(&capped).is_err());
        assert_eq!(subjects.enter(&uncapped), Ok(()), "it has no cap");
        subjects.leave("ann");
        assert!(subjects.enter(&capped).is_err(), "two are there still");
    }

    #[test]
    fn a_subject_that_may_have_no_connection_gets_none() {
        let refused = Subjects::default().enter(&Subject::new("ann", 0));
        let expected = Refused {
            cause: RefusalCause::PeersPerSubject,
            retry_after: Duration::from_secs(30),
        };
        assert_eq!(refused, Err(expected));
    }

    #[test]
    fn the_table_holds_only_connected_subjects() {
        let mut subjects = Subjects::default();
        let names: Vec<String> = (0..10_000)
            .map(|number| format!("subject {number}"))
            .collect();
        for name in &names {
            let subject = Subject::new(name.as_str(), 1);
            assert!(subjects.enter(&subject).is_ok() && subjects.enter(&subject).is_err());
        }
        assert_eq!(subjects.peers.len(), names.len());
        for name in &names {
            subjects.leave(name);
            subjects.leave("never came");
        }
        assert!(subjects.peers.is_empty());
    }
}

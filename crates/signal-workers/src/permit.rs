use signal_access::Subject;
use signal_core::Grant;

use crate::subject::CappedSubject;

/// What a client that may come in is given.
///
/// A [`Grant`] alone is a permit too, so a judge that has nothing else to say returns that.
///
/// ```
/// use signal_workers::{Grant, Permit, Subject};
///
/// let ann = Subject { name: "ann".into(), peers_max: 3 };
/// let permit = Permit::from(Grant::open()).subject(ann);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Permit {
    pub(crate) grant: Grant,
    pub(crate) subject: Option<CappedSubject>,
}

impl Permit {
    /// The same permit for somebody who may have only so many connections to one object at once.
    /// Past it: 429.
    #[must_use]
    pub fn subject(mut self, subject: Subject) -> Self {
        self.subject = Some(subject.into());
        self
    }
}

impl From<Grant> for Permit {
    fn from(grant: Grant) -> Self {
        Self {
            grant,
            subject: None,
        }
    }
}

use alloc::borrow::Cow;

use signal_core::Grant;

use crate::door::subject::Subject;

/// What a client that may come in is given.
///
/// A [`Grant`] alone is a permit too, so a judge that has nothing else to say returns that.
///
/// ```
/// use signal_access::{Permit, Subject};
/// use signal_core::Grant;
///
/// let permit = Permit::from(Grant::open()).subject(Subject::new("ann", 3));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Permit {
    /// What the client may do.
    pub grant: Grant,
    /// Whose connection it is.
    pub subject: Option<Subject>,
    /// The subprotocol to answer.
    pub protocol: Option<Cow<'static, str>>,
}

impl Permit {
    /// The same permit for somebody whose connections are counted. Past what they may have: 429.
    #[must_use]
    pub fn subject(mut self, subject: Subject) -> Self {
        self.subject = Some(subject);
        self
    }

    /// The same permit with the subprotocol to answer, which must be one that the client offered.
    /// Without it the first that was offered is answered.
    #[must_use]
    pub fn protocol(mut self, protocol: impl Into<Cow<'static, str>>) -> Self {
        self.protocol = Some(protocol.into());
        self
    }
}

impl From<Grant> for Permit {
    fn from(grant: Grant) -> Self {
        Self {
            grant,
            subject: None,
            protocol: None,
        }
    }
}

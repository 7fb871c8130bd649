//! The one alarm of an object: at the earliest deadline, or none.

use signal_core::Instant;

/// What is known of the alarm that the runtime keeps.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Armed {
    /// Nothing yet: the object has just woken.
    #[default]
    Unknown,
    /// There is none.
    No,
    /// It is set for this time.
    At(Instant),
}

/// What to ask of the runtime.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// Sets the alarm, in place of any other.
    Set(Instant),
    /// Takes it away: a wake for nothing would cost more.
    Delete,
}

/// What must change so that the alarm is at `due`. Nothing in the common case, as each change is
/// billed as a write.
pub(crate) fn change(armed: Armed, due: Option<Instant>) -> Option<Change> {
    match (armed, due) {
        (Armed::At(at), Some(due)) if at == due => None,
        (_, Some(due)) => Some(Change::Set(due)),
        (Armed::No, None) => None,
        (Armed::At(_) | Armed::Unknown, None) => Some(Change::Delete),
    }
}

/// What is known once `change` has been made.
pub(crate) fn after(change: Change) -> Armed {
    match change {
        Change::Set(at) => Armed::At(at),
        Change::Delete => Armed::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Instant = Instant::from_millis(1_000);
    const LATER: Instant = Instant::from_millis(2_000);

    #[test]
    fn an_alarm_is_set_for_the_deadline_and_moved_with_it() {
        assert_eq!(change(Armed::No, Some(SOON)), Some(Change::Set(SOON)));
        assert_eq!(
            change(Armed::At(SOON), Some(LATER)),
            Some(Change::Set(LATER))
        );
        assert_eq!(
            change(Armed::At(LATER), Some(SOON)),
            Some(Change::Set(SOON))
        );
        assert_eq!(change(Armed::Unknown, Some(SOON)), Some(Change::Set(SOON)));
    }

    #[test]
    fn nothing_is_written_where_nothing_changes() {
        assert_eq!(change(Armed::At(SOON), Some(SOON)), None);
        assert_eq!(change(Armed::No, None), None);
    }

    #[test]
    fn an_alarm_without_deadline_is_deleted() {
        assert_eq!(change(Armed::At(SOON), None), Some(Change::Delete));
        assert_eq!(after(Change::Delete), Armed::No);
        assert_eq!(after(Change::Set(SOON)), Armed::At(SOON));
    }
}

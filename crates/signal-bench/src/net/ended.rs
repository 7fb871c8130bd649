/// How a connection ended that this side did not end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    /// By a close frame, with its code and reason.
    Closed(Option<u16>, String),
    /// Without one.
    Cut(String),
}

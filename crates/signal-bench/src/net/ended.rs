/// How a connection ended that nobody here ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    /// By a close frame, with its code and reason.
    Closed(Option<u16>, String),
    /// Without one.
    Cut(String),
}

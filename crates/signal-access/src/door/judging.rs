/// What it costs to find that a token is not good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Judging {
    /// No more than to read the request did: a signature, a look into a table.
    Cheap,
    /// A question to somebody else, who is not to be flooded with them.
    Costly,
}

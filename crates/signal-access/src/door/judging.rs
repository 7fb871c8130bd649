/// What it costs to find that a token is not good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Judging {
    /// About as much as to read the request did: a signature, a look into a table.
    Cheap,
    /// Much more: a question to somebody else, who is not to be flooded with them, or in
    /// WebAssembly a signature of a pair of keys.
    Costly,
}

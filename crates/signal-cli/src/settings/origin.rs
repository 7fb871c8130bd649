use std::fmt;

/// Where a value comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    Flag(String),
    Variable(String),
    /// The environment as a whole.
    Environment,
    File {
        path: String,
        line: usize,
    },
    Default,
    /// A default that depends on the machine, and on what of it.
    Machine(&'static str),
}

impl Origin {
    pub(crate) fn is_default(&self) -> bool {
        matches!(self, Self::Default | Self::Machine(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Environment => f.write_str("environment variable"),
            Self::File { path, line } => write!(f, "{path}, line {line}"),
            Self::Default => f.write_str("default"),
            Self::Machine(what) => write!(f, "default: {what}"),
        }
    }
}

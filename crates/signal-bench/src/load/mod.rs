//! What connections say, and whether what they hear is right.

pub(crate) mod churn;
pub(crate) mod driver;
pub(crate) mod fanout;
pub(crate) mod flows;
pub(crate) mod idle;
pub(crate) mod join;
pub(crate) mod marker;
pub(crate) mod meeting;
pub(crate) mod opening;
pub(crate) mod paced;
pub(crate) mod placement;
pub(crate) mod random;
pub(crate) mod rooms;
pub(crate) mod slow;
pub(crate) mod stage;
pub(crate) mod tally;
pub(crate) mod template;

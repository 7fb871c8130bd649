//! The door: whom an adapter turns away, with which words, and what it counts for that.

pub(crate) mod auth_result;
pub(crate) mod permit;
pub(crate) mod refusal;
pub(crate) mod refusal_cause;
pub(crate) mod subject;

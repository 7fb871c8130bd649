//! The door: whom an adapter turns away, with which words, and what it counts for that.
//!
//! ```text
//!             refusal_cause ─▶ refusal ◀─ subject ◀─ permit     what is answered, and what is given
//!                                ▲
//!   budget, crowd, judging ─▶ account ─▶ table ─▶ addresses   who has come from where
//! ```

mod account;
pub(crate) mod addresses;
pub(crate) mod auth_result;
mod budget;
mod crowd;
pub(crate) mod judging;
pub(crate) mod permit;
pub(crate) mod refusal;
pub(crate) mod refusal_cause;
pub(crate) mod subject;
mod table;

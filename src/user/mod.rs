//! From a user spec to credentials: `[user][:group]`, with the meaning that gosu gave it.
//!
//! Pure: what it needs of the system (the user database, the caller's ids) is handed in.
//! Becoming that user is not done here but in `sys`, between clone and exec.

#![forbid(unsafe_code)]

mod credentials;
mod database;
mod spec;

pub use credentials::Credentials;
pub use database::Database;
pub(crate) use spec::group_ids;
pub use spec::{UserError, UserSpec};

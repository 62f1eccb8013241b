//! What the tests are written with: the engine, images, containers and what they say.

mod container;
mod directory;
mod engine;
mod image;
mod terminal;
mod transcript;

pub use container::{Container, Ended, Process, Recipe};
pub use directory::Directory;
pub use engine::{Engine, engine};
pub use terminal::Terminal;

use std::time::Duration;

/// Nothing waits for this long unless it has failed.
pub const DEADLINE: Duration = Duration::from_secs(120);

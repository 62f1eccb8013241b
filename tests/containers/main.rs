//! The static binary in real containers, as people run it: with gunicorn, uvicorn, celery and Django,
//! locked down in every usual way, on a terminal, and with nothing beside it.
//!
//! `tests/prepare cargo test --test containers` brings the engine and the images; where there is no
//! engine, each test says why and passes, except under `CI=true`. What a test makes carries the
//! label of its run, and goes when the run ends, however it ends.

#![forbid(unsafe_code)]

mod harness;

mod applications;
mod installing;
mod locked_down;
mod refusals;
mod requirements;
mod scratch;
mod signals;
mod terminal;

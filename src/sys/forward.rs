//! Forwarding signals to children from inside somebody else's process, for the library.
//!
//! The binary blocks every signal and reads them from a signalfd; a library may not do that to its
//! host. So a handler (by `signal-hook`, which calls on the host's own handler too) passes the
//! signals that end a program on to the children that are being waited for. When there is none,
//! what the host had stays true: the default action, where it had no handler.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

use libc::{c_int, pid_t};
use signal_hook::low_level;

/// The signals that a supervisor or a terminal uses to talk to a program.
const FORWARDED: [c_int; 7] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGWINCH,
];

/// The children that are being waited for. A slot is emptied before its child is reaped, so a PID
/// in it is always that child's and nobody else's.
static CHILDREN: [AtomicI32; 64] = [const { AtomicI32::new(0) }; 64];

/// While it lives, the signals that reach this process reach the child too.
pub struct Forwarding(Option<&'static AtomicI32>);

impl Forwarding {
    /// Begins for `pid`. With 64 children waited for at once, the 65th gets none forwarded.
    pub fn to(pid: pid_t) -> Self {
        static INSTALLED: OnceLock<()> = OnceLock::new();
        INSTALLED.get_or_init(install);
        Self(
            CHILDREN.iter().find(|slot| {
                slot.compare_exchange(0, pid, Ordering::SeqCst, Ordering::SeqCst).is_ok()
            }),
        )
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        if let Some(slot) = self.0 {
            slot.store(0, Ordering::SeqCst);
        }
    }
}

fn install() {
    for signal in FORWARDED {
        let host = host_disposition(signal);
        if host == Host::Ignores {
            // A handler would take that from the child too, which inherits only what is ignored.
            continue;
        }
        // SAFETY: the action is async-signal-safe: atomics, kill, and signal-hook's own
        // emulate_default_handler, which is documented to be. It neither allocates nor panics.
        let registered = unsafe {
            low_level::register(signal, move || {
                if !forward(signal) && host == Host::Default {
                    let _ = low_level::emulate_default_handler(signal);
                }
            })
        };
        // It fails only for signals that cannot be caught, and none of ours is one.
        let _ = registered;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Host {
    /// The default action: it has to be acted out, since our handler stands in its place.
    Default,
    Ignores,
    /// A handler of its own, which signal-hook calls as well.
    Handles,
}

fn host_disposition(signal: c_int) -> Host {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: with a null pointer for the new action, only the present one is written, to memory
    // that lives through the call.
    let action = unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr());
        action.assume_init()
    };
    match action.sa_sigaction {
        libc::SIG_DFL => Host::Default,
        libc::SIG_IGN => Host::Ignores,
        _ => Host::Handles,
    }
}

/// Sends `signal` to every child that is waited for; whether there was one.
fn forward(signal: c_int) -> bool {
    let mut any = false;
    for slot in &CHILDREN {
        let pid = slot.load(Ordering::SeqCst);
        if pid > 0 {
            any = true;
            // SAFETY: two integers. The child is not reaped while its PID stands in the slot.
            unsafe { libc::kill(pid, signal) };
        }
    }
    any
}

//! Forwarding signals to children from inside somebody else's process, for the library.
//!
//! The binary blocks every signal and waits for them one by one; a library may not do that to its
//! host. So while a child is waited for, a handler passes on the signals by which a program is told
//! what to do, and calls the host's own handler as well. When the last child has ended, what the host
//! had is put back: a registry of handlers that stays installed (as `signal-hook` and tokio keep one)
//! would have taken away the default action for good, and could not know of handlers that come later.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use libc::{c_int, c_void, pid_t, siginfo_t};

use super::signal::Signal;

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

/// A child that is waited for, as the handler sees it.
struct Slot {
    /// 0 is nobody. Emptied before the child is reaped, so a PID in it is that child's alone.
    pid: AtomicI32,
    /// The last signal that was passed on to it and asks a program to end; 0 is none.
    asked: AtomicI32,
}

static CHILDREN: [Slot; 64] =
    [const { Slot { pid: AtomicI32::new(0), asked: AtomicI32::new(0) } }; 64];

/// The host's handlers, for ours to call: by signal, with what says how to call it.
static HOST: [HostHandler; 65] =
    [const { HostHandler { function: AtomicUsize::new(0), with_info: AtomicUsize::new(0) } }; 65];

struct HostHandler {
    /// SIG_DFL, SIG_IGN or a function's address.
    function: AtomicUsize,
    with_info: AtomicUsize,
}

/// What was there before, and how many children need ours.
static INSTALLED: Mutex<(usize, Vec<(c_int, libc::sigaction)>)> = Mutex::new((0, Vec::new()));

/// While it lives, the signals that reach this process reach the child too.
pub struct Forwarding(Option<&'static Slot>);

impl Forwarding {
    /// Begins for `pid`. With 64 children waited for at once, the 65th gets none forwarded.
    ///
    /// Until it begins, the caller keeps the signals blocked in its thread; in a process with other
    /// threads, one of those may take a signal that comes before.
    pub fn to(pid: pid_t) -> Self {
        let slot = CHILDREN.iter().find(|slot| {
            slot.pid.compare_exchange(0, pid, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        });
        if let Some(slot) = slot {
            slot.asked.store(0, Ordering::SeqCst);
            let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
            if installed.0 == 0 {
                installed.1 = install();
            }
            installed.0 += 1;
        }
        Self(slot)
    }

    /// Ends it; the last signal that asked to end meanwhile.
    pub fn end(mut self) -> Option<Signal> {
        let slot = self.0.take()?;
        Some(release(slot)).and_then(Signal::new)
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            release(slot);
        }
    }
}

fn release(slot: &'static Slot) -> c_int {
    slot.pid.store(0, Ordering::SeqCst);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    installed.0 -= 1;
    if installed.0 == 0 {
        uninstall(std::mem::take(&mut installed.1));
    }
    slot.asked.load(Ordering::SeqCst)
}

fn install() -> Vec<(c_int, libc::sigaction)> {
    let mut before = Vec::new();
    for signal in FORWARDED {
        let Some(host) = present(signal) else { continue };
        if host.sa_sigaction == libc::SIG_IGN {
            // A handler would take that from the child too, which inherits only what is ignored.
            continue;
        }
        let Some(place) = HOST.get(signal as usize) else { continue };
        place.function.store(host.sa_sigaction, Ordering::SeqCst);
        place.with_info.store((host.sa_flags & libc::SA_SIGINFO) as usize, Ordering::SeqCst);
        let mut ours = host;
        ours.sa_sigaction = handler as *const () as usize;
        ours.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | (host.sa_flags & libc::SA_ONSTACK);
        // SAFETY: the handler is async-signal-safe: atomics, getpgid, getpgrp and kill, and then the
        // host's own handler, which the host had installed for this signal.
        if unsafe { libc::sigaction(signal, &ours, std::ptr::null_mut()) } == 0 {
            before.push((signal, host));
        }
    }
    before
}

/// Puts back what was there, but for a signal that the host has taken over since.
fn uninstall(before: Vec<(c_int, libc::sigaction)>) {
    for (signal, host) in before {
        let ours = |action: libc::sigaction| action.sa_sigaction == handler as *const () as usize;
        if present(signal).is_some_and(ours) {
            // SAFETY: it is what the kernel gave us for this signal.
            unsafe { libc::sigaction(signal, &host, std::ptr::null_mut()) };
        }
    }
}

fn present(signal: c_int) -> Option<libc::sigaction> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: with a null pointer for the new action, only the present one is written, to memory
    // that lives through the call; where it fails, zeroes are a valid value too.
    unsafe {
        (libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) == 0)
            .then(|| action.assume_init())
    }
}

extern "C" fn handler(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes a valid siginfo_t.
    let by_kernel = unsafe { (*info).si_code } == libc::SI_KERNEL;
    for slot in &CHILDREN {
        let pid = slot.pid.load(Ordering::SeqCst);
        if pid <= 0 {
            continue;
        }
        // SAFETY: integers. The child is not reaped while its PID stands in the slot.
        unsafe {
            // A key on the terminal has reached the whole foreground group, and so this child.
            if !(by_kernel && libc::getpgid(pid) == libc::getpgrp()) {
                libc::kill(pid, signal);
            }
        }
        if [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM].contains(&signal) {
            slot.asked.store(signal, Ordering::SeqCst);
        }
    }
    let Some(host) = HOST.get(signal as usize) else { return };
    let function = host.function.load(Ordering::SeqCst);
    if function == libc::SIG_DFL || function == libc::SIG_IGN {
        return;
    }
    // SAFETY: it is the address that the host gave to sigaction, with the flag that says how it is
    // to be called.
    unsafe {
        if host.with_info.load(Ordering::SeqCst) != 0 {
            let call: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) =
                std::mem::transmute::<usize, _>(function);
            call(signal, info, context);
        } else {
            let call: extern "C" fn(c_int) = std::mem::transmute::<usize, _>(function);
            call(signal);
        }
    }
}

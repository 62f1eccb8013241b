//! Where ours differs from an original on purpose, why, and what ours does instead.
//!
//! The numbers are those of the bugs that an init of ours has to be without, under every name:
//!
//!  1. a signal for the group is lost before the child has its group (see [`early`](crate::early))
//!  2. a child that runs its parent's handlers swallows a signal (the same)
//!  3. SIGCHLD ignored at the start: the kernel reaps, and the tool waits for ever
//!  4. ignored and blocked signals do not reach the child as they were given
//!  5. a closed stdin is fatal
//!  6. it dies of a signal that it was to forward
//!  7. the foreground of a terminal is stolen from the background, or never given back
//!  8. inherited descriptors and the working directory are kept busy
//!  9. it wakes up while nothing happens
//! 10. realtime signals are looked up beyond the end of a table (nothing of it can be seen)
//! 11. a parent that has ended already is not looked for (only a race could show it)
//! 12. one SIGCHLD may stand for a thousand (all of them get that right)
//! 13. a signal in the first microsecond is lost (see [`early`](crate::early))

use std::sync::OnceLock;

/// A difference that is meant.
pub struct Known {
    /// The name of the case; a `*` stands for anything, so that it can be the names of several.
    case: String,
    pub reason: &'static str,
    /// What is seen of ours.
    pub ours: String,
    /// Whether the original shows it each time.
    pub always: bool,
}

impl Known {
    pub fn allows(&self, seen: &str) -> bool {
        seen.trim_end() == self.ours
    }

    fn is_for(&self, case: &str) -> bool {
        matches(self.case.as_bytes(), case.as_bytes())
    }
}

fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|at| matches(rest, &text[at..])),
        ([head, rest @ ..], [first, others @ ..]) => head == first && matches(rest, others),
        (pattern, text) => pattern.is_empty() && text.is_empty(),
    }
}

fn list() -> &'static [Known] {
    static LIST: OnceLock<Vec<Known>> = OnceLock::new();
    LIST.get_or_init(|| {
        let mut list = Vec::new();
        let mut known = |case: &str, reason: &'static str, ours: &str| {
            // bash takes the terminal back at some time after it was stolen.
            let always = !reason.contains("stolen");
            list.push(Known { case: case.to_owned(), reason, ours: ours.to_owned(), always });
        };

        for name in ["tini", "tini-static", "catatonit"] {
            for signal in [4, 5, 6, 7, 8, 11, 31] {
                known(
                    &format!("{name}: * forwards {signal}"),
                    "6: it dies of a signal that it was to forward",
                    &format!("signal {signal}\nsignal 64\nexit 0"),
                );
            }
        }
        let reason = "3 and 4: CHLD stays ignored in the tool, or does not in the child";
        known("*: * heeds its children where CHLD was ignored", reason,
            "the tool heeds CHLD, the child ignores it");
        for name in ["tini", "tini-static"] {
            let reason = "5: a closed stdin is fatal";
            known(&format!("{name}: * with [0] closed"), reason, "exit 0, fds: 1 2 9");
            known(&format!("{name}: * with [0, 1, 2] closed"), reason, "exit 0, fds: 9");
            known(&format!("{name}: * wakes up while nothing happens"),
                "9: once a second", "false");
        }
        known("*: * keeps a descriptor or the directory", "8: kept busy for nothing",
            "descriptor kept: false, directory kept: false, child has both: true");

        let reset = "4: blocked and ignored signals are reset in the child";
        let added = "4: TSTP, TTIN and TTOU stay blocked in the child";
        let given = [
            ("nothing", "SigBlk: \nSigIgn:"),
            ("USR2 and 34 blocked", "SigBlk: 200000800\nSigIgn:"),
            ("HUP, USR1 and PIPE ignored", "SigBlk: \nSigIgn: 1201"),
            ("TTIN, TTOU and TSTP ignored", "SigBlk: \nSigIgn: 380000"),
        ];
        for (start, ours) in given {
            known(&format!("catatonit: * child of a start with {start}"), added, ours);
            if start != "nothing" {
                known(&format!("dumb-init: * child of a start with {start}"), reset, ours);
            }
        }

        for name in ["tini", "catatonit"] {
            let reason = "7: whoever started it finds itself in the background afterwards";
            known(&format!("{name}: * given back at the end, *"), reason, "5, in front true");
            let reason = "7: the foreground is stolen from the background";
            known(&format!("{name}: * takes the foreground from the background"), reason, "false");
        }
        let both = "stopped and continued 0\nstopped and continued 1";
        known("tini: * Ctrl-Z and fg in a shell",
            "the shell waits for ever, because only the child is stopped", both);
        known("catatonit: * Ctrl-Z and fg in a shell", added, both);

        known("tini: -vvvv -- nosuch", "ours knows of the failure before there is a child to tell of",
            "exit 127\nerr: [WARN  tini (PID)] Tini is not running as PID 1\n\
             err: [FATAL tini (PID)] exec nosuch failed: No such file or directory");
        known("dumb-init: -v nosuch", "ours knows of the failure before there is a child to tell of",
            "exit 2\nerr: [dumb-init] Unable to detach from controlling tty (errno=25 Inappropriate ioctl for \
             device).\nerr: [dumb-init] nosuch: No such file or directory");
        let reason = "TERM goes to the child alone, which is gone, and its PID free for another";
        let lines = "err: [dumb-init] A child with PID 3 exited with exit status 0.\n\
             err: [dumb-init] Child exited with status 0. Goodbye.\n\
             err: [dumb-init] Child spawned with PID 3.\n";
        known("dumb-init: -cv true", reason,
            &format!("{lines}err: [dumb-init] Received signal 17.\nexit 0"));
        known("dumb-init: DUMB_INIT_SETSID=0 -v true", reason, &format!(
            "{lines}err: [dumb-init] Not running in setsid mode.\n\
             err: [dumb-init] Received signal 17.\nexit 0"));

        let reason = "ours stands in for a later version than Debian has";
        for case in ["-V", "--version", "--vers", "--version x", "-P -V"] {
            known(&format!("catatonit: {case}"), reason, "exit 0\nout: tini version 0.2.1_catatonit");
        }
        for case in ["-v", "--version", "-v x y"] {
            known(&format!("gosu: {case}"), reason,
                concat!("exit 0\nout: 1.17 (pydexec ", env!("CARGO_PKG_VERSION"), ")"));
        }

        let reason = "a broken line of the database makes root, or a member of its group";
        for name in ["gosu", "su-exec", "pysu"] {
            let mut broken = |spec: &str, ours: &str| {
                let case = format!("{name}: {spec:?}, with broken lines in the database");
                known(&case, reason, ours);
            };
            broken("games",
                "exit 0\nUid: 5 5 5 5\nGid: 60 60 60 60\nGroups: [4, 43, 60]\nHOME=/usr/games");
            for spec in ["broken", "short", "games:broken"] {
                broken(spec, "exit 1");
            }
            let reason = "who is that user already needs no power to stay so";
            for (spec, uid, gid, home) in [
                ("games", 5, 60, "/usr/games"),
                ("", 5, 60, "/usr/games"),
                ("5:60", 5, 60, "/usr/games"),
                (":", 700, 701, "/home/app"),
                ("1000", 1000, 701, "/"),
            ] {
                known(&format!("{name}: {spec:?} by {uid}, who is not root"), reason, &format!(
                    "exit 0\nUid: {uid} {uid} {uid} {uid}\nGid: {gid} {gid} {gid} {gid}\n\
                     Groups: [{gid}]\nHOME={home}"));
            }
        }
        let reason = "ids go on to 2^32 - 2";
        for spec in ["-1", "0:4294967295"] {
            known(&format!("gosu: {spec:?}, what it says"), reason, &format!(
                "exit 1\nerr: error: failed switching to {spec:?}: uids and gids must be in range \
                 0-4294967294"));
        }
        known("gosu: mode 2755: *", "the setgid bit lets everybody become its group",
            "exit 1, tells why: true, stdout: \"\"");
        list
    })
}

/// The entry for a case.
pub fn of(case: &str) -> Option<&'static Known> {
    list().iter().find(|known| known.is_for(case))
}

/// A fault for each entry that is for none of the cases.
pub fn unused(cases: &[String]) -> Vec<String> {
    let used = |known: &&Known| cases.iter().any(|case| known.is_for(case));
    let unused = list().iter().filter(|known| !used(known));
    unused.map(|known| format!("{:?} is listed, and is no case", known.case)).collect()
}

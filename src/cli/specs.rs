//! What options the entrypoint form has, and how they are told to people.

use super::parts::Part;

/// How an option is written, and its twin in the environment.
pub(super) struct Spec {
    pub long: &'static str,
    pub part: Part,
    pub short: Option<char>,
    pub twin: &'static str,
    pub kind: Kind,
    pub value: &'static str,
    pub help: &'static str,
}

pub(super) enum Kind {
    One,
    /// Repeatable; in the twin, the values are separated by this.
    Many(u8),
    /// Repeatable; in the twin, the values are separated by blanks or new lines.
    Words,
    Flag,
}

/// Every option, in the order of the help text; those too that this build is without, so that it can say
/// so of them. No static: build/hot.ld would lay that among the data of every start.
pub(super) const SPECS: [Spec; 30] = [
    Spec {
        long: "user",
        part: Part::Init,
        short: Some('u'),
        twin: "PYDEXEC_USER",
        kind: Kind::One,
        value: "[USER][:GROUP]",
        help: "Run the command as this user, by name or number; HOME follows [default: as now]",
    },
    Spec {
        long: "workdir",
        part: Part::Init,
        short: Some('w'),
        twin: "PYDEXEC_WORKDIR",
        kind: Kind::One,
        value: "DIR",
        help: "Run the command in this directory [default: as now]",
    },
    Spec {
        long: "venv",
        part: Part::Init,
        short: None,
        twin: "PYDEXEC_VENV",
        kind: Kind::One,
        value: "DIR",
        help: "Activate this virtual environment: VIRTUAL_ENV, PATH, PYTHONHOME",
    },
    Spec {
        long: "requirements",
        part: Part::Requirements,
        short: Some('r'),
        twin: "PYDEXEC_REQUIREMENTS",
        kind: Kind::Many(b':'),
        value: "FILE",
        help: "Install these first, by uv or pip [default: /requirements.txt, if it is there]",
    },
    Spec {
        long: "no-requirements",
        part: Part::Requirements,
        short: None,
        twin: "PYDEXEC_NO_REQUIREMENTS",
        kind: Kind::Flag,
        value: "",
        help: "Install nothing, even if /requirements.txt is there",
    },
    Spec {
        long: "requirements-check",
        part: Part::Requirements,
        short: None,
        twin: "PYDEXEC_REQUIREMENTS_CHECK",
        kind: Kind::Flag,
        value: "",
        help: "Only say what is installed already and what would be; exit 1 if something would",
    },
    Spec {
        long: "requirements-timeout",
        part: Part::Requirements,
        short: None,
        twin: "PYDEXEC_REQUIREMENTS_TIMEOUT",
        kind: Kind::One,
        value: "DURATION",
        help: "How long to wait while another container installs [default: 10m]",
    },
    Spec {
        long: "project",
        part: Part::Requirements,
        short: None,
        twin: "PYDEXEC_PROJECT",
        kind: Kind::One,
        value: "DIR",
        help: "Install what DIR/pyproject.toml depends on, as DIR/uv.lock says if it is there",
    },
    Spec {
        long: "extras",
        part: Part::Requirements,
        short: None,
        twin: "PYDEXEC_EXTRAS",
        kind: Kind::Many(b','),
        value: "LIST",
        help: "Extras of that project, with commas between them",
    },
    Spec {
        long: "wheelhouse",
        part: Part::Requirements,
        short: None,
        twin: "PYDEXEC_WHEELHOUSE",
        kind: Kind::One,
        value: "DIR",
        help: "Install from the wheels in this directory alone, without a network",
    },
    Spec {
        long: "site",
        part: Part::Requirements,
        short: None,
        twin: "PYDEXEC_SITE",
        kind: Kind::One,
        value: "DIR",
        help: "Install into this directory, and neither into the venv nor into site-packages",
    },
    Spec {
        long: "installer",
        part: Part::Requirements,
        short: None,
        twin: "PYDEXEC_INSTALLER",
        kind: Kind::One,
        value: "uv|pip",
        help: "Install by this one [default: uv if it is there, else pip]",
    },
    Spec {
        long: "install-user",
        part: Part::Requirements,
        short: None,
        twin: "PYDEXEC_INSTALL_USER",
        kind: Kind::One,
        value: "[USER][:GROUP]",
        help: "Install as this user [default: that of the command]",
    },
    Spec {
        long: "keep-cache",
        part: Part::Requirements,
        short: None,
        twin: "PYDEXEC_KEEP_CACHE",
        kind: Kind::Flag,
        value: "",
        help: "Keep the installer's cache beside the packages",
    },
    Spec {
        long: "quiet",
        part: Part::Requirements,
        short: Some('q'),
        twin: "PYDEXEC_QUIET",
        kind: Kind::Flag,
        value: "",
        help: "Say nothing of an installation that goes well",
    },
    Spec {
        long: "env",
        part: Part::Init,
        short: Some('e'),
        twin: "PYDEXEC_ENV",
        kind: Kind::Many(b'\n'),
        value: "NAME[=VALUE]",
        help: "Set a variable of the command; NAME alone passes ours on",
    },
    Spec {
        long: "env-file",
        part: Part::Init,
        short: None,
        twin: "PYDEXEC_ENV_FILE",
        kind: Kind::Many(b':'),
        value: "FILE",
        help: "Set the variables of this file, a line each, as docker run --env-file reads it",
    },
    Spec {
        long: "env-remove",
        part: Part::Init,
        short: None,
        twin: "PYDEXEC_ENV_REMOVE",
        kind: Kind::Many(b','),
        value: "NAME",
        help: "Remove a variable from the command's environment",
    },
    Spec {
        long: "env-clear",
        part: Part::Init,
        short: None,
        twin: "PYDEXEC_ENV_CLEAR",
        kind: Kind::Flag,
        value: "",
        help: "Begin with an empty environment",
    },
    Spec {
        long: "secret",
        part: Part::Init,
        short: None,
        twin: "PYDEXEC_SECRET",
        kind: Kind::Many(b','),
        value: "NAME[=FILE]",
        help: "Set NAME from the file that NAME_FILE names, or else from FILE",
    },
    Spec {
        long: "opt-from-env",
        part: Part::Init,
        short: None,
        twin: "PYDEXEC_OPT_FROM_ENV",
        kind: Kind::Many(b'\n'),
        value: "OPT NAME[:-VALUE]",
        help: "Add OPT and the value of NAME; :-VALUE is for when it is not set, :? an error",
    },
    Spec {
        long: "arg-from-env",
        part: Part::Init,
        short: None,
        twin: "PYDEXEC_ARG_FROM_ENV",
        kind: Kind::Many(b'\n'),
        value: "NAME[:-VALUE]",
        help: "Add the value of NAME as an argument, after all options",
    },
    Spec {
        long: "wait",
        part: Part::Checks,
        short: None,
        twin: "PYDEXEC_WAIT",
        kind: Kind::Words,
        value: "TARGET",
        help: "Wait first for tcp://HOST:PORT, http://HOST[:PORT]/PATH, unix:///PATH or file:///PATH",
    },
    Spec {
        long: "wait-timeout",
        part: Part::Checks,
        short: None,
        twin: "PYDEXEC_WAIT_TIMEOUT",
        kind: Kind::One,
        value: "DURATION",
        help: "How long to wait, as in 500ms, 10s, 5m [default: 60s]",
    },
    Spec {
        long: "template",
        part: Part::Templates,
        short: None,
        twin: "PYDEXEC_TEMPLATE",
        kind: Kind::Many(b'\n'),
        value: "SRC:DEST",
        help: "Render this Jinja2 template, or directory of them, with the command's environment as env",
    },
    Spec {
        long: "own",
        part: Part::Init,
        short: None,
        twin: "PYDEXEC_OWN",
        kind: Kind::Many(b':'),
        value: "PATH",
        help: "Give PATH and all below it to --user: only what is not theirs yet, no links followed",
    },
    Spec {
        long: "run",
        part: Part::Init,
        short: None,
        twin: "PYDEXEC_RUN",
        kind: Kind::Many(b'\n'),
        value: "COMMAND",
        help: "Run this before the command, as its user; split as a shell splits, without one",
    },
    Spec {
        long: "group",
        part: Part::Init,
        short: Some('g'),
        twin: "PYDEXEC_GROUP",
        kind: Kind::Flag,
        value: "",
        help: "Forward signals to the command's whole process group, not to the command alone",
    },
    Spec {
        long: "exec",
        part: Part::Init,
        short: None,
        twin: "PYDEXEC_EXEC",
        kind: Kind::Flag,
        value: "",
        help: "Replace this process by the command: no signals forwarded, no zombies reaped",
    },
    Spec {
        long: "verbose",
        part: Part::Init,
        short: Some('v'),
        twin: "PYDEXEC_VERBOSE",
        kind: Kind::Flag,
        value: "",
        help: "Tell each step on stderr, and how long it took",
    },
];

impl Spec {
    /// Whether this build takes it.
    pub fn is_taken(&self) -> bool {
        // What this one asks for, a build without requirements does anyway.
        self.part.is_built() || self.long == "no-requirements"
    }
}

/// The options of this build.
pub(super) fn taken() -> impl Iterator<Item = &'static Spec> {
    SPECS.iter().filter(|spec| spec.is_taken())
}

pub(super) const ABOUT: &str = if Part::Requirements.is_built() {
    "The entrypoint of a Python container: PID 1, user, requirements, signals, zombies"
} else {
    "The entrypoint of a Python container: PID 1, user, signals, zombies"
};

/// What stands below the options in the help text, of the parts that are built.
pub(super) fn after_help() -> String {
    let only = |part: Part, text: &'static str| if part.is_built() { text } else { "" };
    let extras = match Part::Requirements.is_built() {
        true => "--env-remove, --secret and --extras",
        false => "--env-remove and --secret",
    };
    let wait = only(Part::Checks, " --wait by blanks,");
    let file = only(
        Part::File,
        "The same from a file: pydexec run FILE; what it would do: pydexec check FILE. ",
    );
    let checks = only(Part::Checks, "wait, health, ");
    let installer = only(Part::Requirements, " or of an installer");
    let timeout = only(Part::Checks, " 124 a wait that timed out,");
    format!(
        "\
Without COMMAND, Python's own prompt starts. Every option has a twin in the environment,
PYDEXEC_ and its name in capitals with _ for -; the command line wins over the twin, an empty
twin counts as unset, and the command does not get to see it. In a twin, several values are
separated: FILEs and PATHs by :, {extras} by a comma,{wait}
all others by a new line; a flag is 1 or 0.

{file}Tools of their own:
pydexec {checks}su, links. Each has a --help.

Exit codes: the command's own, or 128+N if signal N killed it; that of a --run{installer}
that failed; 127 not found, 126 not executable,{timeout} 2 a wrong option,
variable, file or user, 1 anything else."
    )
}

//! Who runs in which race.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::race::Race;

/// Where things lie on this machine.
pub struct Places {
    /// What `benches/prepare` filled.
    pub folder: PathBuf,
    pub pydexec: PathBuf,
    pub probe: PathBuf,
}

impl Places {
    pub fn new(folder: PathBuf) -> Self {
        let variable = |name| std::env::var_os(name).map(PathBuf::from).unwrap_or_default();
        Self { folder, pydexec: variable("PYDEXEC_BIN"), probe: variable("PYDEXEC_PROBE") }
    }

    /// The program that does nothing.
    pub fn target(&self) -> PathBuf {
        self.folder.join("target")
    }

    /// One of the names of this project's binary.
    pub fn ours(&self, name: &str) -> PathBuf {
        self.folder.join("names").join(name)
    }

    /// A file of Debian's packages.
    pub fn debian(&self, path: &str) -> PathBuf {
        self.folder.join("peers").join(path)
    }
}

/// Starts `program` with the environment of a container: no variable that tells this program where
/// things are, since `pydexec` looks at those of its own prefix.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", "/");
    command
}

/// One that runs: a name, and the words of its command line.
#[derive(Clone)]
pub struct Contestant {
    pub name: String,
    pub words: Vec<String>,
    /// Whether it is this project's.
    pub ours: bool,
    /// Variables that it is given besides those of `command`.
    pub variables: Vec<(&'static str, String)>,
    /// A file that is to be made anew, and is removed before each start.
    pub fresh: Option<PathBuf>,
    /// It runs in each round that this divides: what takes seconds runs less often.
    pub every: usize,
}

impl Contestant {
    pub fn new(name: &str, program: &Path, arguments: &[&str]) -> Self {
        let mut words = vec![program.display().to_string()];
        words.extend(arguments.iter().map(|word| word.to_string()));
        Self {
            name: name.to_owned(),
            words,
            ours: false,
            variables: Vec::new(),
            fresh: None,
            every: 1,
        }
    }

    pub fn ours(mut self) -> Self {
        self.ours = true;
        self
    }

    /// The same with another target behind it.
    pub fn with(&self, target: &[&str]) -> Vec<String> {
        self.words.iter().cloned().chain(target.iter().map(|word| word.to_string())).collect()
    }

    fn exists(&self) -> bool {
        self.words.first().is_some_and(|program| Path::new(program).exists())
    }
}

/// Those of them that are on this machine.
pub fn present(contestants: Vec<Contestant>) -> Vec<Contestant> {
    let (there, missing): (Vec<_>, Vec<_>) = contestants.into_iter().partition(Contestant::exists);
    for contestant in missing {
        eprintln!("not here, left out: {}", contestant.name);
    }
    there
}

/// The name in all races of the program that everything is told as a ratio to.
pub const BARE: &str = "the target alone";
pub const SU_EXEC: &str = "su-exec's calls, static C";
pub const DUMB_INIT: &str = "dumb-init, static";
pub const TINI: &str = "tini-static";
pub const BY_OPTIONS: &str = "pydexec --user --env --workdir";
pub const PYDEXEC: &str = "pydexec --";

/// The target alone, and the contestants with the target behind them.
fn before_target(places: &Places, title: &'static str, contestants: Vec<Contestant>) -> Race {
    let target = places.target().display().to_string();
    let mut all = vec![Contestant::new(BARE, &places.target(), &[])];
    all.extend(present(contestants).into_iter().map(|mut contestant| {
        contestant.words.push(target.clone());
        contestant
    }));
    Race { title, contestants: all, drawn: true }
}

/// What changes the user and becomes the target.
pub fn switches(places: &Places) -> Race {
    let (numbers, names) = ("65534:65534", "nobody:nogroup");
    let tool = |name: &str, program: PathBuf, user: &str| {
        let name = match user == names {
            true => format!("{name}, by name"),
            false => name.to_owned(),
        };
        Contestant::new(&name, &program, &[user])
    };
    let su_exec = places.folder.join("su-exec");
    let (pysu, gosu) = (places.ours("pysu"), places.debian("usr/sbin/gosu"));
    let contestants = vec![
        tool("the least, static C", places.folder.join("su"), numbers),
        tool(SU_EXEC, su_exec.clone(), numbers),
        tool("pysu", pysu.clone(), numbers).ours(),
        tool(SU_EXEC, su_exec, names),
        tool("pysu", pysu, names).ours(),
        tool("gosu", gosu.clone(), numbers),
        tool("gosu", gosu, names),
        Contestant::new(
            "setpriv",
            Path::new("/usr/bin/setpriv"),
            &["--reuid=65534", "--regid=65534", "--clear-groups"],
        ),
    ];
    before_target(places, "change the user and run", contestants)
}

/// What starts the target and waits for its end.
pub fn starts(places: &Places) -> Race {
    let shell =
        |name, program| Contestant::new(name, Path::new(program), &["-c", "\"$0\"; exit $?"]);
    let mut contestants = inits(places);
    contestants.extend([shell("sh -c", "/bin/sh"), shell("bash -c", "/bin/bash")]);
    before_target(places, "run as init, to the end", contestants)
}

/// All that can stand as a container's init, before its command.
pub fn inits(places: &Places) -> Vec<Contestant> {
    present(vec![
        Contestant::new(DUMB_INIT, &places.folder.join("dumb-init-static"), &[]),
        Contestant::new(PYDEXEC, &places.ours("pydexec"), &["--"]).ours(),
        Contestant::new("pydexec as tini", &places.ours("tini"), &["-s", "--"]).ours(),
        Contestant::new("pydexec as dumb-init", &places.ours("dumb-init"), &[]).ours(),
        Contestant::new(TINI, &places.debian("usr/bin/tini-static"), &["-s", "--"]),
        Contestant::new("tini", &places.debian("usr/bin/tini"), &["-s", "--"]),
        Contestant::new("dumb-init", &places.debian("usr/bin/dumb-init"), &[]),
        Contestant::new("catatonit", &places.debian("usr/bin/catatonit"), &["--"]),
    ])
}

/// Those of which it is looked at what they cost while they wait: the inits, and a start by options.
pub fn idlers(places: &Places) -> Vec<Contestant> {
    let options = ["--user", "0:0", "--env", "A=B", "--workdir", "/", "--"];
    let mut idlers = inits(places);
    idlers.insert(2, Contestant::new(BY_OPTIONS, &places.ours("pydexec"), &options).ours());
    idlers
}

/// The size of each file in bytes; a dynamic program needs its libraries besides.
pub fn sizes(places: &Places) -> Vec<(String, u64)> {
    let files = [
        (WHOLE, places.pydexec.clone()),
        (INIT_ONLY, places.folder.join("pydexec-init")),
        (DUMB_INIT, places.folder.join("dumb-init-static")),
        (TINI, places.debian("usr/bin/tini-static")),
        ("catatonit", places.debian("usr/bin/catatonit")),
        ("gosu", places.debian("usr/sbin/gosu")),
    ];
    files
        .into_iter()
        .filter_map(|(name, file)| Some((name.to_owned(), fs::metadata(file).ok()?.len())))
        .collect()
}

pub const WHOLE: &str = "pydexec";
pub const INIT_ONLY: &str = "pydexec, init alone";

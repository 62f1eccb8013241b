//! Who runs in which race.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

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

    fn ours(&self, name: &str) -> PathBuf {
        self.folder.join("names").join(name)
    }

    fn debian(&self, path: &str) -> PathBuf {
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
}

impl Contestant {
    fn new(name: &str, program: &Path, arguments: &[&str]) -> Self {
        let mut words = vec![program.display().to_string()];
        words.extend(arguments.iter().map(|word| word.to_string()));
        Self { name: name.to_owned(), words, ours: false }
    }

    fn ours(mut self) -> Self {
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

fn present(contestants: Vec<Contestant>) -> Vec<Contestant> {
    let (there, missing): (Vec<_>, Vec<_>) = contestants.into_iter().partition(Contestant::exists);
    for contestant in missing {
        eprintln!("not here, left out: {}", contestant.name);
    }
    there
}

/// The races: a title, the barest exec first.
pub fn races(places: &Places) -> Vec<(&'static str, Vec<Contestant>)> {
    let target = places.target().display().to_string();
    let behind = |mut contestants: Vec<Contestant>| {
        let bare = Contestant::new("the target alone", &places.target(), &[]);
        for contestant in &mut contestants {
            contestant.words.push(target.clone());
        }
        let mut all = vec![bare];
        all.extend(present(contestants));
        all
    };
    let user = "65534:65534";
    let switch = vec![
        Contestant::new("the least, static C", &places.folder.join("su"), &[user]),
        Contestant::new("pysu", &places.ours("pysu"), &[user]).ours(),
        Contestant::new("gosu", &places.debian("usr/sbin/gosu"), &[user]),
        Contestant::new(
            "setpriv",
            Path::new("/usr/bin/setpriv"),
            &["--reuid=65534", "--regid=65534", "--clear-groups"],
        ),
    ];
    let shell = vec![
        Contestant::new("sh -c", Path::new("/bin/sh"), &["-c", "\"$0\"; exit $?"]),
        Contestant::new("bash -c", Path::new("/bin/bash"), &["-c", "\"$0\"; exit $?"]),
    ];
    let mut init = inits(places);
    init.extend(shell);
    vec![("change the user and run", behind(switch)), ("run as init, to the end", behind(init))]
}

/// All that can stand as a container's init, before its command.
pub fn inits(places: &Places) -> Vec<Contestant> {
    present(vec![
        Contestant::new("dumb-init, static", &places.folder.join("dumb-init-static"), &[]),
        Contestant::new("pydexec --", &places.ours("pydexec"), &["--"]).ours(),
        Contestant::new("pydexec as tini", &places.ours("tini"), &["-s", "--"]).ours(),
        Contestant::new("pydexec as dumb-init", &places.ours("dumb-init"), &[]).ours(),
        Contestant::new("tini-static", &places.debian("usr/bin/tini-static"), &["-s", "--"]),
        Contestant::new("tini", &places.debian("usr/bin/tini"), &["-s", "--"]),
        Contestant::new("dumb-init", &places.debian("usr/bin/dumb-init"), &[]),
        Contestant::new("catatonit", &places.debian("usr/bin/catatonit"), &["--"]),
    ])
}

/// The size of each file in bytes; a dynamic program needs its libraries besides.
pub fn sizes(places: &Places) -> Vec<(String, u64)> {
    let files = [
        ("pydexec", places.pydexec.clone()),
        ("dumb-init, static", places.folder.join("dumb-init-static")),
        ("tini-static", places.debian("usr/bin/tini-static")),
        ("catatonit", places.debian("usr/bin/catatonit")),
        ("gosu", places.debian("usr/sbin/gosu")),
    ];
    files
        .into_iter()
        .filter_map(|(name, file)| Some((name.to_owned(), fs::metadata(file).ok()?.len())))
        .collect()
}

//! The Docker engine as `tests/prepare` found it, and the promise that nothing is left in it.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, io, process};

use super::DEADLINE;

/// A client that reaches an engine, and what the containers are made of.
pub struct Engine {
    docker: PathBuf,
    /// An image with Python, without pydexec.
    pub base: String,
    /// The demo's image: pydexec, and nothing installed.
    pub demo: String,
    pub wheelhouse: PathBuf,
    pub binary: PathBuf,
    pub probe: PathBuf,
    _sweeper: Child,
}

/// The engine; or nothing, after saying why the test cannot run.
pub fn engine() -> Option<&'static Engine> {
    static ENGINE: OnceLock<Result<Engine, String>> = OnceLock::new();
    match ENGINE.get_or_init(Engine::find) {
        Ok(engine) => Some(engine),
        Err(why) => {
            assert_ne!(
                env::var("CI").as_deref(),
                Ok("true"),
                "under CI no test is left out: {why}"
            );
            // Not by a macro, whose output is kept back when a test passes.
            let _ = writeln!(io::stderr(), "left out, for there is no container: {why}");
            None
        }
    }
}

impl Engine {
    fn find() -> Result<Self, String> {
        if let Ok(why) = env::var("PYDEXEC_NO_DOCKER") {
            return Err(why);
        }
        let variable = |name: &str| {
            env::var(name).map_err(|_| format!("{name} is not set; run tests/prepare cargo test"))
        };
        let docker = PathBuf::from(variable("PYDEXEC_DOCKER")?);
        Ok(Self {
            base: variable("PYDEXEC_BASE")?,
            demo: variable("PYDEXEC_IMAGE")?,
            wheelhouse: variable("PYDEXEC_WHEELHOUSE")?.into(),
            binary: variable("PYDEXEC_BIN")?.into(),
            probe: variable("PYDEXEC_PROBE")?.into(),
            _sweeper: sweeper(&docker),
            docker,
        })
    }

    /// A client, to be followed.
    pub fn client<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.docker);
        command.args(args).stdin(Stdio::null());
        command
    }

    /// What a client has to say, whatever its end; it is killed when it takes too long.
    pub fn ask<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        let mut command = Command::new("timeout");
        command.args(["--signal=KILL", &DEADLINE.as_secs().to_string()]);
        command.arg(&self.docker).args(args).stdin(Stdio::null()).output().unwrap()
    }

    /// What a client that succeeds prints, without the end of the last line.
    pub fn docker<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let args: Vec<_> = args.into_iter().map(|word| word.as_ref().to_owned()).collect();
        let output = self.ask(&args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {args:?}: {}\n{stderr}", output.status);
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// A network of containers, by name; it goes with the run.
    pub fn network(&self) -> Network<'_> {
        let name = unique();
        self.docker(["network", "create", "--label", &label(), &name]);
        Network { engine: self, name }
    }
}

/// A network that goes when it is dropped, after the containers in it.
pub struct Network<'e> {
    engine: &'e Engine,
    pub name: String,
}

impl Drop for Network<'_> {
    fn drop(&mut self) {
        let _ = self.engine.ask(["network", "rm", &self.name]);
    }
}

/// A name that nothing else has.
pub fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}{}", of_this_run(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What the names of this run begin with.
fn of_this_run() -> String {
    format!("pydexec-test-{}-", process::id())
}

/// What everything of this run is labelled with.
pub fn label() -> String {
    format!("pydexec-test={}", process::id())
}

/// Removes what is left when this process has gone, by whatever way: the end of its stdin is ours.
fn sweeper(docker: &PathBuf) -> Child {
    const SWEEP: &str = r#"
        cat
        "$0" ps --all --quiet --filter "label=$1" | xargs --no-run-if-empty "$0" rm --force --volumes
        "$0" network ls --quiet --filter "label=$1" | xargs --no-run-if-empty "$0" network rm
        "$0" images --quiet --filter "label=$1" | xargs --no-run-if-empty "$0" rmi --force
        rm -rf "$2"*
    "#;
    Command::new("sh")
        .args(["-c", SWEEP])
        .arg(docker)
        .arg(label())
        .arg(env::temp_dir().join(of_this_run()))
        // Out of reach of the Ctrl-C that ends the tests.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

//! The entrypoint file against the same entrypoint as a script.
//!
//! Before they race they are held to come to the same: arguments, environment, user, the file that is
//! made from the template.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::contestants::{BARE, Contestant, PYDEXEC, Places, command, present};
use crate::race::Race;

pub const RUN: &str = "pydexec run FILE";
pub const ENVSUBST: &str = "bash, envsubst, gosu";
pub const BUILTINS: &str = "bash, gosu";

const FILE: &str = include_str!("../entrypoint/entrypoint.toml");
const SCRIPT: &str = include_str!("../entrypoint/script.sh");
const WITH_ENVSUBST: &str = include_str!("../entrypoint/with-envsubst.sh");
const WITH_BUILTINS: &str = include_str!("../entrypoint/with-builtins.sh");

/// What the container is started with, besides PATH and HOME. LOG_LEVEL is left to its default.
const VARIABLES: [(&str, &str); 11] = [
    ("PORT", "8080"),
    ("WEB_CONCURRENCY", "4"),
    ("THREADS", "2"),
    ("TIMEOUT", "60"),
    ("KEEP_ALIVE", "5"),
    ("MAX_REQUESTS", "1000"),
    ("DEBUG", "1"),
    ("EXTRA_ARGS", "--preload"),
    ("APP_MODULE", "app.wsgi:application"),
    ("DB_HOST", "db"),
    ("REGION", "eu-west-1"),
];

/// What they make of these.
const ARGUMENTS: [&str; 16] = [
    "--bind=0.0.0.0:8080",
    "--workers",
    "4",
    "--threads",
    "2",
    "--timeout",
    "60",
    "--keep-alive",
    "5",
    "--log-level",
    "info",
    "--max-requests",
    "1000",
    "--reload",
    "--preload",
    "app.wsgi:application",
];

/// The race, after a proof that all come to the same.
pub fn race(places: &Places) -> Race {
    let here = places.folder.join("entrypoint");
    let scene = Scene { places, here };
    scene.lay();
    let probe = places.probe.display().to_string();
    let [state, arguments] = ["state", "args"].map(|word| {
        let contestants = scene.contestants(&format!("{probe} {word}"), word);
        contestants.iter().map(|one| scene.outcome(one)).collect::<Vec<_>>()
    });
    let hexadecimal = |word: &&str| word.bytes().map(|byte| format!("{byte:02x}")).collect();
    let expected: Vec<String> = ARGUMENTS.iter().map(hexadecimal).collect();
    for outcome in &arguments {
        assert_eq!(outcome.lines, expected, "{}", outcome.name);
    }
    for outcome in &state {
        let first = state.first().expect("an outcome");
        assert_eq!(outcome.told(), first.told(), "{} and {}", outcome.name, first.name);
        assert_eq!(outcome.file, first.file, "{} and {}", outcome.name, first.name);
        let uid = "Uid: 65534 65534 65534 65534";
        assert!(outcome.lines.iter().any(|line| line == uid), "{}", outcome.name);
        let (text, owner, group, mode) = &outcome.file;
        assert!(text.contains("s3cret@db") && text.contains("eu-west-1"), "{text}");
        assert_eq!((*owner, *group, *mode), (65534, 65534, 0o644), "{}", outcome.name);
    }
    let target = places.target().display().to_string();
    let bare = Contestant::new(BARE, &places.target(), &ARGUMENTS);
    let words: Vec<&str> = ["--", &target].into_iter().chain(ARGUMENTS).collect();
    let pydexec = Contestant::new(PYDEXEC, &places.ours("pydexec"), &words).ours();
    let mut contestants = vec![scene.with_variables(bare), scene.with_variables(pydexec)];
    contestants.extend(scene.contestants(&target, "target"));
    Race { title: "an entrypoint, to the end of the target", contestants, drawn: true }
}

/// The files that the entrypoint stands on.
struct Scene<'a> {
    places: &'a Places,
    here: PathBuf,
}

/// What the command saw, and what lies on the disk.
struct Outcome {
    name: String,
    lines: Vec<String>,
    file: (String, u32, u32, u32),
}

impl Outcome {
    /// Who it was and its environment, without what differs by nature (its PID), what bash adds of
    /// itself, and its only group once more among the further groups, which gosu leaves out.
    fn told(&self) -> BTreeSet<&str> {
        let of_bash = ["env _=", "env PWD=", "env OLDPWD=", "env SHLVL="];
        let kept = ["Uid:", "Gid:", "Groups:", "SigBlk:", "CapEff:", "cwd:", "env "];
        let lines = self.lines.iter().map(|line| match line.as_str() {
            "Groups: 65534" => "Groups:",
            line => line,
        });
        let lines = lines.filter(|line| kept.iter().any(|start| line.starts_with(start)));
        lines.filter(|line| !of_bash.iter().any(|start| line.starts_with(start))).collect()
    }
}

impl Scene<'_> {
    fn lay(&self) {
        let write = |name: &str, text: &str| {
            fs::write(self.here.join(name), text).expect("a file below the folder of the bench");
        };
        fs::create_dir_all(&self.here).expect("a folder below that of the bench");
        write("db_password", "s3cret\n");
        write("secret_key", "k3y-0123456789\n");
        write("settings.ini.j2", include_str!("../entrypoint/settings.ini.j2"));
        write("settings.ini.template", include_str!("../entrypoint/settings.ini.template"));
    }

    /// All of them, with another command.
    fn contestants(&self, command: &str, name: &str) -> Vec<Contestant> {
        let file = self.write(&format!("{name}.toml"), FILE, command);
        let file = file.to_str().expect("a path in UTF-8");
        let script = |title: &str, name: String, end: &str| {
            let file = self.write(&name, &format!("{SCRIPT}{end}"), command);
            Contestant::new(title, &file, &[])
        };
        let mut contestants =
            vec![Contestant::new(RUN, &self.places.ours("pydexec"), &["run", file]).ours()];
        if self.places.debian("usr/sbin/gosu").exists() {
            contestants.push(script(BUILTINS, format!("{name}.builtins"), WITH_BUILTINS));
            if Path::new("/usr/bin/envsubst").exists() {
                contestants.push(script(ENVSUBST, format!("{name}.envsubst"), WITH_ENVSUBST));
            }
        }
        present(contestants).into_iter().map(|one| self.with_variables(one)).collect()
    }

    fn write(&self, name: &str, text: &str, command: &str) -> PathBuf {
        let here = self.here.to_str().expect("a path in UTF-8");
        let text = text.replace("@HERE@", here).replace("@COMMAND@", command);
        let file = self.here.join(name);
        fs::write(&file, text).expect("a file below the folder of the bench");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("our own file");
        file
    }

    fn with_variables(&self, mut contestant: Contestant) -> Contestant {
        let gosu = self.places.debian("usr/sbin");
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", gosu.display());
        let file = |name: &str| self.here.join(name).display().to_string();
        contestant.variables = vec![
            ("PATH", path),
            ("DB_PASSWORD_FILE", file("db_password")),
            ("SECRET_KEY_FILE", file("secret_key")),
        ];
        contestant.variables.extend(VARIABLES.map(|(name, value)| (name, value.to_owned())));
        contestant.fresh = Some(self.here.join("settings.ini"));
        contestant
    }

    fn outcome(&self, contestant: &Contestant) -> Outcome {
        let result = self.here.join("settings.ini");
        let _ = fs::remove_file(&result);
        let (program, arguments) = contestant.words.split_first().expect("a program");
        let output = command(program)
            .args(arguments)
            .envs(contestant.variables.iter().cloned())
            .output()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}: {complaint}", contestant.name);
        let text = fs::read_to_string(&result).expect("the file of the template");
        let metadata = fs::metadata(&result).expect("the file of the template");
        let mode = metadata.mode() & 0o7777;
        Outcome {
            name: contestant.name.clone(),
            lines: String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect(),
            file: (text, metadata.uid(), metadata.gid(), mode),
        }
    }
}

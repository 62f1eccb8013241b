//! The `entrypoint.sh` that people have, and our file for the same: both run in the same place, and
//! what comes of them is compared. Each pair stands in `tests/idioms`.

#![cfg(feature = "file")]

mod support;

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::FromRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use support::{Exit, Need, Output, Running, Scene, Scratch, able, binary, program, pydexec};

/// What the command is in all of them: it tells all that an entrypoint decides about a command. Left
/// out is what a shell sets for itself.
const REPORT: &str = "#!/bin/bash\n\
    printf 'arg <%s>\\n' \"$@\"\n\
    echo \"in $(pwd) as $(id -u):$(id -g) $(id -G)\"\n\
    env | grep -vE '^(PWD|OLDPWD|SHLVL|_)=' | LC_ALL=C sort\n";

/// Two ways to the same end.
#[derive(Clone, Copy, Debug)]
enum Way {
    Shell,
    File,
}

/// An idiom in a directory that will be `/mnt`.
struct Idiom {
    scratch: Scratch,
    way: Way,
}

impl Idiom {
    fn new(name: &str, way: Way) -> Self {
        let scratch = Scratch::new();
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/idioms").join(name);
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            scratch.copy(entry.path(), entry.file_name());
        }
        scratch.directory("bin");
        scratch.executable("bin/report", REPORT);
        std::os::unix::fs::symlink(binary(), scratch.at("bin/gosu")).unwrap();
        Self { scratch, way }
    }

    fn scene(&self, words: &[&str], environment: &[(&str, &str)]) -> Scene {
        let mut scene = match self.way {
            Way::Shell => program("/mnt/entrypoint.sh", words),
            Way::File => pydexec(["run", "/mnt/entrypoint.toml"].iter().chain(words)),
        };
        for (name, value) in environment {
            scene = scene.env(name, value);
        }
        scene
            .env("PATH", "/mnt/bin:/usr/local/bin:/usr/bin:/bin")
            .env("HOME", "/nowhere")
            .as_pid1()
            .with_mount(self.scratch.path(), "/mnt")
    }
}

/// Runs both, each in a directory of its own that `prepare` has made ready.
fn both(
    name: &str,
    words: &[&str],
    environment: &[(&str, &str)],
    prepare: impl Fn(&Scratch),
) -> [(Output, Vec<String>); 2] {
    [Way::Shell, Way::File].map(|way| {
        let idiom = Idiom::new(name, way);
        prepare(&idiom.scratch);
        let output = idiom.scene(words, environment).output();
        (output, listing(idiom.scratch.path()))
    })
}

/// The files that were made or given away: with owner, mode and content.
fn listing(directory: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Vec<PathBuf> = vec![directory.join("data"), directory.join("settings.ini")];
    while let Some(path) = open.pop() {
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        let name = path.strip_prefix(directory).unwrap().display().to_string();
        let (owner, mode) = (metadata.uid(), metadata.permissions().mode() & 0o7777);
        let content =
            if metadata.is_file() { fs::read_to_string(&path).unwrap() } else { String::new() };
        lines.push(format!("{name} {owner}:{} {mode:o} {content:?}", metadata.gid()));
        if metadata.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    lines.sort();
    lines
}

/// Both ended well, and nobody can tell one from the other. Returns what the command told.
#[track_caller]
fn same(results: [(Output, Vec<String>); 2]) -> String {
    let [(shell, shell_files), (file, file_files)] = results;
    assert_eq!(shell.stdout, file.stdout, "\n{shell:?}\n{file:?}");
    assert_eq!((shell.exit, &shell_files), (file.exit, &file_files), "\n{shell:?}\n{file:?}");
    assert_eq!(file.exit, Exit::Code(0), "{file:?}");
    file.stdout
}

fn nothing(_: &Scratch) {}

/// A port on which nobody listens until somebody is told to.
struct Port(TcpListener, u16);

impl Port {
    fn bound() -> Self {
        // SAFETY: the address is as long as is said, and the descriptor is nobody else's.
        unsafe {
            let fd = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
            let mut address: libc::sockaddr_in = std::mem::zeroed();
            address.sin_family = libc::AF_INET as u16;
            address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
            let length = std::mem::size_of::<libc::sockaddr_in>() as u32;
            assert_eq!(libc::bind(fd, (&raw const address).cast(), length), 0);
            let listener = TcpListener::from_raw_fd(fd);
            let port = listener.local_addr().unwrap().port();
            Self(listener, port)
        }
    }

    fn listen(&self) {
        use std::os::fd::AsRawFd;
        // SAFETY: two integers.
        assert_eq!(unsafe { libc::listen(self.0.as_raw_fd(), 8) }, 0);
    }
}

#[test]
fn waiting_for_a_database() {
    if !able(Need::Namespaces) {
        return;
    }
    let told = [Way::Shell, Way::File].map(|way| {
        let port = Port::bound();
        let address = SocketAddr::from(([127, 0, 0, 1], port.1));
        assert!(TcpStream::connect(address).is_err());
        let idiom = Idiom::new("database", way);
        let number = port.1.to_string();
        let environment = [("DB_HOST", "127.0.0.1"), ("DB_PORT", number.as_str())];
        let words: &[&str] = match way {
            Way::Shell => &["report", "serve"],
            Way::File => &["serve"],
        };
        let mut run: Running = idiom.scene(words, &environment).start();
        port.listen();
        let told = run.rest();
        assert_eq!(run.end(), Exit::Code(0));
        told.replace(&number, "PORT")
    });
    assert_eq!(told[0], told[1]);
    assert!(told[0].contains("arg <serve>"), "{told:?}");
}

#[test]
fn secrets_by_file_env() {
    if !able(Need::Namespaces) {
        return;
    }
    let with_file = |scratch: &Scratch| {
        scratch.file("password", "s3cret\n\n");
    };
    let file = ("DB_PASSWORD_FILE", "/mnt/password");
    for (environment, password) in [
        (&[file][..], "s3cret"),
        (&[("DB_PASSWORD", "given")], "given"),
        (&[("DB_PASSWORD", ""), file], "s3cret"),
        (&[], "fallback"),
        (&[("DB_PASSWORD_FILE", "")], "fallback"),
    ] {
        let told = same(both("file_env", &["-x"], environment, with_file));
        assert!(
            told.contains(&format!("DATABASE_URL=postgres://app:{password}@db/app\n")),
            "{told}"
        );
        assert!(!told.contains("_FILE"), "{told}");
    }
    // Both: neither starts anything.
    for (output, _) in both("file_env", &[], &[file, ("DB_PASSWORD", "x")], with_file) {
        assert!(output.exit != Exit::Code(0) && output.stdout.is_empty(), "{output:?}");
    }
    // Here they differ: the status of `cat` is lost behind `export`, and the script goes on with an
    // empty password.
    let environment = [("DB_PASSWORD_FILE", "/nonexistent/password")];
    let [(shell, _), (file, _)] = both("file_env", &[], &environment, with_file);
    assert!(shell.stdout.contains("postgres://app:@db/app"), "{shell:?}");
    assert_eq!((file.exit, file.stdout.as_str()), (Exit::Code(2), ""), "{file:?}");
}

#[test]
fn migrate_then_serve() {
    if !able(Need::Namespaces) {
        return;
    }
    let programs = |code: u8| {
        move |scratch: &Scratch| {
            scratch.executable("bin/migrate", format!("#!/bin/sh\necho migrate $@\nexit {code}\n"));
            scratch.executable("bin/collect", "#!/bin/sh\necho collect\nexit 3\n");
        }
    };
    let told = same(both("migrate", &[], &[], programs(0)));
    assert!(told.starts_with("migrate --noinput\ncollect\narg <serve>\n"), "{told}");
    let told = same(both("migrate", &["-v"], &[("SKIP_MIGRATE", "1")], programs(0)));
    assert!(told.starts_with("collect\narg <serve>\narg <-v>\n"), "{told}");
    // One that fails ends both with its code.
    for (output, _) in both("migrate", &[], &[], programs(5)) {
        assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(5), "migrate --noinput\n"));
    }
}

#[test]
fn the_case_over_the_first_word() {
    if !able(Need::Namespaces) {
        return;
    }
    for (words, begins) in [
        (&[][..], "arg <web>\narg <--workers>\narg <2>\nin /"),
        (&["--reload", "a b"], "arg <web>\narg <--workers>\narg <2>\narg <--reload>\narg <a b>\n"),
        (&["worker"], "arg <celery>\nin /usr "),
        (&["worker", "-B", ""], "arg <celery>\narg <-B>\narg <>\nin /usr "),
        (&["report", "x", "*"], "arg <x>\narg <*>\nin / "),
    ] {
        let told = same(both("commands", words, &[], nothing));
        assert!(told.starts_with(begins), "{words:?}: {told}");
    }
}

#[test]
fn configuration_by_envsubst() {
    if !able(Need::Namespaces) {
        return;
    }
    if !Path::new("/usr/bin/envsubst").exists() {
        support::skip("there is no envsubst: it is in gettext-base");
        return;
    }
    for environment in [&[("SERVER_NAME", "a b $x")][..], &[("SERVER_NAME", "s"), ("PORT", "1")]] {
        let results = both("envsubst", &["-x"], environment, nothing);
        assert_eq!(results[1].1.len(), 1, "{:?}", results[1]);
        same(results);
    }
}

#[test]
fn activating_a_virtual_environment() {
    if !able(Need::Namespaces) {
        return;
    }
    let venv = |scratch: &Scratch| {
        let made = std::process::Command::new("python3")
            .args(["-m", "venv", "--without-pip"])
            .arg(scratch.at("venv"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        // Made for where it will be, as in an image.
        let activate = scratch.at("venv/bin/activate");
        let text = fs::read_to_string(&activate).unwrap();
        fs::write(&activate, text.replace(scratch.path().to_str().unwrap(), "/mnt")).unwrap();
        scratch.executable("venv/bin/report", REPORT);
    };
    let told = same(both("activate", &["report", "x"], &[("PYTHONHOME", "/x")], venv));
    assert!(told.contains("VIRTUAL_ENV=/mnt/venv\n") && !told.contains("PYTHONHOME"), "{told}");
}

#[test]
fn options_from_variables() {
    if !able(Need::Namespaces) {
        return;
    }
    for environment in [
        &[("APP_MODULE", "a:b")][..],
        &[("APP_MODULE", "a:b"), ("PORT", ""), ("LOG_LEVEL", ""), ("DEBUG", "")],
        &[
            ("APP_MODULE", "a:b"),
            ("PORT", "80"),
            ("LOG_LEVEL", "debug"),
            ("DEBUG", "1"),
            ("EXTRA_ARGS", "--a  --b c"),
        ],
    ] {
        same(both("options", &["-z"], environment, nothing));
    }
    for (output, _) in both("options", &[], &[("PORT", "80")], nothing) {
        assert!(output.exit != Exit::Code(0) && output.stdout.is_empty(), "{output:?}");
        assert!(output.stderr.contains("APP_MODULE"), "{output:?}");
    }
}

#[test]
fn chown_and_gosu() {
    if !able(Need::Root) {
        return;
    }
    let data = |scratch: &Scratch| {
        scratch.directory("data/a/b");
        scratch.file("data/a/b/file", "x");
        std::os::unix::fs::symlink("/etc/hostname", scratch.at("data/a/link")).unwrap();
        std::os::unix::fs::chown(scratch.at("data/a/b"), Some(1234), Some(1235)).unwrap();
    };
    let results = both("gosu", &["-x"], &[], data);
    assert!(results[1].1.iter().all(|line| line.contains(" 1234:1235 ")), "{:?}", results[1]);
    let told = same(results);
    assert!(told.contains("as 1234:1235 1235\n") && told.contains("HOME=/\n"), "{told}");
    // Started as that user already: nothing to give, nobody to become.
    let own = |scratch: &Scratch| {
        data(scratch);
        std::os::unix::fs::chown(scratch.path(), Some(1234), Some(1235)).unwrap();
    };
    let results = [Way::Shell, Way::File].map(|way| {
        let idiom = Idiom::new("gosu", way);
        own(&idiom.scratch);
        let output = idiom.scene(&["-x"], &[]).as_user(1234, 1235, &[1235]).output();
        (output, listing(idiom.scratch.path()))
    });
    let [(shell, _), (file, _)] = &results;
    assert_eq!((shell.exit, file.exit), (Exit::Code(0), Exit::Code(0)), "{results:?}");
    assert_eq!(results[0].1, results[1].1);
    assert!(file.stdout.contains("as 1234:1235 1235\n"), "{file:?}");
}

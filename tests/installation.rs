//! What is installed at start: when, by what, where, and what is left of it when it is killed.

#![cfg(feature = "requirements")]

mod support;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::kernel;
use support::{Exit, Need, Output, Scene, Scratch, able, eventually, probe, pydexec, skip, system};

/// Makes wheels of packages with one module and one program each: `NAME VERSION [REQUIREMENT]…`.
const WHEELS: &str = r#"
import base64, hashlib, sys, zipfile
for line in sys.argv[2:]:
    name, version, *requires = line.split()
    info = f"{name}-{version}.dist-info/"
    files = {
        f"{name}/__init__.py": f"VERSION = {version!r}\nfrom . import more\n",
        f"{name}/more.py": "FILLER = 1  # to be written\n" * 2000,
        info + "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            + "".join(f"Requires-Dist: {one}\n" for one in requires),
        info + "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        info + "entry_points.txt": f"[console_scripts]\n{name}-version = {name}:more.__name__.title\n",
    }
    digest = lambda text: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
    record = "".join(f"{file},sha256={digest(text)},{len(text)}\n" for file, text in files.items())
    files[info + "RECORD"] = record + info + "RECORD,,\n"
    with zipfile.ZipFile(f"{sys.argv[1]}/{name}-{version}-py3-none-any.whl", "w") as wheel:
        for file, text in files.items():
            wheel.writestr(file, text)
"#;

/// Imports what was asked for, and says which versions.
const IMPORT: &str = "import one, two, three; print(one.VERSION, two.VERSION, three.VERSION)";

#[track_caller]
fn run(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Result<String, String> {
    let forking = system::forking();
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn();
    drop(forking);
    let output =
        child.and_then(|child| child.wait_with_output()).map_err(|error| error.to_string())?;
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(told) } else { Err(told) }
}

/// A venv with pip, a wheelhouse with three packages in two versions, and a requirements file.
struct Site {
    scratch: Scratch,
    venv: PathBuf,
    wheels: PathBuf,
    file: PathBuf,
}

impl Site {
    /// Nothing where no venv can be made, after saying why.
    fn new() -> Option<Self> {
        let scratch = Scratch::new();
        let venv = scratch.at("venv");
        if let Err(why) = run("python3", &["-m", "venv", venv.to_str().unwrap()]) {
            skip(&format!("there is no python3 that can make a venv: {why}"));
            return None;
        }
        let wheels = scratch.directory("wheels");
        let mut words = vec!["-c", WHEELS, wheels.to_str().unwrap()];
        let packages = ["one VERSION two", "two VERSION three", "three VERSION"];
        let packages: Vec<String> = ["1.0", "2.0"]
            .iter()
            .flat_map(|version| packages.map(|line| line.replace("VERSION", version)))
            .collect();
        words.extend(packages.iter().map(String::as_str));
        run("python3", &words).unwrap();
        let file = scratch.file("requirements.txt", "one\n");
        Some(Self { scratch, venv, wheels, file })
    }

    /// `pydexec --venv … -r … --wheelhouse … OPTIONS…` as PID 1, without a uv of the machine's.
    fn pydexec(&self, options: &[&str]) -> Scene {
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let fixed = ["--venv", &path(&self.venv), "-r", &path(&self.file)].map(str::to_owned);
        let wheels = ["--wheelhouse".to_owned(), path(&self.wheels)];
        let options = options.iter().map(|word| (*word).to_owned());
        pydexec(fixed.into_iter().chain(wheels).chain(options))
            .env("PATH", "/usr/bin:/bin")
            .as_pid1()
    }

    /// Starts a command that imports the packages, to its end.
    fn import(&self, options: &[&str]) -> Output {
        self.pydexec(options).command(["python", "-c", IMPORT]).output()
    }

    fn packages(&self) -> PathBuf {
        let library = fs::read_dir(self.venv.join("lib")).unwrap().next().unwrap().unwrap();
        library.path().join("site-packages")
    }

    /// From here on an installer that is started fails.
    fn break_pip(&self) {
        fs::write(self.packages().join("pip/__main__.py"), "raise SystemExit(99)").unwrap();
    }
}

#[track_caller]
fn assert_prints(output: &Output, stdout: &str) {
    let known = (output.exit, output.stdout.as_str());
    assert_eq!(known, (Exit::Code(0), stdout), "{output:?}");
}

#[test]
fn what_is_there_is_installed_once_and_then_nothing_is_started() {
    if !able(Need::Namespaces) {
        return;
    }
    let Some(site) = Site::new() else { return };
    let first = site.import(&[]);
    assert_prints(&first, "2.0 2.0 2.0\n");
    let lines: Vec<&str> = first.stderr.lines().collect();
    let begun = format!("pydexec: installing {} with pip", site.file.display());
    assert_eq!((lines.len(), lines[0]), (2, &*begun), "{first:?}");
    assert!(lines[1].starts_with("pydexec: installed 3 packages in "), "{first:?}");
    site.break_pip();
    let second = site.import(&[]);
    assert_prints(&second, "2.0 2.0 2.0\n");
    assert_eq!(second.stderr, "");
    // Without the stamp, what is installed is read, and that is enough as well.
    fs::remove_file(site.packages().join(".pydexec/stamp")).unwrap();
    assert_prints(&site.import(&["--exec"]), "2.0 2.0 2.0\n");
    // Without a package that another one requires, it is not.
    let three = site.packages().join("three-2.0.dist-info");
    fs::rename(&three, site.scratch.at("gone")).unwrap();
    let third = site.import(&[]);
    assert_eq!((third.exit, third.stdout.as_str()), (Exit::Code(99), ""), "{third:?}");
}

#[test]
fn a_change_of_any_file_is_seen_and_a_package_that_somebody_removed() {
    if !able(Need::Namespaces) {
        return;
    }
    let Some(site) = Site::new() else { return };
    site.scratch.file("limits.txt", "two<2\n");
    site.scratch.file("requirements.txt", "-c limits.txt\n-r more.txt\n");
    site.scratch.file("more.txt", "one==${VERSION}\n");
    let import = |version: &str| {
        let scene = site.pydexec(&["-q"]).env("VERSION", version);
        let output = scene.command(["python", "-c", IMPORT]).output();
        assert_eq!(output.stderr, "", "it is quiet");
        output
    };
    assert_prints(&import("1.0"), "1.0 1.0 2.0\n");
    site.scratch.file("limits.txt", "three<2\n");
    site.scratch.file("more.txt", "one==${VERSION}\ntwo==2.0\n");
    assert_prints(&import("1.0"), "1.0 2.0 1.0\n");
    assert_prints(&import("2.0"), "2.0 2.0 1.0\n");
    let pip = site.venv.join("bin/pip");
    run(pip, &["uninstall", "--yes", "--quiet", "three"]).unwrap();
    assert_prints(&import("2.0"), "2.0 2.0 1.0\n");
}

#[test]
fn an_overlay_is_made_where_it_is_asked_for_and_comes_before_the_venv() {
    if !able(Need::Namespaces) {
        return;
    }
    let Some(site) = Site::new() else { return };
    assert_prints(&site.import(&["-q"]), "2.0 2.0 2.0\n");
    fs::write(&site.file, "one==1.0\nthree==1.0\n").unwrap();
    let overlays = site.scratch.at("overlays");
    let options = ["--site", overlays.to_str().unwrap()];
    assert_prints(&site.import(&options), "1.0 2.0 1.0\n");
    let which = site.pydexec(&options).command(["sh", "-c", "command -v one-version"]).output();
    assert!(which.stdout.starts_with(overlays.to_str().unwrap()), "{which:?}");
    site.break_pip();
    assert_prints(&site.import(&options), "1.0 2.0 1.0\n");
    // The venv is as it was, and nothing is left of the work.
    let python = site.venv.join("bin/python");
    assert_eq!(run(python, &["-c", IMPORT]).unwrap(), "2.0 2.0 2.0\n");
    let shelf = fs::read_dir(&overlays).unwrap().next().unwrap().unwrap().path();
    let mut left: Vec<_> =
        fs::read_dir(shelf).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!((left.len(), left[1].to_str()), (2, Some("lock")), "{left:?}");
}

/// A requirement file, and an installer called `uv` that is this script.
struct Stage {
    scratch: Scratch,
    site: Site,
}

impl Stage {
    fn new(uv: &str) -> Option<Self> {
        let site = Site::new()?;
        let scratch = Scratch::new();
        scratch.executable("uv", format!("#!/bin/sh\n{uv}\n"));
        Some(Self { scratch, site })
    }

    fn pydexec(&self, options: &[&str]) -> Scene {
        let path = format!("{}:/usr/bin:/bin", self.scratch.path().display());
        self.site.pydexec(options).env("PATH", path).env("PROBE", probe())
    }
}

#[test]
fn the_installer_is_told_what_was_asked_for() {
    if !able(Need::Namespaces) {
        return;
    }
    let Some(stage) = Stage::new("echo \"$@\"") else { return };
    let site = &stage.site;
    let project = site.scratch.directory("project");
    let text = "[project]\nname = 'p'\ndependencies = ['one']\n\
                [project.optional-dependencies]\nweb = ['two']\n";
    fs::write(project.join("pyproject.toml"), text).unwrap();
    let (project, overlays) = (project.to_str().unwrap(), site.scratch.at("overlays"));
    // With -v its words are seen.
    let run = |options: &[&str]| {
        let output = stage.pydexec(&[&["-v"], options].concat()).command(["true"]).output();
        assert_eq!(output.exit, Exit::Code(0), "{output:?}");
        let python = site.venv.join("bin/python");
        let words = [(&python, "PYTHON"), (&site.file, "FILE"), (&site.wheels, "WHEELS")];
        words
            .iter()
            .fold(output.stdout, |text, (path, word)| text.replace(path.to_str().unwrap(), word))
    };
    let all = "--no-index --find-links WHEELS --offline --requirement FILE";
    assert_eq!(run(&[]), format!("pip install --python PYTHON {all}\n"));
    let expected = format!(
        "pip install --python PYTHON {all} --requirement {project}/pyproject.toml --extra web\n"
    );
    assert_eq!(run(&["--project", project, "--extras", "web"]), expected);
    let said = run(&["--site", overlays.to_str().unwrap()]);
    let target = format!("pip install --python PYTHON --target {}/", overlays.display());
    assert!(
        said.starts_with(&target) && said.ends_with(&format!("site-packages {all}\n")),
        "{said}"
    );
    fs::write(Path::new(project).join("uv.lock"), "version = 1\n").unwrap();
    let said = run(&["--project", project]);
    let lines: Vec<&str> = said.lines().collect();
    let exported = format!(
        "export --quiet --frozen --no-dev --no-header --no-emit-project --project {project} "
    );
    assert!(lines.len() == 2 && lines[0].starts_with(&exported), "{said}");
    let locked = lines[0].rsplit(' ').next().unwrap();
    assert!(lines[1].ends_with(&format!("--requirement {locked}")), "{said}");
}

#[test]
fn what_a_project_depends_on_is_installed_by_pip_too() {
    if !able(Need::Namespaces) {
        return;
    }
    let Some(site) = Site::new() else { return };
    let text = "[project]\nname = 'p'\ndependencies = ['three']\n\
                [project.optional-dependencies]\nweb = ['one<2']\n";
    site.scratch.file("pyproject.toml", text);
    fs::write(&site.file, "").unwrap();
    let project = site.scratch.path().to_str().unwrap().to_owned();
    let options = ["--project", &project, "--extras", "web"];
    assert_prints(&site.import(&options), "1.0 2.0 2.0\n");
    site.break_pip();
    assert_prints(&site.import(&options), "1.0 2.0 2.0\n");
    let output = site.import(&["--project", &project, "--extras", "other"]);
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(2), ""), "{output:?}");
    let first =
        format!("pydexec: {project}/pyproject.toml: there is no extra \"other\", only web\n");
    assert!(output.stderr.starts_with(&first), "{output:?}");
}

#[test]
fn of_a_failure_the_installers_words_are_shown_whole_and_then_what_to_do() {
    if !able(Need::Namespaces) {
        return;
    }
    let script = "seq 8000; echo No space left on device >&2; exit 37";
    let Some(stage) = Stage::new(script) else { return };
    for options in [&[][..], &["-q"]] {
        let output = stage.pydexec(options).command(["echo", "started"]).output();
        assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(37), ""), "{output:?}");
        let mut lines: Vec<&str> = output.stderr.lines().collect();
        let advice = lines.pop().unwrap();
        assert!(advice.contains("the command was not started; no space is left in /"), "{advice}");
        let file = stage.site.file.display();
        let failed = format!("pydexec: cannot install {file}: uv ended with exit code 37");
        assert_eq!(lines.pop(), Some(&*failed));
        assert_eq!(lines.pop(), Some("No space left on device"));
        if options.is_empty() {
            assert_eq!(lines.remove(0), format!("pydexec: installing {file} with uv"));
        }
        let expected: Vec<String> = (1..=8000).map(|number| number.to_string()).collect();
        assert!(lines == expected, "{} lines", lines.len());
    }
}

#[test]
fn on_a_terminal_the_installers_own_progress_is_seen() {
    if !able(Need::Namespaces) {
        return;
    }
    let Some(stage) = Stage::new("test -t 1 && test -t 2 && echo progress") else { return };
    let output = stage.pydexec(&[]).command(["echo", "started"]).on_a_terminal().output();
    assert_eq!(output.stdout.replace('\r', ""), "progress\nstarted\n", "{output:?}");
}

#[test]
fn a_line_that_is_no_requirement_is_told_by_file_and_line_before_anything_is_started() {
    if !able(Need::Namespaces) {
        return;
    }
    let Some(stage) = Stage::new("echo installed") else { return };
    let more = stage.site.scratch.file("more.txt", "one\n\ntwo=1.0\n");
    fs::write(&stage.site.file, "-r more.txt\n").unwrap();
    let output = stage.pydexec(&["-v"]).command(["echo", "started"]).output();
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(2), ""), "{output:?}");
    let first = format!("pydexec: {}:3: a version is asked for by ==, not by =", more.display());
    assert_eq!(output.stderr.lines().next(), Some(&*first));
}

#[test]
fn an_installer_that_does_not_heed_term_is_gone_within_a_second() {
    if !able(Need::Namespaces) {
        return;
    }
    let script = "trap '' TERM; \"$PROBE\" signals 99 & wait; wait";
    let Some(stage) = Stage::new(script) else { return };
    let mut run = stage.pydexec(&["-v"]).command(["echo", "started"]).start();
    run.says("ready");
    let began = Instant::now();
    run.signal(libc::SIGTERM);
    assert_eq!(run.end(), Exit::Code(137));
    // Half a second and the time that a loaded machine takes.
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(!run.rest().contains("started"));
}

/// Takes a lock as flock(1) does, with the descriptor in the hand of the test.
fn lock(file: &Path) -> File {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let file = File::create(file).unwrap();
    assert!(kernel::lock(&file), "nobody has it");
    file
}

#[test]
fn whoever_waits_for_another_hears_term_and_has_a_deadline_and_the_work_done() {
    if !able(Need::Namespaces) {
        return;
    }
    let Some(site) = Site::new() else { return };
    let file = site.packages().join(".pydexec/lock");
    let held = lock(&file);
    let began = Instant::now();
    let output = site.import(&["--requirements-timeout", "200ms"]);
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(124), ""), "{output:?}");
    assert!(output.stderr.contains(&format!("{file:?}")), "{output:?}");

    let mut run = site.pydexec(&["-v"]).command(["echo", "started"]).start();
    let waits = || run.process.descriptors().values().any(|name| Path::new(name) == file);
    eventually("it has opened the lock", waits);
    run.signal(libc::SIGTERM);
    assert_eq!((run.end(), run.rest().as_str()), (Exit::Code(143), ""));

    // What the other has installed meanwhile is found.
    let mut run = site.pydexec(&[]).command(["python", "-c", IMPORT]).start();
    let waits = || run.process.descriptors().values().any(|name| Path::new(name) == file);
    eventually("it has opened the lock", waits);
    let (pip, wheels) = (site.venv.join("bin/pip"), site.wheels.to_str().unwrap());
    run_quietly(&pip, &["install", "--no-index", "--find-links", wheels, "one"]);
    drop(held);
    assert_eq!(run.rest(), "2.0 2.0 2.0\n");
    assert_eq!((run.stderr().as_str(), run.end()), ("", Exit::Code(0)));
}

fn run_quietly(program: &Path, arguments: &[&str]) {
    run(program, arguments).unwrap();
}

/// Numbers that are as good as random (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u128) -> u128 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u128::from(self.0) % limit.max(1)
    }
}

/// Kills it with all of its processes at random moments, and starts it again each time.
fn kill_and_start(site: &Site, options: &[&str], kills: usize, seed: u64) {
    let mut random = Random(seed);
    // From one version to the other and back, so that there is something to be replaced.
    let ask = |turn: usize| {
        let version = if turn % 2 == 0 { "1.0" } else { "2.0" };
        let text = format!("one=={version}\ntwo=={version}\nthree=={version}\n");
        fs::write(&site.file, text).unwrap();
        format!("{version} {version} {version}\n")
    };
    let began = Instant::now();
    let expected = ask(1);
    assert_prints(&site.import(options), &expected);
    let mut whole = began.elapsed();
    for turn in 0..kills {
        let expected = ask(turn);
        let run = site.pydexec(options).command(["python", "-c", IMPORT]).start();
        let moment = Duration::from_nanos(random.below(whole.as_nanos()) as u64);
        // What ends it here is the clock or its own end, whichever is first.
        run.ends_within(moment);
        run.kill();
        let began = Instant::now();
        let output = site.import(options);
        whole = began.elapsed();
        let known = (output.exit, output.stdout.as_str());
        let after = format!("kill {turn} after {moment:?}, seed {seed}: {output:?}");
        assert_eq!(known, (Exit::Code(0), &*expected), "{after}");
        if options.is_empty() {
            // Each of them whole, by its own list of files.
            run_quietly(&site.venv.join("bin/python"), &["-c", WHOLE]);
        }
    }
}

const WHOLE: &str = r#"
import importlib.metadata as metadata
for distribution in metadata.distributions():
    for file in distribution.files:
        if file.size is not None:
            found = file.locate().stat().st_size
            assert found == file.size, f"{file} has {found} bytes, not {file.size}"
"#;

#[test]
fn killed_at_thirty_random_moments_in_a_venv_the_next_start_repairs_and_succeeds() {
    if !able(Need::Namespaces) {
        return;
    }
    let Some(site) = Site::new() else { return };
    kill_and_start(&site, &[], 30, 0x9e37_79b9_7f4a_7c15);
}

#[test]
fn killed_at_twenty_random_moments_the_next_start_makes_the_overlay() {
    if !able(Need::Namespaces) {
        return;
    }
    let Some(site) = Site::new() else { return };
    let overlays = site.scratch.at("overlays");
    kill_and_start(&site, &["--site", overlays.to_str().unwrap()], 20, 0xd1b5_4a32_d192_ed03);
}

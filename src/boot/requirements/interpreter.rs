//! Which Python it is, and where it looks for packages: told from files, without starting it.
//!
//! A start of Python takes 10 to 20 ms, and all that is needed here stands in the names of files:
//! `pyvenv.cfg` makes a venv, `/usr/local/bin/python3.12` has its library in
//! `/usr/local/lib/python3.12`, and Debian's has `dist-packages`. An interpreter that is laid out
//! otherwise (a wrapper script, PyPy, `PYTHONHOME`) is asked, once.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::marker::Platform;
use crate::command::{Environment, lookup};

/// An interpreter, as far as installing for it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Interpreter {
    /// As it was found in PATH.
    pub program: PathBuf,
    pub platform: Platform,
    /// What its library directory is called: `python3.12`.
    pub library: String,
    /// Where it installs packages by itself.
    pub site: PathBuf,
    /// Where it looks for packages, in order, apart from `PYTHONPATH` and the user's own.
    pub sites: Vec<PathBuf>,
    pub kind: Kind,
    /// Which bytes it is made of, for the stamp: path, size and time.
    pub identity: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Venv,
    Own,
    /// Its distribution forbids others to install into it (PEP 668).
    Managed,
}

/// What the files tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Located {
    Known(Interpreter),
    /// It must be asked.
    Unknown(PathBuf),
}

impl Located {
    /// Looks for the first `python`, then `python3`, in the PATH of `environment`.
    pub fn find(environment: &Environment) -> Option<Self> {
        let path = lookup::search_path(environment);
        let program = lookup::find("python", path).or_else(|| lookup::find("python3", path))?;
        let program = std::path::absolute(&program).unwrap_or(program);
        if environment.get("PYTHONHOME").is_some_and(|home| !home.is_empty()) {
            return Some(Self::Unknown(program));
        }
        Some(locate(&program).map_or(Self::Unknown(program), Self::Known))
    }
}

fn locate(program: &Path) -> Option<Interpreter> {
    let real = fs::canonicalize(program).ok()?;
    if !is_elf(&real) {
        return None;
    }
    match venv_of(program) {
        Some(prefix) => venv(program, &real, &prefix),
        None => own(program, &real),
    }
}

/// As Python itself: `pyvenv.cfg` beside the program or one above, links not followed.
fn venv_of(program: &Path) -> Option<PathBuf> {
    let bin = program.parent()?;
    [Some(bin), bin.parent()]
        .into_iter()
        .flatten()
        .find(|directory| directory.join("pyvenv.cfg").is_file())
        .map(Path::to_owned)
}

fn venv(program: &Path, real: &Path, prefix: &Path) -> Option<Interpreter> {
    let config = fs::read_to_string(prefix.join("pyvenv.cfg")).ok()?;
    let value = |name: &str| {
        config.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let base = base(real, value("home").as_deref())?;
    let site = prefix.join("lib").join(&base.library).join("site-packages");
    // Made for another version than the one that its link leads to: Python would not find it.
    if !site.is_dir() {
        return None;
    }
    let mut sites = vec![site.clone()];
    if value("include-system-site-packages").is_some_and(|value| value.eq_ignore_ascii_case("true"))
    {
        sites.extend(base.sites);
    }
    Some(Interpreter {
        program: program.to_owned(),
        platform: base.platform,
        library: base.library,
        site,
        sites,
        kind: Kind::Venv,
        identity: identity(program, real)?,
    })
}

/// The interpreter that a venv was made from: that which its link leads to, or, where the program
/// was copied, the one that `pyvenv.cfg` names.
fn base(real: &Path, home: Option<&str>) -> Option<Interpreter> {
    own(real, real).or_else(|| {
        let home = Path::new(home?);
        let program = ["python3", "python"].iter().map(|name| home.join(name)).find(|program| {
            fs::metadata(program).is_ok_and(|metadata| lookup::is_program(&metadata))
        })?;
        own(&program, &fs::canonicalize(&program).ok()?)
    })
}

/// The interpreter that a venv was made from, as something that can be run.
pub(super) fn base_of(venv: &Interpreter) -> Option<Interpreter> {
    let real = fs::canonicalize(&venv.program).ok()?;
    own(&real, &real)
}

/// An interpreter `PREFIX/bin/pythonX.Y` with its library in `PREFIX/lib/pythonX.Y`.
fn own(program: &Path, real: &Path) -> Option<Interpreter> {
    let library = real.file_name()?.to_str()?;
    let (major, minor) = version(library)?;
    let prefix = real.parent()?.parent()?;
    let standard = prefix.join("lib").join(library);
    if !standard.join("os.py").is_file() {
        return None;
    }
    let debian = Path::new("/usr/lib/python3/dist-packages");
    let sites = if prefix == Path::new("/usr") && debian.is_dir() {
        let local = Path::new("/usr/local/lib").join(library).join("dist-packages");
        vec![local, debian.to_owned(), standard.join("dist-packages")]
    } else {
        vec![standard.join("site-packages")]
    };
    let managed = standard.join("EXTERNALLY-MANAGED").exists();
    Some(Interpreter {
        program: program.to_owned(),
        platform: Platform::cpython(major, minor),
        library: library.to_owned(),
        site: sites.first()?.clone(),
        sites,
        kind: if managed { Kind::Managed } else { Kind::Own },
        identity: identity(program, real)?,
    })
}

/// `python3.12` is 3.12, and so is the free-threaded `python3.12t`.
fn version(library: &str) -> Option<(u32, u32)> {
    let (major, minor) = library.strip_prefix("python")?.split_once('.')?;
    let number = |digits: &str| match digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => digits.parse().ok(),
        false => None,
    };
    Some((number(major)?, number(minor.strip_suffix('t').unwrap_or(minor))?))
}

fn is_elf(file: &Path) -> bool {
    let mut magic = [0; 4];
    fs::File::open(file).and_then(|mut file| file.read_exact(&mut magic)).is_ok()
        && magic == *b"\x7fELF"
}

fn identity(program: &Path, real: &Path) -> Option<String> {
    let metadata = fs::metadata(real).ok()?;
    let (size, seconds) = (metadata.size(), metadata.mtime());
    Some(format!("{} {} {size} {seconds}", program.display(), real.display()))
}

/// What an interpreter is asked that the files do not tell of. It answers in lines.
pub(super) const QUESTION: &str = "\
import os, platform, sys, sysconfig
paths = sysconfig.get_paths()
print('pydexec')
print(sys.version_info[0], sys.version_info[1])
print(platform.python_version())
print(sys.implementation.name)
print(platform.python_implementation())
print(os.path.basename(paths['stdlib']))
print('venv' if sys.prefix != sys.base_prefix else
      'managed' if os.path.exists(os.path.join(paths['stdlib'], 'EXTERNALLY-MANAGED')) else 'own')
print(sys.executable)
print(paths['purelib'])
for path in sys.path:
    if path and os.path.isdir(path): print(path)
";

impl Interpreter {
    /// Reads an answer to [`QUESTION`].
    pub fn from_answer(program: &Path, answer: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(answer).ok()?;
        // Somebody's sitecustomize may have printed something before.
        let mut lines = text.lines().skip_while(|line| *line != "pydexec").skip(1);
        let (major, minor) = lines.next()?.split_once(' ')?;
        let python = (major.parse().ok()?, minor.parse().ok()?);
        let full = lines.next()?.parse().ok();
        let implementation = (lines.next()?.to_owned(), lines.next()?.to_owned());
        let library = lines.next()?.to_owned();
        let kind = match lines.next()? {
            "venv" => Kind::Venv,
            "managed" => Kind::Managed,
            _ => Kind::Own,
        };
        let executable = PathBuf::from(lines.next()?);
        let site = PathBuf::from(lines.next()?);
        let sites = lines.map(PathBuf::from).collect();
        let real = fs::canonicalize(&executable).ok()?;
        Some(Self {
            program: program.to_owned(),
            platform: Platform { python, full, implementation },
            library,
            site,
            sites,
            kind,
            identity: identity(program, &real)?,
        })
    }

    /// All directories in which packages are found, with this environment: `PYTHONPATH`, the
    /// user's own, the interpreter's.
    pub fn search(&self, environment: &Environment) -> Vec<PathBuf> {
        let path = environment.get("PYTHONPATH").unwrap_or_default();
        let path = path.as_bytes().split(|byte| *byte == b':').filter(|entry| !entry.is_empty());
        path.map(|entry| PathBuf::from(OsStr::from_bytes(entry)))
            .chain(self.user_site(environment))
            .chain(self.sites.iter().cloned())
            .collect()
    }

    /// The user's own packages (`pip install --user`), where Python looks for them.
    pub fn user_site(&self, environment: &Environment) -> Option<PathBuf> {
        let set = |name| environment.get(name).filter(|value| !value.is_empty());
        if self.kind == Kind::Venv || set("PYTHONNOUSERSITE").is_some() {
            return None;
        }
        let base = match set("PYTHONUSERBASE") {
            Some(base) => PathBuf::from(base),
            None => Path::new(set("HOME")?).join(".local"),
        };
        Some(base.join("lib").join(&self.library).join("site-packages"))
    }

    /// Whether this interpreter can run pip.
    pub fn has_pip(&self, environment: &Environment) -> bool {
        self.search(environment).iter().any(|site| site.join("pip/__main__.py").is_file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// A directory of files, and what makes interpreters of them.
    struct Root(PathBuf);

    impl Root {
        fn new(name: &str) -> Self {
            let root =
                std::env::temp_dir().join(format!("pydexec-py-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&root);
            fs::create_dir_all(&root).unwrap();
            Self(fs::canonicalize(root).unwrap())
        }

        fn python(&self, prefix: &str, name: &str) -> PathBuf {
            let prefix = self.0.join(prefix);
            fs::create_dir_all(prefix.join("bin")).unwrap();
            fs::create_dir_all(prefix.join("lib").join(name).join("site-packages")).unwrap();
            fs::write(prefix.join("lib").join(name).join("os.py"), "").unwrap();
            let program = prefix.join("bin").join(name);
            fs::write(&program, b"\x7fELF").unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
            symlink(name, prefix.join("bin/python3")).unwrap();
            symlink("python3", prefix.join("bin/python")).unwrap();
            prefix
        }

        fn venv(&self, prefix: &str, base: &Path, library: &str, system: &str) -> PathBuf {
            let prefix = self.0.join(prefix);
            fs::create_dir_all(prefix.join("bin")).unwrap();
            fs::create_dir_all(prefix.join("lib").join(library).join("site-packages")).unwrap();
            symlink(base.join("bin/python3"), prefix.join("bin/python")).unwrap();
            let config = format!(
                "home = {}\ninclude-system-site-packages = {system}\nversion = 3.12.1\n",
                base.join("bin").display()
            );
            fs::write(prefix.join("pyvenv.cfg"), config).unwrap();
            prefix
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn find(prefix: &Path) -> Located {
        let path = prefix.join("bin");
        Located::find(&Environment::from_iter([("PATH", path.as_os_str())])).unwrap()
    }

    fn known(prefix: &Path) -> Interpreter {
        match find(prefix) {
            Located::Known(interpreter) => interpreter,
            Located::Unknown(program) => panic!("{program:?} would have to be asked"),
        }
    }

    #[test]
    fn an_interpreter_is_known_by_where_its_link_leads() {
        let root = Root::new("own");
        let prefix = root.python("usr/local", "python3.12");
        let found = known(&prefix);
        assert_eq!(found.program, prefix.join("bin/python"));
        assert_eq!((found.platform.python, found.kind), ((3, 12), Kind::Own));
        assert_eq!(found.site, prefix.join("lib/python3.12/site-packages"));
        fs::write(prefix.join("lib/python3.12/EXTERNALLY-MANAGED"), "").unwrap();
        assert_eq!(known(&prefix).kind, Kind::Managed);
    }

    #[test]
    fn a_venv_has_its_own_packages_and_its_bases_where_it_says_so() {
        let root = Root::new("venv");
        let base = root.python("usr", "python3.12");
        let site = |prefix: &Path| prefix.join("lib/python3.12/site-packages");
        let alone = root.venv("alone", &base, "python3.12", "false");
        let found = known(&alone);
        assert_eq!((found.kind, &found.sites), (Kind::Venv, &vec![site(&alone)]));
        assert_eq!(base_of(&found).unwrap().site, site(&base));
        let open = root.venv("open", &base, "python3.12", "true");
        assert_eq!(known(&open).sites, [site(&open), site(&base)]);
    }

    #[test]
    fn what_is_laid_out_otherwise_must_be_asked() {
        let root = Root::new("odd");
        let base = root.python("usr", "python3.12");
        let asked = |prefix: &Path| matches!(find(prefix), Located::Unknown(_));
        // A venv of another version than its link leads to now.
        assert!(asked(&root.venv("old", &base, "python3.11", "false")));
        // A wrapper.
        let wrapper = root.python("wrapper", "python3.12");
        fs::write(wrapper.join("bin/python3.12"), "#!/bin/sh\n").unwrap();
        assert!(asked(&wrapper));
        // No CPython, and no library beside it.
        assert!(asked(&root.python("pypy", "pypy3.10")));
        fs::remove_file(base.join("lib/python3.12/os.py")).unwrap();
        assert!(asked(&base));
    }

    #[test]
    fn the_answer_of_an_interpreter_is_read() {
        let root = Root::new("asked");
        let program = root.python("usr", "pypy3.10").join("bin/python");
        let answer = format!(
            "noise\npydexec\n3 10\n3.10.14\npypy\nPyPy\npypy3.10\nown\n{}\n/s\n/a\n/s\n",
            program.display()
        );
        let found = Interpreter::from_answer(&program, answer.as_bytes()).unwrap();
        assert_eq!(found.platform.implementation.1, "PyPy");
        assert_eq!(found.platform.full, "3.10.14".parse().ok());
        assert_eq!(found.sites, [PathBuf::from("/a"), PathBuf::from("/s")]);
        assert_eq!(Interpreter::from_answer(&program, b"Segmentation fault"), None);
    }

    #[test]
    fn versions_are_in_the_name() {
        assert_eq!(version("python3.12"), Some((3, 12)));
        assert_eq!(version("python3.13t"), Some((3, 13)));
        for name in ["python3", "python", "pypy3.10", "python3.x", "python3.+1", "python3.12-dbg"] {
            assert_eq!(version(name), None, "{name}");
        }
    }
}

//! Where packages are installed, and how the command comes to see them.
//!
//! A venv, if there is one; else the interpreter's own site-packages, if the installing user may
//! write there and its distribution does not forbid it; else an overlay that is made here, in the
//! first directory that can be written.
//!
//! An overlay is a user site (`OVERLAY/lib/python3.12/site-packages`), and the command is given it
//! by `PYTHONUSERBASE`. Python looks there after its standard library and before its own packages,
//! honours `.pth` files, and goes on seeing what the image has. A Python of another version looks
//! into a directory of another name, and the venv of a tool does not look there at all, which
//! `PYTHONPATH` could not be told. `PYTHONPATH` serves where there is no user site: for a venv that
//! cannot be written, under `PYTHONNOUSERSITE`, and where the image has packages of that kind
//! itself, which must not disappear. No `venv` module is needed for any of it.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::sys::statvfs::{FsFlags, statvfs};

use super::error::RequirementsError;
use super::interpreter::{Interpreter, Kind};
use super::stamp::Origin;
use crate::boot::exposure::Exposure;
use crate::command::Environment;
use crate::sys::ids::{self, FilesAs};
use crate::user::Credentials;

/// Where an overlay goes when nobody says otherwise.
const USUAL: &str = "/var/cache/pydexec";

/// As whom packages are installed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner<'a>(pub Option<&'a Credentials>);

impl Owner<'_> {
    pub fn uid(self) -> u32 {
        let [_, effective, _] = ids::user_ids();
        self.0.map_or(effective, Credentials::uid)
    }

    /// Works on files as that user until the result is dropped.
    pub fn files(self) -> io::Result<FilesAs> {
        match self.0 {
            None => Ok(FilesAs::ourselves()),
            Some(user) => Ok(FilesAs::user(user.uid(), user.gid(), user.groups())?),
        }
    }

    /// Whether this process is another user than that one.
    fn is_other(self) -> bool {
        let [_, effective, _] = ids::user_ids();
        self.uid() != effective
    }
}

/// Where packages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Into the venv or the interpreter's own site-packages.
    Site(PathBuf),
    Overlay(Shelf),
}

/// The directory of one user's overlays for one version of Python.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shelf {
    pub directory: PathBuf,
    /// Programs and compiled modules there can be used: it is not mounted noexec.
    pub may_execute: bool,
}

impl Place {
    /// Chooses, and changes nothing.
    pub fn choose(
        interpreter: &Interpreter,
        asked_for: Option<&Path>,
        environment: &Environment,
        owner: Owner<'_>,
    ) -> Result<Self, RequirementsError> {
        let own = asked_for.is_none() && interpreter.kind != Kind::Managed;
        if own && may_write(&interpreter.site, owner) {
            return Ok(Self::Site(interpreter.site.clone()));
        }
        let mut without_execution = None;
        let bases = bases(asked_for, environment, owner);
        for base in &bases {
            let directory = base.join(shelf_name(interpreter, owner));
            if !(trusted(base, &directory, owner) && can_be_made(&directory, owner)) {
                continue;
            }
            let shelf = Shelf { may_execute: may_execute(&directory), directory };
            if shelf.may_execute {
                return Ok(Self::Overlay(shelf));
            }
            without_execution.get_or_insert(shelf);
        }
        without_execution.map(Self::Overlay).ok_or_else(|| RequirementsError::NoPlace {
            tried: (own.then(|| interpreter.site.clone()).into_iter()).chain(bases).collect(),
            user: owner.uid(),
        })
    }

    /// Where the lock, the stamp and what is unfinished are.
    pub fn control(&self) -> PathBuf {
        match self {
            Self::Site(site) => control(site),
            Self::Overlay(shelf) => shelf.directory.clone(),
        }
    }

    /// Makes the control directory, of the installing user.
    pub fn make(&self, owner: Owner<'_>) -> io::Result<()> {
        let control = self.control();
        let result = {
            let _files = owner.files()?;
            make_directory(&control)
        };
        match (result, self) {
            // A volume that belongs to root, and a command that does not run as root.
            (Err(error), Self::Overlay(_)) if denied(&error) && owner.is_other() => {
                make_for(&control, owner)
            }
            (result, _) => result,
        }
    }
}

/// The directory of our own files beside packages that are installed in place.
pub(super) fn control(site: &Path) -> PathBuf {
    site.join(".pydexec")
}

/// The finished overlay of that origin, if it is there.
pub(super) fn finished(
    origin: Origin,
    interpreter: &Interpreter,
    asked_for: Option<&Path>,
    environment: &Environment,
    owner: Owner<'_>,
) -> Option<PathBuf> {
    bases(asked_for, environment, owner).into_iter().find_map(|base| {
        let shelf = base.join(shelf_name(interpreter, owner));
        let overlay = shelf.join(origin.to_string());
        (overlay.is_dir() && trusted(&base, &shelf, owner)).then_some(overlay)
    })
}

fn shelf_name(interpreter: &Interpreter, owner: Owner<'_>) -> String {
    format!("{}-{}-{}", interpreter.library, std::env::consts::ARCH, owner.uid())
}

fn bases(asked_for: Option<&Path>, environment: &Environment, owner: Owner<'_>) -> Vec<PathBuf> {
    if let Some(directory) = asked_for {
        return vec![std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned())];
    }
    let cache = environment.get("XDG_CACHE_HOME").map(Path::new);
    let cache = cache.filter(|directory| directory.is_absolute());
    // Under /tmp everybody can make a directory of any name, so there each has one of his own.
    let temporary = Path::new("/tmp").join(format!("pydexec-{}", owner.uid()));
    [Some(PathBuf::from(USUAL)), cache.map(|cache| cache.join("pydexec")), Some(temporary)]
        .into_iter()
        .flatten()
        .collect()
}

/// What is there already belongs to the user or to root, and nobody else can write to it: its
/// contents are about to be executed. Of the base only that which anybody could have made.
fn trusted(base: &Path, shelf: &Path, owner: Owner<'_>) -> bool {
    let fine = |path: &Path| match fs::symlink_metadata(path) {
        Err(error) => error.kind() == io::ErrorKind::NotFound,
        Ok(found) => {
            let ours = [0, owner.uid()].contains(&found.uid());
            found.is_dir() && ours && found.mode() & 0o022 == 0
        }
    };
    (!base.starts_with("/tmp") || fine(base)) && fine(shelf)
}

fn can_be_made(directory: &Path, owner: Owner<'_>) -> bool {
    may_write(directory, owner)
        || (owner.is_other() && !directory.exists() && probe(directory).is_ok())
}

fn may_write(directory: &Path, owner: Owner<'_>) -> bool {
    owner.files().is_ok_and(|_files| probe(directory).is_ok())
}

/// Whether a file can be made in `directory`, or in the nearest one above it that exists. Tried,
/// because nothing else tells the truth of read-only mounts, capabilities and access lists.
fn probe(directory: &Path) -> io::Result<()> {
    let directory = nearest(directory);
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    // A file without a name leaves nothing behind.
    match options.clone().custom_flags(libc::O_TMPFILE | libc::O_CLOEXEC).open(directory) {
        Ok(_) => return Ok(()),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EACCES | libc::EROFS)) => {
            return Err(error);
        }
        // Not on every file system.
        Err(_) => {}
    }
    let file = directory.join(format!(".pydexec-{}", ids::pid()));
    options.create_new(true).open(&file)?;
    fs::remove_file(file)
}

fn nearest(directory: &Path) -> &Path {
    directory.ancestors().find(|directory| directory.is_dir()).unwrap_or(Path::new("/"))
}

fn may_execute(directory: &Path) -> bool {
    statvfs(nearest(directory)).is_ok_and(|fs| !fs.flags().contains(FsFlags::ST_NOEXEC))
}

fn make_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(directory)
}

/// As ourselves, and then handed over. The directory above belongs to us or to root, so nobody can
/// put something else in its place meanwhile.
fn make_for(directory: &Path, owner: Owner<'_>) -> io::Result<()> {
    if let Some(above) = directory.parent() {
        make_directory(above)?;
    }
    DirBuilder::new().mode(0o755).create(directory)?;
    let (uid, gid) = owner.0.map_or((None, None), |user| (Some(user.uid()), Some(user.gid())));
    std::os::unix::fs::lchown(directory, uid, gid)
}

fn denied(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

impl Exposure {
    /// That of an overlay.
    pub(super) fn of(overlay: &Path, interpreter: &Interpreter, environment: &Environment) -> Self {
        let site = packages_of(overlay, interpreter);
        let programs = site.join("bin");
        let in_use = interpreter.user_site(environment).map(|theirs| theirs.is_dir());
        if in_use == Some(false) {
            return Self { variable: "PYTHONUSERBASE", value: overlay.into(), programs };
        }
        let mut value = OsString::from(site);
        if let Some(before) = environment.get("PYTHONPATH").filter(|path| !path.is_empty()) {
            value.push(":");
            value.push(before);
        }
        Self { variable: "PYTHONPATH", value, programs }
    }
}

/// The packages in an overlay.
pub(super) fn packages_of(overlay: &Path, interpreter: &Interpreter) -> PathBuf {
    overlay.join("lib").join(&interpreter.library).join("site-packages")
}

/// How many compiled modules there are, which a noexec mount keeps from being loaded.
pub(super) fn has_compiled(directory: &Path) -> bool {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(Result::ok).any(|entry| {
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_directory {
            return has_compiled(&entry.path());
        }
        let name = entry.file_name();
        name.as_bytes().ends_with(b".so") || directory.ends_with("bin")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::requirements::marker::Platform;

    fn interpreter(kind: Kind, site: &Path) -> Interpreter {
        Interpreter {
            program: "/usr/bin/python".into(),
            platform: Platform::cpython(3, 12),
            library: "python3.12".into(),
            site: site.to_owned(),
            sites: vec![site.to_owned()],
            kind,
            identity: String::new(),
        }
    }

    fn directory(name: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("pydexec-place-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn choose(python: &Interpreter, site: Option<&Path>, cache: &Path) -> Place {
        let environment = Environment::from_iter([("XDG_CACHE_HOME", cache)]);
        Place::choose(python, site, &environment, Owner(None)).unwrap()
    }

    #[test]
    fn what_can_be_written_is_installed_into_unless_it_is_managed() {
        let site = directory("site");
        assert_eq!(choose(&interpreter(Kind::Venv, &site), None, &site), Place::Site(site.clone()));
        assert_eq!(choose(&interpreter(Kind::Own, &site), None, &site), Place::Site(site.clone()));
        let managed = interpreter(Kind::Managed, &site);
        let Place::Overlay(shelf) = choose(&managed, Some(&site), &site) else { panic!() };
        assert!(shelf.directory.starts_with(&site));
        assert_eq!(fs::read_dir(&site).unwrap().count(), 0, "choosing changes nothing");
        fs::remove_dir_all(site).unwrap();
    }

    #[test]
    fn a_directory_that_is_asked_for_is_taken_or_refused() {
        let site = directory("asked");
        let python = interpreter(Kind::Venv, &site);
        let there = site.join("new/deep");
        let Place::Overlay(shelf) = choose(&python, Some(&there), &site) else { panic!() };
        let name = format!("python3.12-{}-{}", std::env::consts::ARCH, Owner(None).uid());
        assert_eq!(shelf.directory, there.join(name));
        let refused = Path::new("/proc/nowhere");
        let error =
            Place::choose(&python, Some(refused), &Environment::new(), Owner(None)).unwrap_err();
        assert!(error.to_string().contains("/proc/nowhere"), "{error}");
        fs::remove_dir_all(site).unwrap();
    }

    #[test]
    fn what_others_can_write_is_not_trusted() {
        let base = directory("open");
        let python = interpreter(Kind::Managed, &base);
        let Place::Overlay(shelf) = choose(&python, Some(&base), &base) else { panic!() };
        fs::create_dir_all(&shelf.directory).unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(&shelf.directory, open).unwrap();
        let result = Place::choose(&python, Some(&base), &Environment::new(), Owner(None));
        assert!(matches!(result, Err(RequirementsError::NoPlace { .. })));
        fs::remove_dir_all(&shelf.directory).unwrap();
        std::os::unix::fs::symlink("/", &shelf.directory).unwrap();
        let result = Place::choose(&python, Some(&base), &Environment::new(), Owner(None));
        assert!(matches!(result, Err(RequirementsError::NoPlace { .. })));
        fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn an_overlay_is_a_user_site_where_there_is_no_other() {
        let home = directory("home");
        let own = interpreter(Kind::Managed, Path::new("/usr/lib/x"));
        let mut environment = Environment::from_iter([("HOME", home.as_os_str())]);
        environment.set("PATH", "/bin");
        let of = |python: &Interpreter, environment: &Environment| {
            let mut environment = environment.clone();
            Exposure::of(Path::new("/o"), python, &environment.clone()).apply(&mut environment);
            environment
        };
        let seen = of(&own, &environment);
        let site = "/o/lib/python3.12/site-packages";
        assert_eq!(seen.get("PYTHONUSERBASE").unwrap(), "/o");
        assert_eq!(seen.get("PATH").unwrap().to_str().unwrap(), format!("{site}/bin:/bin"));
        assert_eq!(seen.get("PYTHONPATH"), None);
        // A venv has none, and a user's own packages must not disappear.
        assert_eq!(
            of(&interpreter(Kind::Venv, &home), &environment).get("PYTHONPATH").unwrap(),
            site
        );
        fs::create_dir_all(home.join(".local/lib/python3.12/site-packages")).unwrap();
        environment.set("PYTHONPATH", "/mine");
        let seen = of(&own, &environment);
        assert_eq!(seen.get("PYTHONPATH").unwrap().to_str().unwrap(), format!("{site}:/mine"));
        assert_eq!(seen.get("PYTHONUSERBASE"), None);
        fs::remove_dir_all(home).unwrap();
    }
}

//! Making an installation that was interrupted one that an installer can complete.
//!
//! pip and uv believe a package to be installed when its `dist-info` is there, and it may be there
//! without the rest. So before anything is installed in place, a mark is left, and it goes when all
//! went well. Where one is found, every package is compared with its own list of files, and one that
//! is not whole loses its `dist-info`: then it is installed anew. The mark names those that had no
//! such list before.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::installed::records;

/// The name of the mark.
const MARK: &str = "installing";

/// Whether an installation is under way here, or was interrupted.
pub(super) fn is_marked(control: &Path) -> bool {
    control.join(MARK).exists()
}

/// Leaves the mark, whole or not at all. One that is there already was left before anything broke.
pub(super) fn mark(control: &Path, site: &Path) -> io::Result<()> {
    let (mark, new) = (control.join(MARK), control.join("installing.new"));
    if mark.exists() {
        return Ok(());
    }
    let mut text = Vec::new();
    // A distribution's own packages have no such list; pip and uv write one for theirs.
    for record in records(site) {
        if finished_list(&site.join(&record)).is_none() {
            text.extend(record.as_bytes());
            text.push(b'\n');
        }
    }
    fs::write(&new, text)?;
    fs::rename(new, mark)
}

/// All went well.
pub(super) fn unmark(control: &Path) -> io::Result<()> {
    fs::remove_file(control.join(MARK))
}

/// Prepares a marked site for being installed into again. Returns how many packages were not whole.
pub(super) fn repair(control: &Path, site: &Path) -> io::Result<usize> {
    let without = fs::read(control.join(MARK))?;
    let without: HashSet<&[u8]> = without.split(|byte| *byte == b'\n').collect();
    let mut broken = 0;
    for record in records(site) {
        let directory = site.join(&record);
        let whole = match finished_list(&directory) {
            Some(list) => is_whole(site, &list),
            None => without.contains(record.as_bytes()),
        };
        if !whole && directory.is_dir() {
            fs::remove_dir_all(&directory)?;
            broken += 1;
        }
    }
    // What pip had put aside of packages that it was about to replace.
    for entry in fs::read_dir(site)?.filter_map(Result::ok) {
        if entry.file_name().as_bytes().starts_with(b"~") {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => fs::remove_dir_all(path)?,
                _ => fs::remove_file(path)?,
            }
        }
    }
    Ok(broken)
}

/// The list of a package's files, as its installer leaves it when it is done. One that comes out of
/// a wheel does not know yet what else there will be: the programs, and who has installed it.
fn finished_list(directory: &Path) -> Option<String> {
    let list = fs::read_to_string(directory.join("RECORD")).ok()?;
    list.contains(".dist-info/INSTALLER,").then_some(list)
}

/// Whether every file is there, of the size that is written behind it. What has no hash (compiled
/// bytecode, the list itself) may come and go.
fn is_whole(site: &Path, list: &str) -> bool {
    list.lines().filter(|line| !line.is_empty()).all(|line| {
        let mut fields = line.rsplitn(3, ',');
        let size = fields.next().and_then(|size| size.trim().parse::<u64>().ok());
        let hash = fields.next().unwrap_or_default();
        let path = fields.next().unwrap_or_default();
        let path = match path.strip_prefix('"').and_then(|path| path.strip_suffix('"')) {
            Some(quoted) => quoted.replace("\"\"", "\""),
            None => path.to_owned(),
        };
        hash.is_empty()
            || fs::metadata(site.join(path))
                .is_ok_and(|file| size.is_none_or(|size| size == file.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn site(name: &str) -> PathBuf {
        let site =
            std::env::temp_dir().join(format!("pydexec-repair-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&site);
        fs::create_dir_all(site.join(".pydexec")).unwrap();
        site
    }

    fn package(site: &Path, name: &str, record: Option<&str>) {
        let directory = site.join(format!("{name}-1.dist-info"));
        fs::create_dir_all(&directory).unwrap();
        fs::write(site.join(format!("{name}.py")), "12345").unwrap();
        fs::write(directory.join("METADATA"), "Version: 1\n").unwrap();
        if let Some(record) = record {
            let record = format!("{record}{name}-1.dist-info/INSTALLER,,\n");
            fs::write(directory.join("RECORD"), record).unwrap();
        }
    }

    #[test]
    fn what_is_not_whole_is_forgotten_and_the_rest_is_kept() {
        let site = site("whole");
        let control = site.join(".pydexec");
        package(&site, "distributions", None);
        package(&site, "old", Some("old.py,sha256=x,5\nold-1.dist-info/RECORD,,\n"));
        package(&site, "stripped", Some("stripped/gone.py,sha256=x,5\n"));
        package(&site, "beheaded", Some("beheaded.py,sha256=x,5\n"));
        mark(&control, &site).unwrap();
        package(&site, "new", Some("new.py,sha256=x,5\n\"new.py\",sha256=x,\ngone.pyc,,\n"));
        package(&site, "short", Some("short.py,sha256=x,7\n"));
        package(&site, "unlisted", None);
        package(&site, "unpacked", None);
        let list = site.join("unpacked-1.dist-info/RECORD");
        fs::write(list, "unpacked.py,sha256=x,5\n").unwrap();
        fs::remove_file(site.join("beheaded-1.dist-info/RECORD")).unwrap();
        fs::create_dir(site.join("~ld")).unwrap();
        // Once more, and it still tells of the time before the first.
        mark(&control, &site).unwrap();
        assert!(is_marked(&control));
        assert_eq!(repair(&control, &site).unwrap(), 5);
        let left: Vec<_> =
            records(&site).into_iter().map(|name| name.into_string().unwrap()).collect();
        assert_eq!(left, ["distributions-1.dist-info", "new-1.dist-info", "old-1.dist-info"]);
        assert!(!site.join("~ld").exists());
        unmark(&control).unwrap();
        assert!(!is_marked(&control));
        fs::remove_dir_all(site).unwrap();
    }
}

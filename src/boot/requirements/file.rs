//! Requirement files as pip reads them: what they ask for, and from which lines.
//!
//! What other files they name is read too (`-r`, `-c`). A line that nobody could install is an
//! error with its number; one that we cannot judge (a URL, a hash, an option of no known name)
//! marks the whole as the installer's to judge.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::error::RequirementsError;
use super::requirement::{Parsed, Requirement};
use crate::command::Environment;

/// A requirement, and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub requirement: Requirement,
    /// `FILE:LINE`, for messages.
    pub at: String,
}

/// All that the files ask for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub wanted: Vec<Wanted>,
    pub constraints: Vec<Wanted>,
    /// The first thing that is for the installer to judge, and where it is written.
    pub unjudged: Option<String>,
    /// Every file that was read, with its text as the installer will see it.
    pub read: Vec<(PathBuf, Vec<u8>)>,
    /// Files and directories that are to be installed themselves.
    pub local: Vec<PathBuf>,
    /// Whether the same bytes may mean something else the next time.
    pub fleeting: bool,
}

/// What a file's lines mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Requirements,
    Constraints,
}

impl Asked {
    /// Reads `file` and whatever it names. Variables (`${NAME}`) are those of `environment`, and
    /// paths of packages are relative to `directory`, where the installer will run.
    pub fn read(
        &mut self,
        file: &Path,
        environment: &Environment,
        directory: &Path,
    ) -> Result<(), RequirementsError> {
        let mut reader = Reader { asked: self, environment, directory, open: Vec::new() };
        reader.file(file, Role::Requirements)
    }

    /// Takes a requirement that is written elsewhere than in a file of its own.
    pub fn add(&mut self, text: &str, at: String) -> Result<(), String> {
        match Parsed::of(text) {
            Parsed::Requirement(requirement) => self.wanted.push(Wanted { requirement, at }),
            Parsed::Unjudged(what) => self.leave(format!("{what} ({at})")),
            Parsed::Wrong(why) => return Err(why),
        }
        Ok(())
    }

    /// Leaves it to the installer to judge.
    pub fn leave(&mut self, why: String) {
        self.unjudged.get_or_insert(why);
    }
}

struct Reader<'a> {
    asked: &'a mut Asked,
    environment: &'a Environment,
    directory: &'a Path,
    /// The files that are being read, each named by the one before it.
    open: Vec<PathBuf>,
}

impl Reader<'_> {
    fn file(&mut self, file: &Path, role: Role) -> Result<(), RequirementsError> {
        let refuse = |source: io::Error| RequirementsError::File { file: file.to_owned(), source };
        let metadata = fs::metadata(file).map_err(refuse)?;
        if metadata.is_dir() {
            return Err(RequirementsError::Directory { file: file.to_owned() });
        }
        if !metadata.is_file() {
            // A pipe can be read but once, and that is the installer's.
            self.asked.fleeting = true;
            self.asked.leave(format!("{} is no regular file", file.display()));
            return Ok(());
        }
        let bytes = fs::read(file).map_err(refuse)?;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let Ok(text) = std::str::from_utf8(bytes) else {
            self.asked.leave(format!("{} is not UTF-8", file.display()));
            self.asked.read.push((file.to_owned(), bytes.to_owned()));
            return Ok(());
        };
        let place = self.asked.read.len();
        self.asked.read.push((file.to_owned(), Vec::new()));
        self.open.push(fs::canonicalize(file).map_err(refuse)?);
        let mut seen = String::with_capacity(text.len());
        for (number, line) in logical_lines(text) {
            let line = expand(&line, self.environment);
            seen.push_str(&line);
            seen.push('\n');
            self.line(&line, file, number, role)?;
        }
        self.open.pop();
        if let Some((_, text)) = self.asked.read.get_mut(place) {
            *text = seen.into_bytes();
        }
        Ok(())
    }

    fn line(
        &mut self,
        line: &str,
        file: &Path,
        number: usize,
        role: Role,
    ) -> Result<(), RequirementsError> {
        let at = || format!("{}:{number}", file.display());
        if line.starts_with('-') {
            return self.option(line, file, number, role);
        }
        let (text, options) = split_options(line);
        match Parsed::of(text) {
            Parsed::Requirement(_) if !options.is_empty() => {
                let what = if options.starts_with("--hash") { "a hash" } else { "an option" };
                self.asked.leave(format!("{what} ({})", at()));
            }
            Parsed::Requirement(requirement) => {
                let wanted = Wanted { requirement, at: at() };
                match role {
                    Role::Requirements => self.asked.wanted.push(wanted),
                    Role::Constraints => self.asked.constraints.push(wanted),
                }
            }
            Parsed::Unjudged(what) => {
                self.local(text);
                self.asked.leave(format!("{what} ({})", at()));
            }
            Parsed::Wrong(why) => {
                return Err(RequirementsError::Line { file: file.to_owned(), line: number, why });
            }
        }
        Ok(())
    }

    fn option(
        &mut self,
        line: &str,
        file: &Path,
        number: usize,
        role: Role,
    ) -> Result<(), RequirementsError> {
        let (name, value) = option(line);
        let nested = match name {
            "-r" | "--requirement" => role,
            "-c" | "--constraint" => Role::Constraints,
            "-e" | "--editable" => {
                self.local(value);
                self.asked.leave(format!("an editable package ({}:{number})", file.display()));
                return Ok(());
            }
            // Where packages come from matters to nobody when they are all there.
            "-i" | "--index-url" | "--extra-index-url" | "-f" | "--find-links" | "--no-index"
            | "--trusted-host" | "--no-binary" | "--only-binary" | "--prefer-binary" | "--pre"
            | "--use-feature" => return Ok(()),
            _ => {
                self.asked.leave(format!("option {name} ({}:{number})", file.display()));
                return Ok(());
            }
        };
        if value.contains("://") {
            self.asked.leave(format!("a file behind a URL ({}:{number})", file.display()));
            self.asked.fleeting = true;
            return Ok(());
        }
        let path = file.parent().unwrap_or(Path::new("")).join(value);
        let wrong =
            |why: String| RequirementsError::Line { file: file.to_owned(), line: number, why };
        if value.is_empty() {
            return Err(wrong(format!("{name} names no file")));
        }
        if fs::canonicalize(&path).is_ok_and(|path| self.open.contains(&path)) {
            return Err(wrong(format!("{name} {value} leads back to where it came from")));
        }
        match self.file(&path, nested) {
            Err(RequirementsError::File { file, source }) if file == path => {
                Err(wrong(format!("cannot read {path:?}: {}", crate::error::reason(&source))))
            }
            other => other,
        }
    }

    /// Notes a path, so that a change of what it leads to is seen.
    fn local(&mut self, text: &str) {
        let text = text.split(';').next().unwrap_or_default().trim();
        let text = text.strip_prefix("file://").or(text.strip_prefix("file:")).unwrap_or(text);
        let path = text.split(['[', '#']).next().unwrap_or_default().trim();
        if !path.is_empty() && !path.contains("://") && !path.contains('@') {
            self.asked.local.push(self.directory.join(path));
        }
    }
}

/// The lines of a file, with continuation lines joined and comments taken off, and their numbers.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut joined: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let is_comment = line.trim_start().starts_with('#');
        let (first, mut so_far) = joined.take().unwrap_or((index + 1, String::new()));
        match line.strip_suffix('\\') {
            Some(line) if !is_comment => {
                so_far.push_str(line);
                joined = Some((first, so_far));
            }
            _ => {
                if is_comment {
                    // So that a comment that ends a continued line is still one.
                    so_far.push(' ');
                }
                so_far.push_str(line);
                lines.push((first, so_far));
            }
        }
    }
    lines.extend(joined);
    lines
        .into_iter()
        .map(|(number, line)| (number, without_comment(&line).trim().to_owned()))
        .filter(|(_, line)| !line.is_empty())
        .collect()
}

/// A comment begins the line, or has a blank before it: `a#egg=b` has none.
fn without_comment(line: &str) -> &str {
    let mut blank_before = true;
    for (index, letter) in line.char_indices() {
        if letter == '#' && blank_before {
            return line.get(..index).unwrap_or(line);
        }
        blank_before = letter.is_whitespace();
    }
    line
}

/// `${NAME}` by its value, where it has one; names are capitals, digits and `_`, as pip has it.
fn expand(line: &str, environment: &Environment) -> String {
    let mut result = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("${") {
        result.push_str(before);
        let in_name =
            |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_';
        let value = after.split_once('}').and_then(|(name, rest)| {
            let known = !name.is_empty() && name.chars().all(in_name);
            let value = environment.get(name).filter(|value| known && !value.is_empty())?;
            Some((OsStr::as_bytes(value), rest))
        });
        match value {
            Some((value, after)) => {
                result.push_str(&String::from_utf8_lossy(value));
                rest = after;
            }
            None => {
                result.push_str("${");
                rest = after;
            }
        }
    }
    result.push_str(rest);
    result
}

/// A requirement, and the options behind it, which begin at the first word with a `-`.
fn split_options(line: &str) -> (&str, &str) {
    match line.find(" -") {
        Some(at) => {
            let (text, options) = line.split_at_checked(at).unwrap_or((line, ""));
            (text.trim(), options.trim())
        }
        None => (line, ""),
    }
}

/// The name of an option and its value: `-r x`, `-rx`, `--requirement x`, `--requirement=x`.
fn option(line: &str) -> (&str, &str) {
    let long = line.starts_with("--");
    let end = match long {
        true => line.find(|letter: char| letter == '=' || letter.is_whitespace()),
        false => line.char_indices().nth(2).map(|(index, _)| index),
    };
    let (name, value) = line.split_at_checked(end.unwrap_or(line.len())).unwrap_or((line, ""));
    let value = value.trim_start();
    let value = value.strip_prefix('=').unwrap_or(value).trim();
    let quoted = |quote| value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
    (name, quoted('"').or_else(|| quoted('\'')).unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(files: &[(&str, &str)]) -> Result<Asked, RequirementsError> {
        let directory = std::env::temp_dir().join(format!(
            "pydexec-file-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        fs::create_dir_all(&directory).unwrap();
        for (name, text) in files {
            fs::write(directory.join(name), text).unwrap();
        }
        let environment = Environment::from_iter([("VERSION", "1.5"), ("EMPTY", "")]);
        let mut asked = Asked::default();
        let result = asked.read(&directory.join(files[0].0), &environment, Path::new("/work"));
        fs::remove_dir_all(&directory).unwrap();
        result.map(|()| asked)
    }

    fn names(wanted: &[Wanted]) -> Vec<&str> {
        wanted.iter().map(|wanted| wanted.requirement.name.as_str()).collect()
    }

    #[test]
    fn comments_continuations_and_variables_are_read_as_pip_does() {
        let text =
            "\u{feff}# all\na==1 # why\nb>=1,\\\n  <2\n\nc==${VERSION}\r\nd==1 \\\n# no\ne # x";
        let asked = asked(&[("r.txt", text)]).unwrap();
        assert_eq!(names(&asked.wanted), ["a", "b", "c", "d", "e"]);
        assert_eq!(asked.wanted[2].requirement.clauses[0].text(), "==1.5");
        assert!(asked.wanted[2].at.ends_with("r.txt:6"), "{}", asked.wanted[2].at);
        assert_eq!(asked.unjudged, None);
    }

    #[test]
    fn an_unset_variable_stays_as_it_is_written() {
        let environment = Environment::from_iter([("A", "1"), ("EMPTY", "")]);
        for (text, expanded) in [
            ("${A}${B}", "1${B}"),
            ("${EMPTY} $A ${a} ${", "${EMPTY} $A ${a} ${"),
            ("${${A}}", "${1}"),
        ] {
            assert_eq!(expand(text, &environment), expanded);
        }
    }

    #[test]
    fn files_that_are_named_are_followed_from_where_they_are() {
        let files = [
            ("r.txt", "a\n-r more.txt\n-c limits.txt\n--requirement=\"more.txt\""),
            ("more.txt", "b==1"),
            ("limits.txt", "a<3\n-r more.txt"),
        ];
        let asked = asked(&files).unwrap();
        assert_eq!(names(&asked.wanted), ["a", "b", "b"]);
        assert_eq!(names(&asked.constraints), ["a", "b"]);
        assert_eq!(asked.read.len(), 5);
    }

    #[test]
    fn a_loop_a_missing_file_and_a_wrong_line_are_told_by_number() {
        for (files, line, said) in [
            (&[("r.txt", "a\n-r r.txt")][..], 2, "leads back"),
            (&[("r.txt", "-r x.txt"), ("x.txt", "\n\n-r r.txt")], 3, "leads back"),
            (&[("r.txt", "a\n\n-c gone.txt")], 3, "gone.txt"),
            (&[("r.txt", "flask=1.0")], 1, "=="),
            (&[("r.txt", "-r")], 1, "no file"),
        ] {
            match asked(files).unwrap_err() {
                RequirementsError::Line { line: at, why, .. } => {
                    assert_eq!(at, line, "{why}");
                    assert!(why.contains(said), "{why}");
                }
                other => panic!("{other}"),
            }
        }
    }

    #[test]
    fn what_cannot_be_judged_is_left_to_the_installer() {
        for (text, said) in [
            ("a==1 --hash=sha256:00", "a hash (/"),
            ("-e ./x", "editable"),
            ("https://example.com/x.whl", "URL"),
            ("--bogus x", "option --bogus"),
            ("--require-hashes", "--require-hashes"),
            ("-r https://example.com/r.txt", "behind a URL"),
            ("a --config-settings x=y", "an option"),
        ] {
            let asked = asked(&[("r.txt", text)]).unwrap();
            let why = asked.unjudged.unwrap();
            assert!(why.contains(said), "{text}: {why}");
        }
        for text in ["-i https://x/simple\na", "--no-index\n-f /wheels\n--pre\na"] {
            assert_eq!(asked(&[("r.txt", text)]).unwrap().unjudged, None, "{text}");
        }
    }

    #[test]
    fn local_packages_are_noted_from_where_the_installer_runs() {
        let asked = asked(&[("r.txt", "./a\n-e b[x]\n/w/c.whl ; os_name == 'x'")]).unwrap();
        let expected = ["/work/./a", "/work/b", "/w/c.whl"].map(PathBuf::from);
        assert_eq!(asked.local, expected);
    }
}

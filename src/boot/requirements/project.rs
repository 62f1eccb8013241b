//! `--project DIR`: what a `pyproject.toml` depends on.
//!
//! Its dependencies are installed, with those of the extras that were asked for; the project itself
//! is not, since it runs from its own directory, and an installed copy would grow stale there.
//! Where there is a `uv.lock` and a uv, exactly what is locked is installed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::error::RequirementsError;
use super::file::Asked;
use super::requirement::normalize;

/// A project, as far as its dependencies go.
#[derive(Debug)]
pub(super) struct Project {
    pub directory: PathBuf,
    pub extras: Vec<String>,
    /// The dependencies as they are written, where they are.
    pub dependencies: Option<Vec<String>>,
    pub locked: bool,
}

impl Project {
    /// The file that says it all.
    pub fn file(&self) -> PathBuf {
        self.directory.join("pyproject.toml")
    }

    /// The file that says it exactly.
    pub fn lock(&self) -> PathBuf {
        self.directory.join("uv.lock")
    }

    /// Reads `directory`'s files, and adds what they ask for.
    pub fn read(
        directory: &Path,
        extras: &[String],
        asked: &mut Asked,
    ) -> Result<Self, RequirementsError> {
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        let mut project =
            Self { directory, extras: extras.to_vec(), dependencies: None, locked: false };
        let file = project.file();
        let refuse = |source| RequirementsError::File { file: file.clone(), source };
        let text = fs::read_to_string(&file).map_err(refuse)?;
        asked.read.push((file.clone(), text.clone().into_bytes()));
        match fs::read(project.lock()) {
            Ok(bytes) => {
                asked.read.push((project.lock(), bytes));
                asked.leave(format!("{} is uv's to read", project.lock().display()));
                project.locked = true;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(RequirementsError::File { file: project.lock(), source });
            }
        }
        let wrong = |why: String| RequirementsError::Project { file: file.clone(), why };
        let table = DeTable::parse(&text).map_err(|error| wrong(first_line(error.message())))?;
        let table = table.get_ref();
        project.dependencies = dependencies(table, extras).map_err(wrong)?;
        let uv = table.get("tool").and_then(|tool| tool.get_ref().get("uv"));
        if uv.and_then(|uv| uv.get_ref().get("sources")).is_some() {
            asked.leave(format!("{} has sources that are uv's to read", file.display()));
        }
        match &project.dependencies {
            None => asked.leave(format!("the dependencies in {} are dynamic", file.display())),
            Some(dependencies) => {
                for dependency in dependencies {
                    asked.add(dependency, file.display().to_string()).map_err(wrong)?;
                }
            }
        }
        Ok(project)
    }

    /// `DIR[extra,extra]`, for pip.
    pub fn as_requirement(&self) -> String {
        let extras = match self.extras.is_empty() {
            true => String::new(),
            false => format!("[{}]", self.extras.join(",")),
        };
        format!("{}{extras}", self.directory.display())
    }
}

/// `None` where a build backend has to say.
fn dependencies(table: &DeTable<'_>, extras: &[String]) -> Result<Option<Vec<String>>, String> {
    let Some(project) = table.get("project").and_then(|value| value.get_ref().as_table()) else {
        return Ok(None);
    };
    let dynamic = project.get("dynamic").and_then(|value| value.get_ref().as_array());
    let is_dynamic = |name: &str| {
        dynamic
            .is_some_and(|names| names.iter().any(|value| value.get_ref().as_str() == Some(name)))
    };
    if is_dynamic("dependencies") || (!extras.is_empty() && is_dynamic("optional-dependencies")) {
        return Ok(None);
    }
    let mut dependencies =
        texts(project.get("dependencies").map(|value| value.get_ref()), "dependencies")?;
    let optional =
        project.get("optional-dependencies").and_then(|value| value.get_ref().as_table());
    for extra in extras {
        let wanted = normalize(extra);
        let entry = optional
            .and_then(|table| table.iter().find(|(key, _)| normalize(key.get_ref()) == wanted));
        let Some((key, list)) = entry else {
            let known = optional
                .map(|table| table.keys().map(|key| key.get_ref().as_ref()).collect::<Vec<_>>());
            let known = known.filter(|known| !known.is_empty()).map(|known| known.join(", "));
            return Err(match known {
                Some(known) => format!("there is no extra {extra:?}, only {known}"),
                None => format!("there is no extra {extra:?}, nor any other"),
            });
        };
        dependencies.extend(texts(Some(list.get_ref()), key.get_ref())?);
    }
    Ok(Some(dependencies))
}

fn texts(value: Option<&DeValue<'_>>, name: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("{name} is no list of texts");
    let Some(value) = value else {
        return Ok(Vec::new());
    };
    let list = value.as_array().ok_or_else(wrong)?;
    list.iter().map(|value| value.get_ref().as_str().map(str::to_owned).ok_or_else(wrong)).collect()
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, extras: &[&str]) -> Result<Option<Vec<String>>, String> {
        let extras: Vec<String> = extras.iter().map(|extra| (*extra).to_owned()).collect();
        dependencies(DeTable::parse(text).unwrap().get_ref(), &extras)
    }

    const TEXT: &str = "[project]\nname = 'x'\ndependencies = ['a>1']\n\
        [project.optional-dependencies]\nMy_Web = ['b']\n";

    #[test]
    fn dependencies_and_those_of_the_extras_are_taken() {
        assert_eq!(of(TEXT, &[]), Ok(Some(vec!["a>1".to_owned()])));
        assert_eq!(of(TEXT, &["my-web"]), Ok(Some(vec!["a>1".to_owned(), "b".to_owned()])));
        assert!(of(TEXT, &["other"]).unwrap_err().contains("only My_Web"));
    }

    #[test]
    fn what_a_backend_has_to_say_is_not_guessed() {
        assert_eq!(of("[tool.poetry]\nname = 'x'", &[]), Ok(None));
        assert_eq!(of("[project]\ndynamic = ['dependencies']", &[]), Ok(None));
        assert!(of("[project]\ndependencies = 'a'", &[]).is_err());
    }
}

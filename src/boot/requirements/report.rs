//! `--requirements-check`: what was found, and why something would be installed or not.

use std::fmt;

use super::installer::Tool;
use super::interpreter::{Interpreter, Kind, Located};
use super::place::Place;
use super::{Look, Requirements};

/// What a check has found: a line for each thing.
#[derive(Debug)]
pub(crate) struct Report {
    lines: Vec<(&'static str, String)>,
    /// Nothing would be started.
    pub is_there: bool,
}

impl Report {
    /// When nothing is asked for.
    pub fn nothing() -> Self {
        let why = "no requirement file and no project".into();
        Self { lines: vec![("files", why), ("result", "nothing to do".into())], is_there: true }
    }
}

impl Report {
    /// What each line is about, and what it says.
    #[cfg(feature = "file")]
    pub fn into_lines(self) -> impl Iterator<Item = (&'static str, String)> {
        self.lines.into_iter()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|(name, text)| writeln!(f, "{name}: {text}"))
    }
}

impl Requirements {
    /// Says what is there and what would be done. Nothing is started or changed.
    pub fn report(&self) -> Report {
        let read = self.asked.read.iter().map(|(path, _)| path.display().to_string());
        let count = |number: usize, what: &str| match number {
            1 => format!("1 {what}"),
            number => format!("{number} {what}s"),
        };
        let files = format!(
            "{} ({}, {})",
            read.collect::<Vec<_>>().join(", "),
            count(self.asked.wanted.len(), "requirement"),
            count(self.asked.constraints.len(), "constraint"),
        );
        let mut lines = vec![("files", files)];
        let interpreter = match &self.located {
            Located::Known(interpreter) => interpreter,
            Located::Unknown(program) => {
                let why =
                    format!("{} has to be asked, and nothing is started here", program.display());
                lines.push(("interpreter", why));
                lines.push(("result", "cannot be told".into()));
                return Report { lines, is_there: false };
            }
        };
        lines.push(("interpreter", describe(interpreter)));
        let (word, why, is_there) = match &self.seen {
            Some(Look::There { why, exposure }) => {
                let why = match exposure {
                    Some(exposure) => format!("{why}, seen by {}", exposure.variable),
                    None => why.clone(),
                };
                ("nothing to do", why, true)
            }
            Some(Look::Missing { why }) => ("to be installed", why.clone(), false),
            None => ("to be installed", "not looked for".into(), false),
        };
        lines.push(("found", why));
        if !is_there {
            let environment = &self.base.environment;
            let tool = Tool::find(self.options.installer, interpreter, environment, &self.subject);
            lines.push((
                "installer",
                match tool {
                    Ok(tool) => tool.installer.name().to_owned(),
                    Err(error) => error.to_string(),
                },
            ));
            let site = self.options.site.as_deref();
            let place = Place::choose(interpreter, site, environment, self.owner());
            lines.push((
                "place",
                match place {
                    Ok(Place::Site(site)) => site.display().to_string(),
                    Ok(Place::Overlay(shelf)) => {
                        format!("an overlay in {}", shelf.directory.display())
                    }
                    Err(error) => error.to_string(),
                },
            ));
        }
        lines.push(("result", word.into()));
        Report { lines, is_there }
    }
}

fn describe(interpreter: &Interpreter) -> String {
    let kind = match interpreter.kind {
        Kind::Venv => "a venv",
        Kind::Own => "not a venv",
        Kind::Managed => "EXTERNALLY-MANAGED",
    };
    let (program, library) = (interpreter.program.display(), &interpreter.library);
    format!("{program}, {library}, {kind}, packages in {}", interpreter.site.display())
}

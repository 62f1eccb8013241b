//! What a case is made of.

use std::path::{Path, PathBuf};

use crate::support::{Exit, Output, Scene, probe, program};

/// A tool under one of its names.
pub struct Tool {
    pub path: PathBuf,
    directory: PathBuf,
    pub name: String,
}

impl Tool {
    pub fn new(directory: &Path, name: &str) -> Self {
        Self { path: directory.join(name), directory: directory.to_owned(), name: name.to_owned() }
    }

    /// `TOOL WORDS…`
    pub fn with(&self, words: &[&str]) -> Scene {
        program(&self.path, words)
    }

    /// `TOOL WORDS… PROBE PROBE-WORDS…`
    pub fn probe(&self, words: &[&str], probe_words: &[&str]) -> Scene {
        let probe = probe().to_string_lossy().into_owned();
        let words: Vec<&str> =
            words.iter().copied().chain([&*probe]).chain(probe_words.iter().copied()).collect();
        program(&self.path, &words)
    }

    /// A shell that knows both as `$TOOL` and `$PROBE`.
    pub fn script(&self, script: &str) -> Scene {
        program("/bin/sh", &["-c", script]).env("TOOL", &self.path).env("PROBE", probe())
    }

    /// `text`, without where the tool is.
    pub fn anonymous(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.directory.display()), "")
    }
}

/// What the text is compared with.
pub enum Against {
    /// What is seen of the original of this name.
    Original(&'static str),
    /// What its description says, where there is no original here.
    Described(String),
}

/// Something to do with a tool, and what is to be seen then.
pub struct Case {
    pub name: String,
    pub tool: &'static str,
    pub against: Against,
    /// Only root can do it.
    pub root: bool,
    pub observe: Observe,
}

pub type Observe = Box<dyn Fn(&Tool) -> String + Send + Sync>;

/// A case for a tool that has an original of that name.
pub fn case(
    tool: &'static str,
    name: impl Into<String>,
    observe: impl Fn(&Tool) -> String + Send + Sync + 'static,
) -> Case {
    let name = format!("{tool}: {}", name.into());
    Case { name, tool, against: Against::Original(tool), root: false, observe: Box::new(observe) }
}

/// A case for one whose behaviour is only described.
pub fn described(
    tool: &'static str,
    name: impl Into<String>,
    text: impl Into<String>,
    observe: impl Fn(&Tool) -> String + Send + Sync + 'static,
) -> Case {
    Case { against: Against::Described(text.into()), ..case(tool, name, observe) }
}

/// How it ended, in words.
pub fn exit(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit {code}"),
        Exit::Signal(signal) => format!("killed by {signal}"),
    }
}

/// How it ended and what it said.
pub fn all(tool: &Tool, output: &Output) -> String {
    let mut text = exit(output.exit);
    for (stream, said) in [("out", &output.stdout), ("err", &output.stderr)] {
        for line in tool.anonymous(said).lines() {
            text.push_str(&format!("\n{stream}: {line}"));
        }
    }
    text
}

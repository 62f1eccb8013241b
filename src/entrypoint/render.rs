//! A plan as people read it, and as programs do, with what is secret hidden in both.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use super::lower::Lowered;
use super::mask::Mask;
use crate::boot::{Failure, Rendered, Run, Step, duration};
use crate::command::{Environment, ExecPlan};
use crate::sys::ids;
use crate::sys::signal::Signal;

/// How a plan is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
}

/// What would be done: `ours` is the environment from which it differs.
pub(crate) fn show(plan: &Lowered, file: &Path, ours: &Environment, format: Format) -> String {
    let shown = Shown { mask: &plan.mask, ours };
    let mut parts: Vec<Part> = plan.boot.steps.iter().map(|step| shown.step(step)).collect();
    parts.push(shown.command(plan));
    match format {
        Format::Text => text(&parts, plan, file),
        Format::Json => {
            let parts = parts.into_iter().map(Part::json).collect();
            let object = Json::Object(vec![
                ("file", Json::Text(file.to_string_lossy().into_owned())),
                ("command", Json::Text(plan.chosen.clone())),
                ("steps", Json::List(parts)),
            ]);
            format!("{object}\n")
        }
    }
}

fn text(parts: &[Part], plan: &Lowered, file: &Path) -> String {
    let mut text = format!("{}: {}\n", file.display(), plan.chosen);
    for (index, part) in parts.iter().enumerate() {
        text.push_str(&format!("\n{}. {}", index + 1, part.title));
        for (name, value) in &part.facts {
            text.push_str(&format!(", {name} {}", value.plain()));
        }
        text.push('\n');
        match &part.body {
            Body::None => {}
            Body::Waits(targets) => {
                for (target, timeout) in targets {
                    text.push_str(&format!("   {target}, at most {}\n", duration::shown(*timeout)));
                }
            }
            Body::Files(files) => {
                for file in files {
                    text.push_str(&format!("   {}", quote(file.path.as_bytes())));
                    if let Some(mode) = file.mode {
                        text.push_str(&format!(", mode {mode:04o}"));
                    }
                    if let Some((uid, gid)) = file.owner {
                        text.push_str(&format!(", owner {uid}:{gid}"));
                    }
                    text.push('\n');
                }
            }
            Body::Process(process) => process.text(&mut text),
        }
    }
    text
}

/// One thing that is done.
struct Part {
    kind: &'static str,
    title: String,
    facts: Vec<(&'static str, Json)>,
    body: Body,
}

/// What there is to say of it.
enum Body {
    None,
    Waits(Vec<(String, Duration)>),
    Files(Vec<File>),
    Process(Process),
}

/// A file that is written. What is in it may be secret.
struct File {
    path: String,
    mode: Option<u32>,
    owner: Option<(u32, u32)>,
}

/// A program that is started.
struct Process {
    argv: Vec<Vec<u8>>,
    user: Option<String>,
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    directory: Option<String>,
    set: Vec<(String, Vec<u8>)>,
    removed: Vec<String>,
}

struct Shown<'a> {
    mask: &'a Mask,
    ours: &'a Environment,
}

impl Shown<'_> {
    fn step(&self, step: &Step) -> Part {
        match step {
            Step::Wait(waits) => Part {
                kind: "wait",
                title: "wait for all of these at once".into(),
                facts: Vec::new(),
                body: Body::Waits(
                    waits
                        .iter()
                        .flat_map(|wait| {
                            wait.targets.iter().map(|target| (target.to_string(), wait.timeout))
                        })
                        .map(|(target, timeout)| (self.mask.text(&target), timeout))
                        .collect(),
                ),
            },
            Step::Write(files) => Part {
                kind: "template",
                title: "write these files, where they differ".into(),
                facts: Vec::new(),
                body: Body::Files(files.iter().map(|file| self.file(file)).collect()),
            },
            Step::Own(owns) => Part {
                kind: "own",
                title: "give these to their owners, with all below them".into(),
                facts: Vec::new(),
                body: Body::Files(
                    owns.iter()
                        .map(|own| File {
                            path: self.mask.text(&own.path.to_string_lossy()),
                            mode: None,
                            owner: Some((own.owner.uid, own.owner.gid)),
                        })
                        .collect(),
                ),
            },
            Step::Requirements(requirements) => Part {
                kind: "requirements",
                title: "install the requirements".into(),
                facts: requirements
                    .report()
                    .into_lines()
                    .map(|(name, text)| (name, Json::Text(self.mask.text(&text))))
                    .collect(),
                body: Body::None,
            },
            Step::Run(run) => {
                let mut facts = Vec::new();
                if let Some(timeout) = run.policy.limits.time {
                    facts.push(("timeout", Json::Seconds(timeout)));
                }
                if run.failure == Failure::Told {
                    facts.push(("allow-failure", Json::Bool(true)));
                }
                let body = Body::Process(self.process(&run.plan));
                Part { kind: "run", title: "run".into(), facts, body }
            }
            Step::Skipped { what, why } => Part {
                kind: "skipped",
                title: self.mask.text(&format!("skip: {what}")),
                facts: vec![("because", Json::Text(why.clone()))],
                body: Body::None,
            },
        }
    }

    fn file(&self, file: &Rendered) -> File {
        File {
            path: self.mask.text(&file.dest.to_string_lossy()),
            mode: file.mode,
            owner: file.owner.map(|owner| (owner.uid, owner.gid)),
        }
    }

    fn command(&self, plan: &Lowered) -> Part {
        let mut facts = Vec::new();
        if let Run::AsInit(policy) = plan.boot.run {
            if let Some(signal) = policy.rewrites.of(Signal::TERM).filter(|it| *it != Signal::TERM)
            {
                facts.push(("stop-signal", Json::Text(signal.to_string())));
            }
            if let Some(grace) = policy.limits.grace {
                facts.push(("stop-timeout", Json::Seconds(grace)));
            }
        }
        let body = Body::Process(self.process(&plan.boot.command));
        Part { kind: "command", title: "start the command".into(), facts, body }
    }

    fn process(&self, plan: &ExecPlan) -> Process {
        let words = [plan.program().to_owned()].into_iter().chain(plan.arguments().iter().cloned());
        let argv = words.map(|word: OsString| self.mask.bytes(word.as_bytes())).collect();
        let own = ids::Identity::current();
        let (user, uid, gid, groups) = match plan.credentials() {
            Some(user) => {
                (Some(user.spec().to_owned()), user.uid(), user.gid(), user.groups().to_vec())
            }
            None => (None, own.uid, own.gid, ids::supplementary_groups().unwrap_or_default()),
        };
        let environment = plan.environment();
        let set = environment
            .variables()
            .filter(|(name, value)| self.ours.get(name) != Some(*value))
            .map(|(name, value)| (lossy(name), self.mask.variable(name, value)))
            .collect();
        let removed = self
            .ours
            .variables()
            .map(|(name, _)| name)
            .filter(|name| environment.get(name).is_none())
            .map(lossy)
            .collect();
        let directory = plan.workdir().map(|directory| lossy(directory.as_os_str()));
        Process { argv, user, uid, gid, groups, directory, set, removed }
    }
}

fn lossy(text: &OsStr) -> String {
    text.to_string_lossy().into_owned()
}

impl Process {
    fn text(&self, text: &mut String) {
        let argv: Vec<String> = self.argv.iter().map(|word| quote(word)).collect();
        let groups: Vec<String> = self.groups.iter().map(u32::to_string).collect();
        text.push_str(&format!("   {}\n", argv.join(" ")));
        text.push_str(&format!(
            "   as {} (uid {}, gid {}, groups {}), in {}\n",
            self.user.as_deref().unwrap_or("now"),
            self.uid,
            self.gid,
            groups.join(" "),
            self.directory.as_deref().unwrap_or("the directory of now"),
        ));
        for (name, value) in &self.set {
            text.push_str(&format!("   + {name}={}\n", quote(value)));
        }
        for name in &self.removed {
            text.push_str(&format!("   - {name}\n"));
        }
    }

    fn json(self, to: &mut Vec<(&'static str, Json)>) {
        let plain = |bytes: Vec<u8>| Json::Text(String::from_utf8_lossy(&bytes).into_owned());
        let optional = |text: Option<String>| text.map_or(Json::Null, Json::Text);
        let number = |id: u32| Json::Number(id.into());
        to.extend([
            ("argv", Json::List(self.argv.into_iter().map(plain).collect())),
            ("user", optional(self.user)),
            ("uid", number(self.uid)),
            ("gid", number(self.gid)),
            ("groups", Json::List(self.groups.into_iter().map(number).collect())),
            ("workdir", optional(self.directory)),
            (
                "set",
                Json::Named(
                    self.set.into_iter().map(|(name, value)| (name, plain(value))).collect(),
                ),
            ),
            ("removed", Json::List(self.removed.into_iter().map(Json::Text).collect())),
        ]);
    }
}

impl Part {
    fn json(self) -> Json {
        let mut object = vec![("step", Json::Text(self.kind.to_owned()))];
        if self.kind == "skipped" {
            object.push(("what", Json::Text(self.title)));
        }
        object.extend(self.facts);
        match self.body {
            Body::None => {}
            Body::Waits(targets) => {
                let targets = targets.into_iter().map(|(target, timeout)| {
                    let timeout = Json::Seconds(timeout);
                    Json::Object(vec![("target", Json::Text(target)), ("timeout", timeout)])
                });
                object.push(("for", Json::List(targets.collect())));
            }
            Body::Files(files) => {
                let number = |id: u32| Json::Number(id.into());
                let files = files.into_iter().map(|file| {
                    let mode = file.mode.map(|mode| Json::Text(format!("{mode:04o}")));
                    let (uid, gid) = file.owner.unzip();
                    Json::Object(vec![
                        ("path", Json::Text(file.path)),
                        ("mode", mode.unwrap_or(Json::Null)),
                        ("uid", uid.map_or(Json::Null, number)),
                        ("gid", gid.map_or(Json::Null, number)),
                    ])
                });
                object.push(("files", Json::List(files.collect())));
            }
            Body::Process(process) => process.json(&mut object),
        }
        Json::Object(object)
    }
}

/// A word as a shell takes it, bytes that are no text included.
pub(super) fn quote(word: &[u8]) -> String {
    match std::str::from_utf8(word) {
        Ok(text) if !text.chars().any(char::is_control) => shell_words::quote(text).into_owned(),
        // As bash and dash-like shells of POSIX 2024 have it.
        _ => {
            let mut quoted = "$'".to_owned();
            for chunk in word.utf8_chunks() {
                for letter in chunk.valid().chars() {
                    match letter {
                        '\\' | '\'' => quoted.extend(['\\', letter]),
                        '\n' => quoted.push_str("\\n"),
                        '\t' => quoted.push_str("\\t"),
                        letter if letter.is_ascii_control() => {
                            quoted.push_str(&format!("\\{:03o}", u32::from(letter)));
                        }
                        letter => quoted.push(letter),
                    }
                }
                for byte in chunk.invalid() {
                    quoted.push_str(&format!("\\{byte:03o}"));
                }
            }
            quoted.push('\'');
            quoted
        }
    }
}

/// JSON, as much of it as there is to say.
enum Json {
    Null,
    Bool(bool),
    Number(u64),
    /// In seconds, with a fraction only where there is one.
    Seconds(Duration),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
    /// With names that are not ours.
    Named(Vec<(String, Json)>),
}

impl Json {
    /// As it stands in the text.
    fn plain(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Seconds(time) => duration::shown(*time),
            Self::Bool(true) => "yes".into(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::Seconds(time) => match time.subsec_millis() {
                0 => write!(f, "{}", time.as_secs()),
                fraction => write!(f, "{}.{fraction:03}", time.as_secs()),
            },
            Self::Text(text) => string(f, text),
            Self::List(elements) => {
                f.write_str("[")?;
                for (index, element) in elements.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{element}")?;
                }
                f.write_str("]")
            }
            Self::Object(members) => object(f, members.iter().map(|(name, value)| (*name, value))),
            Self::Named(members) => {
                object(f, members.iter().map(|(name, value)| (name.as_str(), value)))
            }
        }
    }
}

fn object<'a>(
    f: &mut fmt::Formatter<'_>,
    members: impl Iterator<Item = (&'a str, &'a Json)>,
) -> fmt::Result {
    f.write_str("{")?;
    for (index, (name, value)) in members.enumerate() {
        f.write_str(if index == 0 { "" } else { "," })?;
        string(f, name)?;
        write!(f, ":{value}")?;
    }
    f.write_str("}")
}

fn string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for letter in text.chars() {
        match letter {
            '"' | '\\' => write!(f, "\\{letter}")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            letter if letter.is_control() => write!(f, "\\u{:04x}", u32::from(letter))?,
            letter => write!(f, "{letter}")?,
        }
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_can_be_pasted() {
        for (word, quoted) in [
            (&b"plain"[..], "plain"),
            (b"", "''"),
            (b"a b", "'a b'"),
            (b"it's", r"'it'\''s'"),
            (b"$HOME", "'$HOME'"),
            (b"a\nb", "$'a\\nb'"),
            (b"\xff'\\", "$'\\377\\'\\\\'"),
            ("ü".as_bytes(), "'ü'"),
        ] {
            let mut shell = std::process::Command::new("bash");
            let output =
                shell.arg("-c").arg(format!("printf %s {}", quote(word))).output().unwrap();
            assert_eq!(output.stdout, word, "{}", quote(word));
            if word != "ü".as_bytes() {
                assert_eq!(quote(word), quoted);
            }
        }
    }

    #[test]
    fn json_escapes_what_json_must() {
        let json = Json::Object(vec![
            ("a", Json::List(vec![Json::Null, Json::Bool(true), Json::Number(1)])),
            ("b", Json::Named(vec![("x\"y".into(), Json::Text("\\ \n \u{1} ü".into()))])),
            ("c", Json::Seconds(Duration::from_millis(1500))),
        ]);
        let expected = r#"{"a":[null,true,1],"b":{"x\"y":"\\ \n \u0001 ü"},"c":1.500}"#;
        assert_eq!(json.to_string(), expected);
    }
}

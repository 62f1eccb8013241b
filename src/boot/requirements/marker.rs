//! Environment markers: whether a requirement holds for this interpreter at all.
//!
//! Three-valued. The files beside an interpreter tell its version up to the minor number; what
//! would take more than that (a patch level, the kernel's release) is unknown, and whoever asks
//! leaves it to the installer.

use std::str::FromStr;

use pep440_rs::Version;

use super::version::Clause;

/// What a marker comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    Yes,
    No,
    Unknown,
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::Yes } else { Self::No }
    }
}

impl Truth {
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Unknown,
        }
    }

    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::No, Self::No) => Self::No,
            _ => Self::Unknown,
        }
    }
}

/// What markers are about: the interpreter, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Platform {
    /// Such as (3, 12).
    pub python: (u32, u32),
    /// In full, where the interpreter itself was asked.
    pub full: Option<Version>,
    /// As `sys.implementation` and `platform` call it: `cpython` and `CPython`.
    pub implementation: (String, String),
}

impl Platform {
    /// A CPython whose patch level is not known.
    pub fn cpython(major: u32, minor: u32) -> Self {
        Self {
            python: (major, minor),
            full: None,
            implementation: ("cpython".into(), "CPython".into()),
        }
    }

    /// The value of a variable that is a text.
    fn text(&self, name: &str) -> Option<String> {
        Some(match name {
            "python_version" => format!("{}.{}", self.python.0, self.python.1),
            "os_name" | "os.name" => "posix".into(),
            "sys_platform" | "sys.platform" => "linux".into(),
            "platform_system" => "Linux".into(),
            // This binary is built for the processor that it runs on.
            "platform_machine" | "platform.machine" => std::env::consts::ARCH.into(),
            "implementation_name" => self.implementation.0.clone(),
            "platform_python_implementation"
            | "platform.python_implementation"
            | "python_implementation" => self.implementation.1.clone(),
            _ => return None,
        })
    }
}

/// A marker that can be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    All(Vec<Marker>),
    Any(Vec<Marker>),
    Compare { left: Value, operator: String, right: Value },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Variable(String),
    Text(String),
}

impl Marker {
    /// Reads a marker; `None` if it is none that we know.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parser = Parser { rest: text };
        let marker = parser.any(0)?;
        parser.skip_blanks();
        parser.rest.is_empty().then_some(marker)
    }

    /// Whether it holds on `platform` for the extra of that (normalized) name; `""` for none.
    pub fn holds(&self, platform: &Platform, extra: &str) -> Truth {
        match self {
            Self::All(parts) => {
                parts.iter().fold(Truth::Yes, |truth, part| truth.and(part.holds(platform, extra)))
            }
            Self::Any(parts) => {
                parts.iter().fold(Truth::No, |truth, part| truth.or(part.holds(platform, extra)))
            }
            Self::Compare { left, operator, right } => {
                compare(left, operator, right, platform, extra)
            }
        }
    }
}

fn compare(left: &Value, operator: &str, right: &Value, platform: &Platform, extra: &str) -> Truth {
    let (name, literal, reversed) = match (left, right) {
        (Value::Variable(name), Value::Text(text)) => (name.as_str(), text, false),
        (Value::Text(text), Value::Variable(name)) => (name.as_str(), text, true),
        _ => return Truth::Unknown,
    };
    match name {
        "extra" => {
            let same = super::requirement::normalize(literal) == extra;
            match operator {
                "==" => same.into(),
                "!=" => (!same).into(),
                _ => Truth::Unknown,
            }
        }
        "python_full_version" | "implementation_version" if !reversed => {
            full_version(operator, literal, platform)
        }
        _ => match platform.text(name) {
            Some(value) if reversed => texts(literal, operator, &value),
            Some(value) => texts(&value, operator, literal),
            None => Truth::Unknown,
        },
    }
}

/// As `packaging` compares: as versions where the right side is one, as texts otherwise.
fn texts(left: &str, operator: &str, right: &str) -> Truth {
    match operator {
        "in" => return right.contains(left).into(),
        "not in" => return (!right.contains(left)).into(),
        _ => {}
    }
    if let Ok(clause) = format!("{operator}{right}").parse::<Clause>() {
        return match Version::from_str(left) {
            Ok(version) => clause.contains(&version).into(),
            Err(_) => Truth::Unknown,
        };
    }
    match operator {
        "==" => (left == right).into(),
        "!=" => (left != right).into(),
        // An order of texts is defined for few, and newer versions of `packaging` have none.
        _ => Truth::Unknown,
    }
}

/// The patch level is unknown, and most of the time does not matter.
fn full_version(operator: &str, literal: &str, platform: &Platform) -> Truth {
    let Ok(clause) = format!("{operator}{literal}").parse::<Clause>() else {
        return Truth::Unknown;
    };
    if let Some(version) = &platform.full {
        return clause.contains(version).into();
    }
    let (major, minor) = (u64::from(platform.python.0), u64::from(platform.python.1));
    let first = Version::new([major, minor, 0]);
    let last = Version::new([major, minor, 1_000_000]);
    let before = format!("{major}.{minor}.0a0").parse().unwrap_or_else(|_| first.clone());
    let answers = [&before, &first, &last].map(|version| clause.contains(version));
    let (asked, prefix) = clause.version();
    let ours = asked.release().starts_with(&[major, minor]);
    if answers.iter().any(|answer| *answer != answers[0]) || (clause.is_exact() && ours && !prefix)
    {
        return Truth::Unknown;
    }
    answers[0].into()
}

struct Parser<'a> {
    rest: &'a str,
}

/// Deeper than any marker is nested, and not as deep as the stack.
const DEEPEST: u8 = 32;

impl Parser<'_> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Takes `word` if it is the next one.
    fn word(&mut self, word: &str) -> bool {
        self.skip_blanks();
        let Some(after) = self.rest.strip_prefix(word) else {
            return false;
        };
        let ends = !after.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_');
        if ends {
            self.rest = after;
        }
        ends
    }

    fn any(&mut self, depth: u8) -> Option<Marker> {
        let mut parts = vec![self.all(depth)?];
        while self.word("or") {
            parts.push(self.all(depth)?);
        }
        Some(Marker::Any(parts))
    }

    fn all(&mut self, depth: u8) -> Option<Marker> {
        let mut parts = vec![self.one(depth)?];
        while self.word("and") {
            parts.push(self.one(depth)?);
        }
        Some(Marker::All(parts))
    }

    fn one(&mut self, depth: u8) -> Option<Marker> {
        self.skip_blanks();
        if let Some(after) = self.rest.strip_prefix('(') {
            if depth == DEEPEST {
                return None;
            }
            self.rest = after;
            let marker = self.any(depth + 1)?;
            self.skip_blanks();
            self.rest = self.rest.strip_prefix(')')?;
            return Some(marker);
        }
        let left = self.value()?;
        let operator = self.operator()?;
        let right = self.value()?;
        Some(Marker::Compare { left, operator, right })
    }

    fn value(&mut self) -> Option<Value> {
        self.skip_blanks();
        let quote = self.rest.chars().next()?;
        if quote == '"' || quote == '\'' {
            let text = self.rest.get(1..)?;
            let (text, after) = text.split_once(quote)?;
            self.rest = after;
            return Some(Value::Text(text.to_owned()));
        }
        let in_name = |letter: char| letter.is_ascii_alphanumeric() || "_.".contains(letter);
        let end = self.rest.find(|letter| !in_name(letter)).unwrap_or(self.rest.len());
        let (name, after) = self.rest.split_at_checked(end)?;
        self.rest = after;
        (!name.is_empty()).then(|| Value::Variable(name.to_owned()))
    }

    fn operator(&mut self) -> Option<String> {
        if self.word("in") {
            return Some("in".into());
        }
        if self.word("not") {
            return self.word("in").then(|| "not in".into());
        }
        let end = self.rest.find(|letter| !"=<>!~".contains(letter))?;
        let (operator, after) = self.rest.split_at_checked(end)?;
        self.rest = after;
        (!operator.is_empty()).then(|| operator.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(marker: &str) -> Truth {
        Marker::parse(marker).unwrap().holds(&Platform::cpython(3, 11), "")
    }

    #[test]
    fn markers_are_about_this_interpreter() {
        for marker in [
            "python_version >= '3.8'",
            "python_version<\"3.12\" and sys_platform == 'linux'",
            "sys_platform == 'win32' or os_name == 'posix'",
            "(python_version < '3' or python_version > '3.10') and platform_system != 'Windows'",
            "'3.8' <= python_version",
            "python_version in '3.10 3.11'",
            "sys_platform not in 'win32 darwin'",
            "platform_python_implementation == 'CPython'",
            "python_version ~= '3.10'",
            "python_version == '3.*'",
            "python_full_version >= '3.11'",
            "python_full_version < '3.12.0a7'",
            "python_full_version != '3.10.4'",
            "python_full_version == '3.11.*'",
        ] {
            let expected = match marker {
                // A pre-release of 3.11 is before 3.11.
                "python_full_version >= '3.11'" => Truth::Unknown,
                _ => Truth::Yes,
            };
            assert_eq!(holds(marker), expected, "{marker}");
        }
        for marker in ["python_version < '3.9'", "sys_platform == 'win32'", "extra == 'x'"] {
            assert_eq!(holds(marker), Truth::No, "{marker}");
        }
    }

    #[test]
    fn what_only_the_interpreter_knows_is_unknown() {
        for marker in [
            "python_full_version < '3.11.4'",
            "python_full_version == '3.11.4'",
            "python_full_version != '3.11.4'",
            "platform_release >= '5'",
            "platform_version == 'x'",
            "bogus == 'x'",
            "sys_platform < 'm'",
        ] {
            assert_eq!(holds(marker), Truth::Unknown, "{marker}");
        }
        let asked = Platform { full: "3.11.7".parse().ok(), ..Platform::cpython(3, 11) };
        let marker = Marker::parse("python_full_version < '3.11.8'").unwrap();
        assert_eq!(marker.holds(&asked, ""), Truth::Yes);
    }

    #[test]
    fn unknown_matters_only_where_it_decides() {
        assert_eq!(holds("platform_release == 'x' and os_name == 'nt'"), Truth::No);
        assert_eq!(holds("platform_release == 'x' or os_name == 'posix'"), Truth::Yes);
        assert_eq!(holds("platform_release == 'x' and os_name == 'posix'"), Truth::Unknown);
    }

    #[test]
    fn extras_are_compared_by_their_normalized_names() {
        let marker = Marker::parse("extra == 'Foo_Bar'").unwrap();
        assert_eq!(marker.holds(&Platform::cpython(3, 11), "foo-bar"), Truth::Yes);
    }

    #[test]
    fn what_is_no_marker_is_refused() {
        for text in ["", "os_name", "os_name ==", "(os_name == 'x'", "os_name == 'x' x", "== 'x'"] {
            assert_eq!(Marker::parse(text), None, "{text}");
        }
        let deep = format!("{}os_name == 'x'{}", "(".repeat(9999), ")".repeat(9999));
        assert_eq!(Marker::parse(&deep), None);
    }
}

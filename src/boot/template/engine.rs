//! minijinja, set up for configuration files: nothing is escaped, a trailing newline stays, and a
//! name that is not defined is an error.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::thread;

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment as Jinja, Error, ErrorKind, UndefinedBehavior, Value};

use super::error::TemplateError;
use super::plain;
use crate::command::Environment;

/// How deep templates may include each other, and macros call themselves. Far below what the
/// smallest stack holds.
const DEEPEST: usize = 100;

/// So many steps are enough for every template and not for a loop that never ends.
const FUEL: u64 = 5_000_000;

/// The most that is shown of a line.
const LONGEST_LINE: usize = 120;

/// The largest template. Its size bounds how deep an expression can be nested, and with it the stack
/// that the engine takes: up to 320 bytes for each of the template's (`{{ a.a.a.a… }}`).
const LARGEST: u64 = 256 << 10;

/// Of which only what is used is taken from the machine.
const STACK: usize = 128 << 20;

/// Renders these files of a directory, in their order.
pub(super) fn render<'a>(
    directory: &Path,
    files: impl Iterator<Item = &'a PathBuf>,
    environment: &Environment,
) -> Result<Vec<Vec<u8>>, TemplateError> {
    let files: Vec<&PathBuf> = files.collect();
    let plain = |file: &&PathBuf| plain::fill(&read(&directory.join(file)).ok()?, environment);
    if let Some(contents) = files.iter().map(plain).collect() {
        return Ok(contents);
    }
    let work = || {
        let engine = Engine::new(directory, environment);
        files.iter().map(|file| engine.render(file)).collect()
    };
    // Joined before anything is forked.
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK);
        let thread = thread.spawn_scoped(scope, work);
        let thread = thread.map_err(|source| TemplateError::Thread { source })?;
        // It does not panic, and if it did, the whole process would be aborted.
        thread.join().unwrap_or_else(|_| Ok(Vec::new()))
    })
}

/// Renders the templates of one directory.
struct Engine {
    directory: PathBuf,
    engine: Jinja<'static>,
    variables: Value,
}

impl Engine {
    fn new(directory: &Path, environment: &Environment) -> Self {
        let mut engine = Jinja::new();
        engine.set_auto_escape_callback(|_| AutoEscape::None);
        engine.set_undefined_behavior(UndefinedBehavior::Strict);
        if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
            engine.set_syntax(syntax);
        }
        engine.set_recursion_limit(DEEPEST);
        engine.set_fuel(Some(FUEL));
        let root = directory.to_owned();
        engine.set_loader(move |name| load(&root, name));
        let variables = map([("env".to_owned(), map(variables(environment)))]);
        Self { directory: directory.to_owned(), engine, variables }
    }

    /// Renders the file `name` of the directory.
    fn render(&self, name: &Path) -> Result<Vec<u8>, TemplateError> {
        let file = self.directory.join(name);
        let text = read(&file)?;
        // The name of a template is text; a file's need not be, and then nobody can include it.
        let name = name.to_string_lossy();
        self.engine
            .render_named_str(&name, &text, self.variables.clone())
            .map(String::into_bytes)
            .map_err(|error| self.explain(&error, &name, &text))
    }

    fn explain(&self, error: &Error, name: &str, text: &str) -> TemplateError {
        // The place is that of the innermost: of what was included, not of the include.
        let mut innermost = error;
        while let Some(inner) = innermost.source().and_then(|error| error.downcast_ref::<Error>()) {
            innermost = inner;
        }
        let line = innermost.line().unwrap_or(1);
        let named = innermost.name().unwrap_or(name);
        let included = || read(&self.directory.join(named)).ok();
        let source = if named == name { Some(text.to_owned()) } else { included() };
        let source = source.unwrap_or_default();
        let source_line = source.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        let undefined = innermost.kind() == ErrorKind::UndefinedError;
        let unset = if undefined { self.unset(source_line) } else { Vec::new() };
        TemplateError::Render {
            file: self.directory.join(named),
            line,
            what: if unset.is_empty() { what(innermost) } else { is_not_set(&unset) },
            undefined,
            text: excerpt(source_line),
        }
    }

    /// The variables that a line names and that are not set.
    fn unset<'a>(&self, line: &'a str) -> Vec<&'a str> {
        let env = self.variables.get_attr("env").unwrap_or_default();
        let names = line.split("env").skip(1).filter_map(|after| {
            let name = after.strip_prefix('.').or_else(|| after.strip_prefix("[\""));
            let name = name.or_else(|| after.strip_prefix("['"))?;
            let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            name.split(|letter| !word(letter)).next().filter(|name| !name.is_empty())
        });
        names.filter(|name| env.get_attr(name).is_ok_and(|value| value.is_undefined())).collect()
    }
}

fn is_not_set(names: &[&str]) -> String {
    match names {
        [name] => format!("variable {name} is not set"),
        names => format!("of the variables {} one is not set", names.join(", ")),
    }
}

fn map(entries: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::from(entries.into_iter().collect::<BTreeMap<_, _>>())
}

/// Names that are not UTF-8 cannot be written in a template. A value that is not is an error only
/// where it is used.
fn variables(environment: &Environment) -> impl Iterator<Item = (String, Value)> + '_ {
    let entries = environment.entries().iter().rev().filter_map(|entry| {
        let bytes = entry.as_bytes();
        let equals = bytes.iter().position(|byte| *byte == b'=')?;
        let (name, value) = bytes.split_at_checked(equals)?;
        Some((std::str::from_utf8(name).ok()?, value.get(1..)?))
    });
    // In reverse, so that the first of several entries is the one that stays.
    entries.map(|(name, value)| {
        let value = match OsStr::from_bytes(value).to_str() {
            Some(text) => Value::from(text),
            None => Value::from(Error::new(
                ErrorKind::BadSerialization,
                format!("variable {name} is not UTF-8"),
            )),
        };
        (name.to_owned(), value)
    })
}

fn load(directory: &Path, name: &str) -> Result<Option<String>, Error> {
    let relative = Path::new(name);
    let inside = relative.components().all(|part| matches!(part, Component::Normal(_)));
    if !inside {
        return Ok(None);
    }
    match read(&directory.join(relative)) {
        // As Jinja2 does by itself: the line of the `include` has an end of its own.
        Ok(text) => Ok(Some(text.strip_suffix('\n').unwrap_or(&text).to_owned())),
        Err(TemplateError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(Error::new(ErrorKind::BadInclude, error.to_string())),
    }
}

fn read(file: &Path) -> Result<String, TemplateError> {
    let unreadable = |source| TemplateError::Read { file: file.to_owned(), source };
    // A fifo would be waited for, and a device may never end.
    let metadata = fs::metadata(file).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(TemplateError::NotAFile { file: file.to_owned() });
    }
    if metadata.len() > LARGEST {
        return Err(TemplateError::TooLarge { file: file.to_owned(), most: LARGEST >> 10 });
    }
    let bytes = fs::read(file).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| TemplateError::NotText { file: file.to_owned() })
}

/// What went wrong, without the values that the engine's own details have in them.
fn what(error: &Error) -> String {
    let kind = error.kind();
    match (kind, error.detail()) {
        // Of these the details are the template's own words, or ours.
        (
            ErrorKind::SyntaxError
            | ErrorKind::UnknownFilter
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownTest
            | ErrorKind::TooManyArguments
            | ErrorKind::MissingArgument
            | ErrorKind::BadInclude
            | ErrorKind::BadSerialization,
            Some(detail),
        ) => format!("{kind}: {detail}"),
        (ErrorKind::InvalidOperation, Some("recursion limit exceeded")) => {
            "it includes or calls itself without end".to_owned()
        }
        (ErrorKind::OutOfFuel, _) => "it takes too many steps: a loop without end?".to_owned(),
        _ => kind.to_string(),
    }
}

fn excerpt(text: &str) -> String {
    let text = text.trim();
    let mut short: String = text.chars().take(LONGEST_LINE).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    // One line, and nothing that moves a terminal's cursor.
    short.replace(|letter: char| letter.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(variables: &[(&str, &str)]) -> Engine {
        let environment = variables.iter().copied().collect();
        Engine::new(Path::new("/nonexistent/templates"), &environment)
    }

    fn rendered(text: &str, variables: &[(&str, &str)]) -> Result<String, String> {
        let engine = engine(variables);
        let result = engine.engine.render_named_str("t", text, engine.variables.clone());
        result.map_err(|error| engine.explain(&error, "t", text).to_string())
    }

    #[test]
    fn what_is_filled_in_without_the_engine_is_what_the_engine_makes_of_it() {
        let variables =
            [("A", "1"), ("b_2", "{{ env.A }}"), ("EMPTY", ""), ("items", "i"), ("true", "t")];
        let environment = variables.iter().copied().collect();
        for (text, is_plain) in [
            ("", true),
            ("no name\r\n", true),
            ("a={{ env.A }}\nb={{env.b_2}}\n\n", true),
            ("{{\tenv.EMPTY }}{{ env.items }}{{ env.true }}", true),
            ("{ } }} %} #} { {x {{ env.A }}}", true),
            ("{", true),
            ("é{{ env.A }}é", true),
            ("{{ env.A -}} \n", false),
            ("{{- env.A }}", false),
            ("{{ env.A | upper }}", false),
            ("{{ env.A }", false),
            ("{{ env.A", false),
            ("{{ env.MISSING }}", false),
            ("{{ env.2 }}", false),
            ("{{ env. }}", false),
            ("{{ env }}", false),
            ("{{{ env.A }}}", false),
            ("{{ {} }}", false),
            ("{{ '}}' }}", false),
            ("{{ env['A'] }}", false),
            ("{# {{ env.A }} #}", false),
            ("{% if env.A %}{{ env.A }}{% endif %}", false),
        ] {
            let filled = plain::fill(text, &environment);
            assert_eq!(filled.is_some(), is_plain, "{text:?}");
            if let Some(filled) = filled {
                let filled = String::from_utf8(filled).unwrap();
                assert_eq!(Ok(filled), rendered(text, &variables), "{text:?}");
            }
        }
        let not_text = Environment::from_iter([("A", OsStr::from_bytes(b"\xff"))]);
        assert_eq!(plain::fill("{{ env.A }}", &not_text), None);
    }

    #[test]
    fn variables_filters_and_blocks_are_those_of_jinja2() {
        let variables = [("PORT", "80"), ("PW", "a'\"/&"), ("LIST", "a,b"), ("EMPTY", "")];
        for (text, result) in [
            ("port={{ env.PORT }}\n", "port=80\n"),
            ("{{ env['PORT']|int + 1 }}", "81"),
            ("{{ env.PW }}", "a'\"/&"),
            ("{{ env.PW|urlencode }}", "a%27%22/%26"),
            ("{{ env.LIST.split(',')|join(' ') }}", ""),
            ("{{ env.LIST|split(',')|join(' ') }}", "a b"),
            ("{% for x in env.LIST|split(',') %}{{ loop.index }}{{ x }}{% endfor %}", "1a2b"),
            ("{{ env.NONE|default('x') }}{{ env.EMPTY|default('y', true) }}", "xy"),
            ("{% if env.NONE is defined %}a{% else %}b{% endif %}", "b"),
            ("{# c #}{% raw %}{{ a }}{% endraw %}", "{{ a }}"),
            ("{% macro m(x) %}[{{ x }}]{% endmacro %}{{ m(1) }}", "[1]"),
            ("{{ env|length }}", "4"),
        ] {
            let want = if result.is_empty() { None } else { Some(result.to_owned()) };
            assert_eq!(rendered(text, &variables).ok(), want, "{text}");
        }
    }

    #[test]
    fn a_name_that_is_not_defined_is_an_error_with_its_line() {
        for (text, said) in [
            ("a\n b={{ env.NOPE }}\n", ":2: variable NOPE is not set, in: b={{ env.NOPE }}"),
            ("{{ env['NOPE'] }}", ":1: variable NOPE is not set"),
            ("{{ env.A }}{{ env.B }}{{ env.C }}", "of the variables B, C one is not set"),
            ("{{ nope }}", ":1: undefined value, in: {{ nope }}"),
            ("{% if env.NOPE %}{% endif %}", "NOPE"),
            ("{{ env.A.b.c }}", "undefined value"),
        ] {
            let error = rendered(text, &[("A", "1")]).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn no_value_is_in_an_error() {
        let variables = [("PW", "hunter2"), ("A", "1")];
        for text in [
            "{{ env.PW + 1 }}",
            "{{ env.PW * env.PW }}",
            "{{ env.PW|int }}",
            "{{ env.PW|float }}",
            "{{ env.PW / 2 }}",
            "{{ env[env.PW] }}",
            "{{ env.PW.nope() }}",
            "{{ env.PW() }}",
            "{% include env.PW %}",
            "{% extends env.PW %}",
            "{{ env.A|batch(env.PW) }}",
            "{{ 'a'|format(env.PW, env) }}",
            "{{ range(env.PW) }}",
            "{{ env.PW|tojson(indent=env.PW) }}",
            "{{ dict(env.PW) }}",
            "{% for a, b in env.PW %}{% endfor %}",
            "{{ env.PW|nope }}",
            "{{ env.PW|round }}",
            "{{ env.PW|sum }}",
            "{{ env.PW|map(env.PW)|list }}",
            "{{ [1]|map(env.PW)|list }}",
            "{{ [1]|select(env.PW)|list }}",
            "{{ [1]|groupby(env.PW) }}",
            "{{ [1]|sort(**env) }}",
            "{{ debug() + 1 }}{{ nope }}",
        ] {
            if let Err(error) = rendered(text, &variables) {
                assert!(!error.contains("hunter2"), "{text}: {error}");
            }
        }
    }

    #[test]
    fn a_value_that_is_not_utf_8_is_an_error_where_it_is_used() {
        let bytes =
            [(OsStr::new("BAD"), OsStr::from_bytes(b"\xff")), (OsStr::new("A"), OsStr::new("1"))];
        let engine = Engine::new(Path::new("/"), &bytes.into_iter().collect());
        let rendered = |text| engine.engine.render_named_str("t", text, engine.variables.clone());
        assert_eq!(rendered("{{ env.A }}").unwrap(), "1");
        let error = engine.explain(&rendered("{{ env.BAD }}").unwrap_err(), "t", "").to_string();
        assert!(error.contains("variable BAD is not UTF-8"), "{error}");
    }

    #[test]
    fn what_never_ends_is_an_error() {
        for (text, said) in [
            ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "without end"),
            (
                "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
                "too many steps",
            ),
            (&"(".repeat(5000), "recursion"),
        ] {
            let text =
                if text.starts_with('(') { format!("{{{{ {text} }}}}") } else { text.to_owned() };
            let error = rendered(&text, &[]).unwrap_err();
            assert!(error.contains(said) && error.len() < 400, "{error}");
        }
    }

    #[test]
    fn a_template_is_not_loaded_from_elsewhere() {
        for name in ["../../etc/hostname", "/etc/hostname", "", ".", "nope"] {
            assert_eq!(load(Path::new("/etc"), name).ok().flatten(), None, "{name}");
        }
    }
}

//! The template that most are: text with `{{ env.NAME }}` in it, and nothing else of Jinja2.
//!
//! That is filled in without the engine, which takes a thread and a table of all its filters.

use crate::command::Environment;

/// The result, or `None` where the engine is needed: for all that is not plain, and to say what is
/// wrong.
pub(super) fn fill(text: &str, environment: &Environment) -> Option<Vec<u8>> {
    let mut filled = Vec::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.extend_from_slice(before.as_bytes());
        rest = match after.as_bytes().first() {
            Some(b'{') => {
                let (name, after) = after.get(1..)?.split_once("}}")?;
                let name = name.trim_matches([' ', '\t']).strip_prefix("env.")?;
                let value = environment.get(Some(name).filter(|name| is_name(name))?)?;
                filled.extend_from_slice(value.to_str()?.as_bytes());
                after
            }
            Some(b'%' | b'#') => return None,
            _ => {
                filled.push(b'{');
                after
            }
        };
    }
    filled.extend_from_slice(rest.as_bytes());
    Some(filled)
}

/// Whether it can stand behind a dot.
fn is_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(letter)
        && name.bytes().all(|byte| letter(byte) || byte.is_ascii_digit())
}

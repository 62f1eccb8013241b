//! `schema/entrypoint.json`, for editors: made of the types that read the file, and of nothing else.
//!
//! To write it anew: `PYDEXEC_WRITE_SCHEMA=1 cargo test --lib schema`.

use serde_json::{Map, Value, json};

use super::schema::File;
use super::shape::{Key, Read, Shape};

fn schema() -> Value {
    let mut top = of(&File::SHAPE);
    if let Value::Object(object) = &mut top {
        object.insert("$schema".into(), json!("http://json-schema.org/draft-07/schema#"));
        object.insert("title".into(), json!("Entrypoint file of pydexec"));
    }
    top
}

fn of(shape: &Shape) -> Value {
    match shape {
        Shape::Text | Shape::Word => json!({ "type": "string" }),
        Shape::OneOf(words) => json!({ "enum": words }),
        Shape::Boolean => json!({ "type": "boolean" }),
        Shape::Number => json!({ "type": "integer", "minimum": 0 }),
        Shape::List(element) => json!({ "type": "array", "items": of(element) }),
        Shape::Either(one, other) => json!({ "anyOf": [of(one), of(other)] }),
        Shape::Names(value) => json!({ "type": "object", "additionalProperties": of(value) }),
        Shape::Table(keys) => table(keys),
    }
}

fn table(keys: &[Key]) -> Value {
    let mut properties = Map::new();
    for key in keys {
        let mut value = of(key.shape);
        if let Value::Object(object) = &mut value {
            object.insert("description".into(), json!(key.doc.trim()));
        }
        properties.insert(key.name.into(), value);
    }
    let required: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut table =
        json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        table["required"] = json!(required);
    }
    table
}

/// Whether `value` is one of `schema`, as far as `of` uses the language.
fn fits(value: &Value, schema: &Value) -> Result<(), String> {
    if let Some(either) = schema["anyOf"].as_array() {
        return match either.iter().any(|one| fits(value, one).is_ok()) {
            true => Ok(()),
            false => Err(format!("{value} is none of {schema}")),
        };
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.contains(value).then_some(()).ok_or(format!("{value} is none of {words:?}"));
    }
    match (schema["type"].as_str(), value) {
        (Some("string"), Value::String(_)) | (Some("boolean"), Value::Bool(_)) => Ok(()),
        (Some("integer"), Value::Number(number)) if number.is_u64() => Ok(()),
        (Some("array"), Value::Array(list)) => {
            list.iter().try_for_each(|element| fits(element, &schema["items"]))
        }
        (Some("object"), Value::Object(object)) => {
            for name in schema["required"].as_array().into_iter().flatten() {
                if !object.contains_key(name.as_str().unwrap()) {
                    return Err(format!("{name} is missing"));
                }
            }
            object.iter().try_for_each(|(name, value)| match &schema["properties"][name] {
                Value::Null if schema["additionalProperties"].is_object() => {
                    fits(value, &schema["additionalProperties"])
                }
                Value::Null => Err(format!("there is no {name}")),
                known => fits(value, known),
            })
        }
        (wanted, _) => Err(format!("{value} is no {wanted:?}")),
    }
}

/// TOML as JSON, for `fits`.
fn json_of(value: &toml::de::DeValue<'_>) -> Value {
    use toml::de::DeValue;
    match value {
        DeValue::String(text) => json!(text),
        DeValue::Integer(number) => json!(number.as_str().parse::<i64>().unwrap()),
        DeValue::Boolean(value) => json!(value),
        DeValue::Array(array) => array.iter().map(|one| json_of(one.get_ref())).collect(),
        DeValue::Table(table) => table
            .iter()
            .map(|(key, value)| (key.get_ref().to_string(), json_of(value.get_ref())))
            .collect::<Map<_, _>>()
            .into(),
        other => panic!("{other:?} is in no entrypoint file"),
    }
}

#[test]
fn the_schema_for_editors_is_that_of_the_code() {
    let mut text = serde_json::to_string_pretty(&schema()).unwrap();
    text.push('\n');
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/entrypoint.json");
    if std::env::var_os("PYDEXEC_WRITE_SCHEMA").is_some() {
        std::fs::write(file, &text).unwrap();
    }
    let stored = std::fs::read_to_string(file).unwrap();
    assert!(
        text == stored,
        "schema/entrypoint.json is not of these types: PYDEXEC_WRITE_SCHEMA=1 cargo test --lib schema"
    );
}

#[test]
fn every_key_says_what_it_is_for() {
    fn look(shape: &Shape, seen: &mut usize) {
        match shape {
            Shape::Table(keys) => {
                for key in *keys {
                    assert!(key.doc.trim().ends_with('.'), "{}: {:?}", key.name, key.doc);
                    *seen += 1;
                    look(key.shape, seen);
                }
            }
            Shape::List(of) | Shape::Names(of) => look(of, seen),
            Shape::Either(one, other) => {
                look(one, seen);
                look(other, seen);
            }
            Shape::Text | Shape::Word | Shape::OneOf(_) | Shape::Boolean | Shape::Number => {}
        }
    }
    let mut seen = 0;
    look(&File::SHAPE, &mut seen);
    assert!(seen > 50, "{seen}");
}

#[test]
fn what_the_code_takes_the_schema_takes_and_what_it_refuses_the_schema_refuses() {
    let schema = schema();
    for (text, good) in [
        ("", true),
        ("user = 'a'\nstop = { signal = 'TERM', timeout = 5 }", true),
        ("[exec]\ncmd = ['a', 'b']\nargs = ['x', { opt = '--b', env = 'B', keep = true }]", true),
        ("[secrets]\nA = { required = true }\n[[run]]\ncmd = 'x'\nwhen = 'root'", true),
        ("[command.a]\ncmd = 'x'\nskip = ['run']\n[command.a.env.set]\nB = '1'", true),
        ("usr = 'a'", false),
        ("user = 1", false),
        ("[exec]\nargs = []", false),
        ("[[run]]\ncmd = 'x'\nwhen = 'user'", false),
        ("[exec]\ncmd = 'x'\nargs = [{ opt = '--a' }]", false),
        ("[env]\nset = { A = 1 }", false),
        ("[command.a]\ncmd = 'x'\nskip = ['exec']", false),
    ] {
        let document = toml::de::DeTable::parse(text).unwrap();
        let mut faults = super::faults::Faults::default();
        let at = super::faults::At::default();
        File::of_table(&at, document.get_ref(), &mut faults);
        assert_eq!(faults.is_empty(), good, "{text}");
        let value = json_of(&toml::de::DeValue::Table(document.get_ref().clone()));
        assert_eq!(fits(&value, &schema).is_ok(), good, "{text}: {:?}", fits(&value, &schema));
    }
}

//! How values of the file are read: from TOML to types, with every fault collected.
//!
//! Each type says by its [`Shape`] what it takes. That one description is what a message names as
//! expected, where the nearest known key comes from, and what the schema for editors is made of.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::faults::{At, Faults, nearest};

/// What a value may be.
#[derive(Debug)]
#[cfg_attr(not(test), allow(dead_code, reason = "the schema is made by a test"))]
pub(crate) enum Shape {
    /// A string in which `${…}` is replaced.
    Text,
    /// A string that is taken as it is.
    Word,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Boolean,
    /// A whole number, not negative.
    Number,
    /// Any number of these.
    List(&'static Shape),
    /// One or the other.
    Either(&'static Shape, &'static Shape),
    /// These keys and no others.
    Table(&'static [Key]),
    /// Names of the user's own, each with such a value.
    Names(&'static Shape),
}

/// A key of a table.
#[derive(Debug)]
#[cfg_attr(not(test), allow(dead_code, reason = "the schema is made by a test"))]
pub(crate) struct Key {
    pub name: &'static str,
    /// For the schema, and so for whoever points at it in an editor.
    pub doc: &'static str,
    pub shape: &'static Shape,
    pub required: bool,
}

impl Shape {
    /// In words, for `expected …`.
    fn words(&self) -> String {
        match self {
            Self::Text | Self::Word => "a string".into(),
            Self::OneOf(words) => format!("one of {}", words.join(", ")),
            Self::Boolean => "true or false".into(),
            Self::Number => "a whole number".into(),
            Self::List(Shape::Table(_)) => "a list of tables".into(),
            Self::List(of) => format!("a list, each element {}", of.words()),
            Self::Either(one, other) => format!("{} or {}", one.words(), other.words()),
            Self::Table(_) | Self::Names(_) => "a table".into(),
        }
    }
}

/// A value of the file, with its place.
pub(crate) struct Node<'a> {
    pub at: At,
    pub value: &'a DeValue<'a>,
}

impl<'a> Node<'a> {
    /// The file as a whole.
    pub fn table_of(&self, shape: &Shape, faults: &mut Faults) -> Option<(&At, &'a DeTable<'a>)> {
        match self.value {
            DeValue::Table(table) => Some((&self.at, table)),
            _ => {
                self.refuse(shape, faults);
                None
            }
        }
    }

    /// Tells what it is, and what it was expected to be.
    pub fn refuse(&self, shape: &Shape, faults: &mut Faults) {
        let found = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        faults.add(&self.at, format!("expected {}, found {found}", shape.words()));
    }

    fn string(&self, shape: &Shape, faults: &mut Faults) -> Option<String> {
        let DeValue::String(text) = self.value else {
            self.refuse(shape, faults);
            return None;
        };
        // No argument, variable or path can have one.
        if text.contains('\0') {
            faults.add(&self.at, "there is a NUL byte in it");
            return None;
        }
        Some(text.clone().into_owned())
    }
}

/// A type that a value of the file can be read as.
pub(crate) trait Read: Sized {
    const SHAPE: Shape;

    /// `None` if it cannot, and then `faults` says why.
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self>;

    /// Shows each string in it that may have a `${…}`.
    fn each_text(&self, _visit: &mut dyn FnMut(&Text)) {}
}

/// A type that a key of a table can have: also what it is when the key is absent.
pub(crate) trait Field: Sized {
    const SHAPE: &'static Shape;
    const REQUIRED: bool = false;

    fn absent(table: &At, name: &str, faults: &mut Faults) -> Option<Self>;
    fn present(node: &Node<'_>, faults: &mut Faults) -> Option<Self>;
    fn each_text(&self, visit: &mut dyn FnMut(&Text));

    /// Reads the key `name` of a table.
    fn field(table: &DeTable<'_>, at: &At, name: &str, faults: &mut Faults) -> Option<Self> {
        match entry(table, name) {
            Some((key, value)) => {
                let at = at.child(name, key.span().start);
                Self::present(&Node { at, value: value.get_ref() }, faults)
            }
            None => Self::absent(at, name, faults),
        }
    }
}

fn entry<'t, 'a>(
    table: &'t DeTable<'a>,
    name: &str,
) -> Option<(&'t Spanned<toml::de::DeString<'a>>, &'t Spanned<DeValue<'a>>)> {
    table.iter().find(|(key, _)| key.get_ref() == name)
}

/// Something wrong with an optional key is told, and then it is as if it were absent: the rest of
/// the table is still looked at.
impl<T: Read> Field for Option<T> {
    const SHAPE: &'static Shape = &T::SHAPE;

    fn absent(_: &At, _: &str, _: &mut Faults) -> Option<Self> {
        Some(None)
    }

    fn present(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        Some(T::read(node, faults))
    }

    fn each_text(&self, visit: &mut dyn FnMut(&Text)) {
        if let Some(value) = self {
            value.each_text(visit);
        }
    }
}

/// A key that must be there.
#[derive(Clone, Debug)]
pub(crate) struct Required<T>(pub T);

impl<T: Read> Field for Required<T> {
    const SHAPE: &'static Shape = &T::SHAPE;
    const REQUIRED: bool = true;

    fn absent(table: &At, name: &str, faults: &mut Faults) -> Option<Self> {
        faults.add(table, format!("the key {name:?} is missing"));
        None
    }

    fn present(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        T::read(node, faults).map(Self)
    }

    fn each_text(&self, visit: &mut dyn FnMut(&Text)) {
        self.0.each_text(visit);
    }
}

/// What of a list could be read.
impl<T: Read> Read for Vec<T> {
    const SHAPE: Shape = Shape::List(&T::SHAPE);

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let DeValue::Array(array) = node.value else {
            node.refuse(&Self::SHAPE, faults);
            return None;
        };
        let elements = array.iter().enumerate().filter_map(|(index, element)| {
            let at = node.at.element(index, element.span().start);
            T::read(&Node { at, value: element.get_ref() }, faults)
        });
        Some(elements.collect())
    }

    fn each_text(&self, visit: &mut dyn FnMut(&Text)) {
        for element in self {
            element.each_text(visit);
        }
    }
}

/// A table whose keys are the user's own names.
pub(crate) type Names<T> = BTreeMap<String, (At, T)>;

impl<T: Read> Read for Names<T> {
    const SHAPE: Shape = Shape::Names(&T::SHAPE);

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let (at, table) = node.table_of(&Self::SHAPE, faults)?;
        let mut names = Self::new();
        for (key, value) in table {
            let at = at.child(key.get_ref(), key.span().start);
            if key.get_ref().contains('\0') {
                faults.add(&at, "there is a NUL byte in the name");
                continue;
            }
            if let Some(read) = T::read(&Node { at: at.clone(), value: value.get_ref() }, faults) {
                names.insert(key.get_ref().clone().into_owned(), (at, read));
            }
        }
        Some(names)
    }

    fn each_text(&self, visit: &mut dyn FnMut(&Text)) {
        for (_, value) in self.values() {
            value.each_text(visit);
        }
    }
}

/// A string in which `${…}` is replaced.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub at: At,
    pub raw: String,
}

impl Read for Text {
    const SHAPE: Shape = Shape::Text;

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let raw = node.string(&Self::SHAPE, faults)?;
        Some(Self { at: node.at.clone(), raw })
    }

    fn each_text(&self, visit: &mut dyn FnMut(&Text)) {
        visit(self);
    }
}

/// A string that is taken as it is.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub at: At,
    pub text: String,
}

impl Read for Word {
    const SHAPE: Shape = Shape::Word;

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let text = node.string(&Self::SHAPE, faults)?;
        Some(Self { at: node.at.clone(), text })
    }
}

impl Read for bool {
    const SHAPE: Shape = Shape::Boolean;

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let DeValue::Boolean(value) = node.value else {
            node.refuse(&Self::SHAPE, faults);
            return None;
        };
        Some(*value)
    }
}

/// Tells the keys of a table that it does not have.
pub(crate) fn only_known(table: &DeTable<'_>, at: &At, known: &[Key], faults: &mut Faults) {
    for key in table.keys() {
        let name = key.get_ref().as_ref();
        if known.iter().any(|known| known.name == name) {
            continue;
        }
        let at = at.child(name, key.span().start);
        if LATER.contains(&name) {
            faults.add(&at, "comes with a later version: this one runs one process");
            continue;
        }
        faults.add(
            &at,
            match nearest(name, known.iter().map(|known| known.name)) {
                Some(nearest) => format!("there is no such key; did you mean {nearest:?}?"),
                None => {
                    let known: Vec<&str> = known.iter().map(|known| known.name).collect();
                    format!("there is no such key; those here are {}", known.join(", "))
                }
            },
        );
    }
}

/// Keys of the design for which there is nothing behind yet.
const LATER: [&str; 3] = ["processes", "restart", "on-exit"];

/// A table of the file: its keys, the type of each, and what each is for.
macro_rules! table {
    (
        $(#[$meta:meta])*
        $name:ident {
            $( $(#[doc = $doc:literal])+ $key:literal => $field:ident: $type:ty ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub(crate) struct $name {
            #[allow(dead_code, reason = "not every table is told of as a whole")]
            pub at: $crate::entrypoint::faults::At,
            $( pub $field: $type ),*
        }

        impl $name {
            /// Reads what is in a table.
            pub(crate) fn of_table(
                at: &$crate::entrypoint::faults::At,
                table: &toml::de::DeTable<'_>,
                faults: &mut $crate::entrypoint::faults::Faults,
            ) -> Option<Self> {
                use $crate::entrypoint::shape::{Field, Read, Shape, only_known};
                if let Shape::Table(known) = <Self as Read>::SHAPE {
                    only_known(table, at, known, faults);
                }
                // All of them are read before the first that is missing ends it.
                $( let $field = <$type as Field>::field(table, at, $key, faults); )*
                Some(Self { at: at.clone(), $( $field: $field? ),* })
            }
        }

        impl $crate::entrypoint::shape::Read for $name {
            const SHAPE: $crate::entrypoint::shape::Shape =
                $crate::entrypoint::shape::Shape::Table(&[$(
                    $crate::entrypoint::shape::Key {
                        name: $key,
                        doc: concat!($($doc),+),
                        shape: <$type as $crate::entrypoint::shape::Field>::SHAPE,
                        required: <$type as $crate::entrypoint::shape::Field>::REQUIRED,
                    }
                ),*]);

            fn read(
                node: &$crate::entrypoint::shape::Node<'_>,
                faults: &mut $crate::entrypoint::faults::Faults,
            ) -> Option<Self> {
                let (at, table) = node.table_of(&Self::SHAPE, faults)?;
                Self::of_table(at, table, faults)
            }

            fn each_text(&self, visit: &mut dyn FnMut(&$crate::entrypoint::shape::Text)) {
                $( $crate::entrypoint::shape::Field::each_text(&self.$field, visit); )*
            }
        }
    };
}
pub(crate) use table;

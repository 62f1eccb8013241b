//! The keys of the entrypoint file. The schema for editors, `schema/entrypoint.json`, is made from
//! what stands here; a test keeps the two equal.

use toml::de::DeValue;

use super::faults::{At, Faults};
use super::shape::{Names, Node, Read, Required, Shape, Text, Word, table};

table! {
    /// The whole file.
    File {
        /// Who the command runs as, [user][:group], names or numbers. Default: as the container is started.
        "user" => user: Option<Text>,
        /// The directory that the command runs in. It is not created. Default: as the container is started.
        "workdir" => workdir: Option<Text>,
        /// The virtual environment to activate: VIRTUAL_ENV, PATH, PYTHONHOME.
        "venv" => venv: Option<Text>,
        /// How the command is ended when the container is asked to end.
        "stop" => stop: Option<StopTable>,
        /// The environment of the command and of every step.
        "env" => env: Option<EnvTable>,
        /// Variables that are read from files: NAME, or the file that NAME_FILE names.
        "secrets" => secrets: Option<Names<SecretTable>>,
        /// What must answer before anything else is done.
        "wait" => wait: Option<Vec<WaitTable>>,
        /// Files that are made from Jinja templates.
        "template" => template: Option<Vec<TemplateTable>>,
        /// Trees that are given to a user: chown -R, but only what is not right yet.
        "own" => own: Option<Vec<OwnTable>>,
        /// Python packages that are installed before the command starts.
        "requirements" => requirements: Option<RequirementsTable>,
        /// What runs before the command. One that fails ends the container with its code.
        "run" => run: Option<Vec<RunTable>>,
        /// The command when the container is started with none, or with words that begin with a dash.
        "exec" => exec: Option<CommandTable>,
        /// Commands by name: docker run IMAGE NAME.
        "command" => command: Option<Names<CommandTable>>,
    }
}

table! {
    /// `stop`
    StopTable {
        /// The signal that the command gets instead of TERM and INT, as in TERM, QUIT or SIGINT.
        "signal" => signal: Option<Text>,
        /// After this time all that is left of the command's process group is killed.
        "timeout" => timeout: Option<Time>,
    }
}

table! {
    /// `[env]`
    EnvTable {
        /// Begin with an empty environment. What is cleared can still be read by ${NAME}.
        "clear" => clear: Option<bool>,
        /// Variables to remove; * stands for any letters and ? for one.
        "unset" => unset: Option<Vec<Word>>,
        /// Values of variables that are not set, or are empty.
        "default" => default: Option<Names<Text>>,
        /// Values of variables, set or not.
        "set" => set: Option<Names<Text>>,
        /// Variables without which nothing is started.
        "required" => required: Option<Vec<Word>>,
    }
}

table! {
    /// One of `[secrets]`
    SecretTable {
        /// Where it is when neither NAME nor NAME_FILE is set. A file that is not there is an error unless required = false.
        "file" => file: Option<Text>,
        /// Whether nothing is started without it. Default: false without file, true with it.
        "required" => required: Option<bool>,
    }
}

table! {
    /// `[[wait]]`
    WaitTable {
        /// Addresses: tcp://HOST:PORT, http://HOST:PORT/PATH, unix:///PATH, file:///PATH. All at once.
        "for" => targets: Required<Vec<Text>>,
        /// How long they are waited for together. Default: 60s.
        "timeout" => timeout: Option<Time>,
    }
}

table! {
    /// `[[template]]`
    TemplateTable {
        /// A Jinja template, or a directory of them.
        "src" => src: Required<Text>,
        /// The file to write, or the directory. It is replaced only if it differs.
        "dest" => dest: Required<Text>,
        /// The permissions of the result, in octal, as in "0640".
        "mode" => mode: Option<Text>,
        /// The owner of the result, [user][:group]. Default: the user of the command.
        "user" => user: Option<Text>,
        /// Make the directories above dest that are not there. Default: false.
        "parents" => parents: Option<bool>,
    }
}

table! {
    /// `[[own]]`
    OwnTable {
        /// The file or directory. Symbolic links are not followed, other file systems not entered.
        "path" => path: Required<Text>,
        /// The owner, [user][:group]. Default: the user of the command.
        "user" => user: Option<Text>,
    }
}

table! {
    /// `[requirements]`
    RequirementsTable {
        /// What to install, one file or several. One that is not there is passed over. Default: /requirements.txt.
        "file" => file: Option<OneOrMore>,
        /// A directory with a pyproject.toml, whose dependencies are installed; with uv.lock if it is there.
        "project" => project: Option<Text>,
        /// Extras of that project.
        "extras" => extras: Option<Vec<Word>>,
        /// A directory with wheels; nothing is asked for on the network.
        "wheelhouse" => wheelhouse: Option<Text>,
        /// Where packages go, instead of the venv or the interpreter's own packages.
        "site" => site: Option<Text>,
        /// uv or pip. Default: uv if it is there, else pip.
        "installer" => installer: Option<InstallerName>,
        /// Who installs. Default: the user of the command.
        "install-user" => install_user: Option<Text>,
        /// Keep the installer's cache. Default: false.
        "keep-cache" => keep_cache: Option<bool>,
        /// How long to wait for another container that installs to the same place. Default: 10m.
        "timeout" => timeout: Option<Time>,
        /// Say nothing when all is well. Default: false.
        "quiet" => quiet: Option<bool>,
    }
}

table! {
    /// `[[run]]`
    RunTable {
        /// The program and its arguments: a list, or a string that is split as a shell splits it. No shell runs it.
        "cmd" => cmd: Required<Line>,
        /// Who it runs as. Default: the user of the command.
        "user" => user: Option<Text>,
        /// The directory that it runs in. Default: that of the command.
        "workdir" => workdir: Option<Text>,
        /// More variables, for this step alone.
        "env" => env: Option<Names<Text>>,
        /// After this time it is told to end, then killed, and the container ends with code 124.
        "timeout" => timeout: Option<Time>,
        /// "root": only where the container is started as root.
        "when" => when: Option<When>,
        /// Only if this variable is set and not empty.
        "if-env" => if_env: Option<Word>,
        /// Not if this variable is set and not empty.
        "unless-env" => unless_env: Option<Word>,
        /// Go on when it fails. Default: false.
        "allow-failure" => allow_failure: Option<bool>,
        /// It brings programs, so that those after it are not looked for beforehand. Default: false.
        "installs" => installs: Option<bool>,
    }
}

table! {
    /// `[exec]`, and `[command.NAME]`. A key replaces that of the top; `env` and `secrets` add to it.
    CommandTable {
        /// The program and its arguments: a list, or a string that is split as a shell splits it. No shell runs it.
        "cmd" => cmd: Required<Line>,
        /// More arguments, some of them from variables.
        "args" => args: Option<Vec<ArgItem>>,
        /// Steps to leave out.
        "skip" => skip: Option<Vec<StepName>>,
        /// Who it runs as, instead of the user of the top.
        "user" => user: Option<Text>,
        /// The directory that it runs in, instead of that of the top.
        "workdir" => workdir: Option<Text>,
        /// The virtual environment, instead of that of the top.
        "venv" => venv: Option<Text>,
        /// How it is ended, instead of as the top says.
        "stop" => stop: Option<StopTable>,
        /// Changes of the environment after those of the top.
        "env" => env: Option<EnvTable>,
        /// More secrets.
        "secrets" => secrets: Option<Names<SecretTable>>,
        /// What must answer, instead of what the top says.
        "wait" => wait: Option<Vec<WaitTable>>,
        /// Templates, instead of those of the top.
        "template" => template: Option<Vec<TemplateTable>>,
        /// Trees to own, instead of those of the top.
        "own" => own: Option<Vec<OwnTable>>,
        /// Packages, instead of those of the top.
        "requirements" => requirements: Option<RequirementsTable>,
        /// What runs before it, instead of what the top says.
        "run" => run: Option<Vec<RunTable>>,
    }
}

table! {
    /// An argument that is made from a variable.
    ArgTable {
        /// The option that gets the value: as two arguments, or as one if it ends in =.
        "opt" => opt: Option<Text>,
        /// The option that is given if the variable says yes: 1, true, yes, on.
        "flag" => flag: Option<Text>,
        /// The variable. An empty one counts as unset.
        "env" => env: Required<Word>,
        /// The value when it is not set.
        "default" => default: Option<Text>,
        /// Nothing is started when it is not set and there is no default. Default: false.
        "required" => required: Option<bool>,
        /// Leave it in the command's environment. Default: false.
        "keep" => keep: Option<bool>,
        /// Split the value as a shell splits it, each word an argument. Default: false.
        "split" => split: Option<bool>,
        /// What the argument looks like, with the value at {}.
        "format" => format: Option<Text>,
    }
}

/// An element of `args`.
#[derive(Clone, Debug)]
pub(crate) enum ArgItem {
    Plain(Text),
    FromEnv(Box<ArgTable>),
}

impl Read for ArgItem {
    const SHAPE: Shape = Shape::Either(&Shape::Text, &ArgTable::SHAPE);

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        match node.value {
            DeValue::String(_) => Text::read(node, faults).map(Self::Plain),
            DeValue::Table(_) => ArgTable::read(node, faults).map(Box::new).map(Self::FromEnv),
            _ => {
                node.refuse(&Self::SHAPE, faults);
                None
            }
        }
    }

    fn each_text(&self, visit: &mut dyn FnMut(&Text)) {
        match self {
            Self::Plain(text) => visit(text),
            Self::FromEnv(table) => table.each_text(visit),
        }
    }
}

/// A program and its arguments.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    /// To be split.
    Text(Text),
    List(At, Vec<Text>),
}

impl Line {
    /// Where it stands.
    pub fn at(&self) -> At {
        match self {
            Self::Text(text) => text.at.clone(),
            Self::List(at, _) => at.clone(),
        }
    }
}

impl Read for Line {
    const SHAPE: Shape = Shape::Either(&Shape::Text, &Shape::List(&Shape::Text));

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        match node.value {
            DeValue::String(_) => Text::read(node, faults).map(Self::Text),
            DeValue::Array(_) => {
                Vec::read(node, faults).map(|list| Self::List(node.at.clone(), list))
            }
            _ => {
                node.refuse(&Self::SHAPE, faults);
                None
            }
        }
    }

    fn each_text(&self, visit: &mut dyn FnMut(&Text)) {
        match self {
            Self::Text(text) => visit(text),
            Self::List(_, texts) => texts.each_text(visit),
        }
    }
}

/// A string, or a list of them.
#[derive(Clone, Debug)]
pub(crate) struct OneOrMore(pub Vec<Text>);

impl Read for OneOrMore {
    const SHAPE: Shape = Shape::Either(&Shape::Text, &Shape::List(&Shape::Text));

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        match node.value {
            DeValue::String(_) => Text::read(node, faults).map(|text| Self(vec![text])),
            DeValue::Array(_) => Vec::read(node, faults).map(Self),
            _ => {
                node.refuse(&Self::SHAPE, faults);
                None
            }
        }
    }

    fn each_text(&self, visit: &mut dyn FnMut(&Text)) {
        self.0.each_text(visit);
    }
}

/// A duration: `"60s"`, or seconds as a number.
#[derive(Clone, Debug)]
pub(crate) struct Time(pub Text);

impl Read for Time {
    const SHAPE: Shape = Shape::Either(&Shape::Text, &Shape::Number);

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        match node.value {
            DeValue::String(_) => Text::read(node, faults).map(Self),
            DeValue::Integer(number) if number.radix() == 10 => {
                let raw = number.as_str().to_owned();
                Some(Self(Text { at: node.at.clone(), raw }))
            }
            _ => {
                node.refuse(&Self::SHAPE, faults);
                None
            }
        }
    }

    fn each_text(&self, visit: &mut dyn FnMut(&Text)) {
        visit(&self.0);
    }
}

/// Words out of a few.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $( $word:literal => $variant:ident ),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $( $variant ),* }

        impl Read for $name {
            const SHAPE: Shape = Shape::OneOf(&[$( $word ),*]);

            fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
                match node.value {
                    $( DeValue::String(word) if word == $word => return Some(Self::$variant), )*
                    DeValue::String(word) => {
                        let nearest = super::faults::nearest(word, [$( $word ),*]);
                        faults.add(&node.at, match nearest {
                            Some(nearest) => format!("{word:?} is none of its words; did you mean {nearest:?}?"),
                            None => format!("{word:?} is none of its words: {}", [$( $word ),*].join(", ")),
                        });
                    }
                    _ => node.refuse(&Self::SHAPE, faults),
                }
                None
            }
        }
    };
}

words! {
    /// When a step runs.
    When { "root" => Root }
}

words! {
    /// A program that installs.
    InstallerName {
        "uv" => Uv,
        "pip" => Pip,
    }
}

words! {
    /// A kind of step.
    StepName {
        "wait" => Wait,
        "template" => Template,
        "own" => Own,
        "requirements" => Requirements,
        "run" => Run,
    }
}

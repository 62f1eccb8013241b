//! Options as getopt(3) and getopt_long(3) of the GNU C library read them, which the tools of other
//! names were made with: single letters in clusters, long names that may be shortened, and operands
//! that may stand between options.
//!
//! Nothing is copied and, where no operand stands before an option, nothing is allocated.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;

use crate::sys::Args;
use crate::sys::process::StringArray;

/// What may stand where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Options may stand behind operands, up to a `--`.
    Permute,
    /// The first operand ends the options.
    Stop,
}

impl Order {
    /// That of the GNU C library, which keeps to POSIX where this variable says so.
    pub fn permute_unless(posixly_correct: bool) -> Self {
        if posixly_correct { Self::Stop } else { Self::Permute }
    }
}

/// An option of one letter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Short {
    pub letter: u8,
    pub value: bool,
}

/// A flag of one letter.
pub(super) const fn flag(letter: u8) -> Short {
    Short { letter, value: false }
}

/// An option of one letter that takes a value.
pub(super) const fn valued(letter: u8) -> Short {
    Short { letter, value: true }
}

/// A long name for one of the letters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Long {
    pub name: &'static str,
    pub letter: u8,
    pub value: bool,
}

/// An option that was given, or what is wrong with it, in the words of the C library.
pub(super) type Given = Result<(u8, Option<&'static OsStr>), Vec<u8>>;

/// The reader, which is asked for one option after another.
pub(super) struct Options<'a> {
    args: Args,
    shorts: &'a [Short],
    /// None at all: then `--name` is a cluster that begins with the letter `-`.
    longs: &'a [Long],
    order: Order,
    next: usize,
    /// The letters of a cluster that are still to be read.
    cluster: &'static [u8],
    loose: Vec<usize>,
    ended: bool,
}

impl<'a> Options<'a> {
    /// Reads the arguments from number `next` on.
    pub fn new(
        args: Args,
        next: usize,
        shorts: &'a [Short],
        longs: &'a [Long],
        order: Order,
    ) -> Self {
        Self { args, shorts, longs, order, next, cluster: &[], loose: Vec::new(), ended: false }
    }

    /// The next option; `None` when there are only operands left.
    pub fn next(&mut self) -> Option<Given> {
        if let [letter, rest @ ..] = self.cluster {
            self.cluster = rest;
            return Some(self.letter(*letter));
        }
        while !self.ended {
            let Some(arg) = self.args.get(self.next) else {
                self.ended = true;
                break;
            };
            match arg.as_bytes() {
                b"--" => {
                    self.next += 1;
                    self.ended = true;
                }
                [b'-', b'-', name @ ..] if !self.longs.is_empty() => {
                    self.next += 1;
                    return Some(self.long(name));
                }
                [b'-', letter, rest @ ..] => {
                    self.next += 1;
                    self.cluster = rest;
                    return Some(self.letter(*letter));
                }
                _ if self.order == Order::Stop => self.ended = true,
                _ => {
                    self.loose.push(self.next);
                    self.next += 1;
                }
            }
        }
        None
    }

    /// What is left once there are no more options.
    pub fn operands(self) -> Operands {
        let Self { args, loose, next, .. } = self;
        match loose.first() {
            None => Operands { args, loose, rest: next },
            // Nothing stands between them.
            Some(first) if next - first == loose.len() => {
                Operands { args, rest: *first, loose: Vec::new() }
            }
            Some(_) => Operands { args, loose, rest: next },
        }
    }

    fn letter(&mut self, letter: u8) -> Given {
        let Some(option) = self.shorts.iter().find(|option| option.letter == letter) else {
            return Err([&b"invalid option -- '"[..], &[letter], b"'"].concat());
        };
        if !option.value {
            return Ok((letter, None));
        }
        if !self.cluster.is_empty() {
            let value = OsStr::from_bytes(self.cluster);
            self.cluster = &[];
            return Ok((letter, Some(value)));
        }
        match self.take_value() {
            Some(value) => Ok((letter, Some(value))),
            None => Err([&b"option requires an argument -- '"[..], &[letter], b"'"].concat()),
        }
    }

    fn long(&mut self, text: &'static [u8]) -> Given {
        let mut parts = text.splitn(2, |byte| *byte == b'=');
        let name = parts.next().unwrap_or_default();
        let value = parts.next().map(OsStr::from_bytes);
        let longs = self.longs;
        let exact = longs.iter().find(|long| long.name.as_bytes() == name);
        let candidates = || longs.iter().filter(|long| long.name.as_bytes().starts_with(name));
        let long = match (exact, candidates().count()) {
            (Some(long), _) => long,
            (None, 0) => return Err([&b"unrecognized option '--"[..], name, b"'"].concat()),
            (None, 1) => match candidates().next() {
                Some(long) => long,
                None => return Err([&b"unrecognized option '--"[..], name, b"'"].concat()),
            },
            (None, _) => {
                let mut line =
                    [&b"option '--"[..], text, b"' is ambiguous; possibilities:"].concat();
                for long in candidates() {
                    line.extend_from_slice(b" '--");
                    line.extend_from_slice(long.name.as_bytes());
                    line.push(b'\'');
                }
                return Err(line);
            }
        };
        let name = long.name.as_bytes();
        match (long.value, value) {
            (false, None) => Ok((long.letter, None)),
            (false, Some(_)) => {
                Err([&b"option '--"[..], name, b"' doesn't allow an argument"].concat())
            }
            (true, Some(value)) => Ok((long.letter, Some(value))),
            (true, None) => match self.take_value() {
                Some(value) => Ok((long.letter, Some(value))),
                None => Err([&b"option '--"[..], name, b"' requires an argument"].concat()),
            },
        }
    }

    fn take_value(&mut self) -> Option<&'static OsStr> {
        let value = self.args.get(self.next)?;
        self.next += 1;
        Some(value)
    }
}

/// A fault as the C library tells it: a line with the name that the program was called by.
pub(super) fn told(args: Args, fault: &[u8]) -> Vec<u8> {
    [args.get(0).unwrap_or_default().as_bytes(), b": ", fault, b"\n"].concat()
}

/// The words that are no options: the command.
pub(super) struct Operands {
    args: Args,
    /// Those that stand before the last option, if any.
    loose: Vec<usize>,
    rest: usize,
}

impl Operands {
    /// All arguments from number `first` on.
    pub fn from(args: Args, first: usize) -> Self {
        Self { args, loose: Vec::new(), rest: first }
    }

    /// The program's name.
    pub fn program(&self) -> Option<&'static CStr> {
        self.args.c_string(self.loose.first().copied().unwrap_or(self.rest))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &CStr> {
        let rest = self.rest..self.args.count();
        self.loose.iter().copied().chain(rest).filter_map(|index| self.args.c_string(index))
    }

    /// For execve: where they lie, if nothing stands between them.
    pub fn array(&self) -> StringArray<'_> {
        self.array_from(0)
    }

    /// The same from operand number `first` on.
    pub fn array_from(&self, first: usize) -> StringArray<'_> {
        if self.loose.is_empty() {
            self.args.tail(self.rest + first)
        } else {
            StringArray::of(self.iter().skip(first), None)
        }
    }
}

/// What strtol(3) makes of the beginning of `text`: the number in base 10, and what is left of it.
pub(super) fn number(text: &[u8]) -> Option<(i64, &[u8])> {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = digits.split_at_checked(count)?;
    if digits.is_empty() {
        return None;
    }
    let value = digits.iter().fold(0i64, |value, digit| {
        value.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
    });
    Some((if negative { -value } else { value }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORTS: [Short; 3] = [flag(b'g'), flag(b'v'), valued(b'p')];
    const LONGS: [Long; 3] = [
        Long { name: "verbose", letter: b'v', value: false },
        Long { name: "version", letter: b'V', value: false },
        Long { name: "path", letter: b'p', value: true },
    ];

    /// What was read, in a line: letters with values, `!` and the fault, `|` and the operands.
    fn read(line: &'static [&'static CStr], longs: &[Long], order: Order) -> String {
        let mut options = Options::new(Args::of_test(line), 1, &SHORTS, longs, order);
        let mut read = Vec::new();
        while let Some(given) = options.next() {
            match given {
                Ok((letter, None)) => read.push(char::from(letter).to_string()),
                Ok((letter, Some(value))) => {
                    read.push(format!("{}={}", char::from(letter), value.display()));
                }
                Err(fault) => read.push(format!("!{}", String::from_utf8_lossy(&fault))),
            }
        }
        read.push("|".to_owned());
        let operands = options.operands();
        read.extend(operands.iter().map(|word| word.to_string_lossy().into_owned()));
        read.join(" ")
    }

    #[test]
    fn operands_may_stand_between_options_up_to_two_dashes() {
        let line = &[c"tini", c"sh", c"-g", c"a", c"-pX", c"--", c"-c", c"--"];
        assert_eq!(read(line, &[], Order::Permute), "g p=X | sh a -c --");
        assert_eq!(read(line, &[], Order::Stop), "| sh -g a -pX -- -c --");
        assert_eq!(read(&[c"t", c"sh", c"--", c"-c"], &[], Order::Permute), "| sh -c");
        assert_eq!(read(&[c"t", c"-", c"-v"], &[], Order::Permute), "v | -");
    }

    #[test]
    fn letters_come_in_clusters_and_a_value_is_the_rest_or_the_next_word() {
        let line = &[c"t", c"-gvpX", c"-p", c"--", c"run"];
        assert_eq!(read(line, &[], Order::Stop), "g v p=X p=-- | run");
        assert_eq!(
            read(&[c"t", c"-gZ", c"-p"], &[], Order::Stop),
            "g !invalid option -- 'Z' !option requires an argument -- 'p' |"
        );
    }

    #[test]
    fn long_names_may_be_shortened_as_long_as_one_remains() {
        let line = &[c"t", c"--verb", c"--pa=x", c"--path", c"y", c"--version"];
        assert_eq!(read(line, &LONGS, Order::Permute), "v p=x p=y V |");
        for (word, fault) in [
            (c"--ver", "option '--ver' is ambiguous; possibilities: '--verbose' '--version'"),
            (c"--no", "unrecognized option '--no'"),
            (c"--verbose=1", "option '--verbose' doesn't allow an argument"),
            (c"--path", "option '--path' requires an argument"),
        ] {
            let line: &'static [&CStr] = Box::leak(Box::new([c"t", word]));
            assert_eq!(read(line, &LONGS, Order::Permute), format!("!{fault} |"));
        }
        // Without long names, the second dash is a letter.
        let fault = "!invalid option -- '-' v g";
        assert_eq!(read(&[c"t", c"--vg"], &[], Order::Permute), format!("{fault} |"));
    }

    #[test]
    fn a_number_is_read_as_strtol_reads_it() {
        assert_eq!(number(b" 15:3"), Some((15, &b":3"[..])));
        assert_eq!(number(b"-1"), Some((-1, &b""[..])));
        assert_eq!(number(b"+7x"), Some((7, &b"x"[..])));
        for none in ["", "x", "-", " "] {
            assert_eq!(number(none.as_bytes()), None, "{none:?}");
        }
    }
}

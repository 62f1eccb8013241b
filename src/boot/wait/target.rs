//! What can be waited for, and how it is written.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;

/// The longest path of a Unix socket (unix(7)).
const LONGEST_SOCKET_PATH: usize = 107;

/// Something that will be there sooner or later.
///
/// Its text, by `Display`, is how it was written, with a password and a query masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `tcp://HOST:PORT`, or `HOST:PORT`: somebody accepts a connection.
    Tcp(Endpoint),
    /// `http://[USER:PASSWORD@]HOST[:PORT][/PATH]`: it answers, by default with a 2xx.
    Http(Url),
    /// `unix:///PATH`: somebody accepts a connection.
    Unix(PathBuf),
    /// `file:///PATH`: it exists.
    File(PathBuf),
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// A name, an IPv4 address, or an IPv6 address without its brackets.
    pub host: String,
    pub port: u16,
}

/// What is asked of whom by HTTP.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub endpoint: Endpoint,
    /// `USER:PASSWORD` as it was written.
    pub userinfo: Option<String>,
    /// From the first slash on, without a fragment.
    pub path: String,
}

/// What an empty host means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EmptyHost {
    /// A mistake: the variable in it was empty, as a rule.
    Refused,
    /// This machine.
    Localhost,
}

/// Why a text is no target. Passwords in it are masked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use {target:?} as a target: {why}")]
pub(crate) struct TargetError {
    target: String,
    pub why: Fault,
}

/// What is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("it is empty")]
    Empty,
    #[error("it is not UTF-8")]
    NotText,
    #[error("there is a blank in it")]
    Blank,
    #[error("there is a control character in it")]
    Control,
    #[error("there is no {0}:// in pydexec")]
    Scheme(String),
    #[error("https:// is not supported, as there is no TLS in pydexec")]
    Tls,
    #[error("it has no host")]
    NoHost,
    #[error("its host has letters beyond ASCII")]
    International,
    #[error("its host has a {0:?} in it")]
    HostLetter(char),
    #[error("its IPv6 address needs brackets")]
    Brackets,
    #[error("what is in the brackets is no IPv6 address")]
    NotIpv6,
    #[error("it has no port")]
    NoPort,
    #[error("its port is not a number")]
    PortNumber,
    #[error("its port is not between 1 and 65535")]
    PortRange,
    #[error("a user has no place in it")]
    User,
    #[error("a path has no place in it")]
    Path,
    #[error("its path does not begin with /")]
    Relative,
    #[error("its path is longer than the {LONGEST_SOCKET_PATH} bytes of a socket's")]
    SocketPath,
    #[error("its path has letters beyond ASCII")]
    PathLetters,
}

impl TargetError {
    fn new(text: &str, why: Fault) -> Self {
        Self { target: masked(text), why }
    }

    /// For what was never text.
    pub fn not_text(text: &std::ffi::OsStr) -> Self {
        Self::new(&text.to_string_lossy(), Fault::NotText)
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match &self.why {
            Fault::International => "give the name as DNS has it, in its xn-- form".into(),
            Fault::Brackets => "write it as [::1]:80".into(),
            Fault::PathLetters => "encode them: %C3%A9 for é".into(),
            Fault::Tls => "wait for its port: tcp://HOST:443".into(),
            Fault::Relative | Fault::SocketPath => "as in unix:///run/app.sock".into(),
            Fault::NoPort | Fault::PortNumber | Fault::PortRange => "as in tcp://db:5432".into(),
            Fault::User | Fault::Path => "give host and port alone, as in tcp://db:5432".into(),
            _ => "a target is tcp://HOST:PORT, http://HOST[:PORT]/PATH, unix:///PATH or \
                  file:///PATH"
                .into(),
        }
    }
}

impl Target {
    /// Reads a target. `HOST:PORT` alone is `tcp://HOST:PORT`.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        Self::parse_with(text, EmptyHost::Refused)
    }

    pub fn parse_with(text: &str, empty_host: EmptyHost) -> Result<Self, TargetError> {
        parse(text, empty_host).map_err(|why| TargetError::new(text, why))
    }

    /// Whether it is one that is asked by HTTP.
    pub fn is_http(&self) -> bool {
        matches!(self, Self::Http(_))
    }
}

fn parse(text: &str, empty_host: EmptyHost) -> Result<Target, Fault> {
    if text.is_empty() {
        return Err(Fault::Empty);
    }
    if text.chars().any(|letter| letter.is_control()) {
        return Err(Fault::Control);
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return endpoint(text, None, empty_host).map(Target::Tcp);
    };
    match scheme.to_ascii_lowercase().as_str() {
        "tcp" => {
            endpoint(rest.strip_suffix('/').unwrap_or(rest), None, empty_host).map(Target::Tcp)
        }
        "http" => url(rest, empty_host).map(Target::Http),
        "https" => Err(Fault::Tls),
        "unix" if rest.len() > LONGEST_SOCKET_PATH => Err(Fault::SocketPath),
        "unix" => path(rest).map(Target::Unix),
        "file" => path(rest).map(Target::File),
        // It may be any word of a secret that happens to have :// in it.
        other if other.len() <= 16 && other.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            Err(Fault::Scheme(other.to_owned()))
        }
        _ => Err(Fault::Scheme("such".to_owned())),
    }
}

/// Paths are taken as they are, blanks and all.
fn path(text: &str) -> Result<PathBuf, Fault> {
    if text.starts_with('/') { Ok(text.into()) } else { Err(Fault::Relative) }
}

fn url(text: &str, empty_host: EmptyHost) -> Result<Url, Fault> {
    let text = text.split_once('#').map_or(text, |(before, _)| before);
    let end = text.find(['/', '?']).unwrap_or(text.len());
    let (authority, path) = text.split_at_checked(end).unwrap_or((text, ""));
    let (userinfo, host) = match authority.rsplit_once('@') {
        Some((userinfo, host)) => (Some(userinfo), host),
        None => (None, authority),
    };
    if path.contains(char::is_whitespace) {
        return Err(Fault::Blank);
    }
    if !path.is_ascii() {
        return Err(Fault::PathLetters);
    }
    Ok(Url {
        endpoint: endpoint(host, Some(80), empty_host)?,
        userinfo: userinfo.filter(|user| !user.is_empty()).map(str::to_owned),
        path: if path.starts_with('/') { path.to_owned() } else { format!("/{path}") },
    })
}

fn endpoint(text: &str, usual: Option<u16>, empty_host: EmptyHost) -> Result<Endpoint, Fault> {
    if text.contains('@') {
        return Err(Fault::User);
    }
    if text.contains(['/', '?', '#']) {
        return Err(Fault::Path);
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']').ok_or(Fault::NotIpv6)?;
            // Without the name of an interface: fe80::1%eth0.
            let (address, zone) = host.split_once('%').unwrap_or((host, "lo"));
            if address.parse::<Ipv6Addr>().is_err() || !zone.bytes().all(is_of_a_zone) {
                return Err(Fault::NotIpv6);
            }
            match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if rest.is_empty() => (host, None),
                None => return Err(Fault::PortNumber),
            }
        }
        None => match text.split_once(':') {
            Some((_, port)) if port.contains(':') => return Err(Fault::Brackets),
            Some((host, port)) => (name(host, empty_host)?, Some(port)),
            None => (name(text, empty_host)?, None),
        },
    };
    let port = match port {
        None | Some("") => usual.ok_or(Fault::NoPort)?,
        Some(port) => number(port)?,
    };
    Ok(Endpoint { host: host.to_owned(), port })
}

fn is_of_a_zone(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

fn name(host: &str, empty_host: EmptyHost) -> Result<&str, Fault> {
    if host.is_empty() {
        return match empty_host {
            EmptyHost::Refused => Err(Fault::NoHost),
            EmptyHost::Localhost => Ok("localhost"),
        };
    }
    if host.contains(char::is_whitespace) {
        return Err(Fault::Blank);
    }
    if !host.is_ascii() {
        return Err(Fault::International);
    }
    // Underscores are in the service names of Compose files, whatever DNS says.
    match host.chars().find(|letter| !(letter.is_ascii_alphanumeric() || "-_.".contains(*letter))) {
        Some(letter) => Err(Fault::HostLetter(letter)),
        None => Ok(host),
    }
}

fn number(port: &str) -> Result<u16, Fault> {
    // Not what `parse` takes beyond digits: a plus sign.
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::PortNumber);
    }
    port.parse().ok().filter(|port| *port > 0).ok_or(Fault::PortRange)
}

/// `text` without what may be a password: all before the last `@`, and the query.
///
/// Made for texts that are wrong, so it rather hides too much.
fn masked(text: &str) -> String {
    let (scheme, rest) = match text.find("://").and_then(|at| text.split_at_checked(at + 3)) {
        Some(parts) => parts,
        None => ("", text),
    };
    let rest = match rest.rsplit_once('@') {
        Some((_, host)) => format!("***@{host}"),
        None => rest.to_owned(),
    };
    match rest.split_once('?') {
        Some((before, _)) => format!("{scheme}{before}?***"),
        None => format!("{scheme}{rest}"),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mask = if self.userinfo.is_some() { "***@" } else { "" };
        write!(f, "http://{mask}{}", self.endpoint)?;
        match self.path.split_once('?') {
            Some((path, _)) => write!(f, "{path}?***"),
            None => f.write_str(&self.path),
        }
    }
}

impl fmt::Debug for Url {
    /// No derived one: it would show the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(endpoint) => write!(f, "tcp://{endpoint}"),
            Self::Http(url) => write!(f, "{url}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::File(path) => write!(f, "file://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Target {
        Target::Tcp(Endpoint { host: host.into(), port })
    }

    fn fault(text: &str) -> Fault {
        Target::parse(text).unwrap_err().why
    }

    #[test]
    fn an_address_is_a_host_and_a_port_with_or_without_tcp() {
        for (text, host, port) in [
            ("db:5432", "db", 5432),
            ("tcp://db:5432", "db", 5432),
            ("TCP://db:5432/", "db", 5432),
            ("my_service.local:1", "my_service.local", 1),
            ("127.0.0.1:65535", "127.0.0.1", 65535),
            ("[::1]:80", "::1", 80),
            ("tcp://[fe80::1%eth0]:80", "fe80::1%eth0", 80),
            ("[::ffff:127.0.0.1]:80", "::ffff:127.0.0.1", 80),
        ] {
            assert_eq!(Target::parse(text), Ok(tcp(host, port)), "{text}");
        }
    }

    #[test]
    fn a_url_has_a_port_and_a_path_of_its_own_or_the_usual_ones() {
        for (text, port, path, userinfo) in [
            ("http://search:9200/_health", 9200, "/_health", None),
            ("http://search", 80, "/", None),
            ("http://search:/", 80, "/", None),
            ("http://search?a=b:c@d", 80, "/?a=b:c@d", None),
            ("http://u:p@search:81/x#part", 81, "/x", Some("u:p")),
            ("http://u:p@ss@search/", 80, "/", Some("u:p@ss")),
            ("http://@search/", 80, "/", None),
        ] {
            let endpoint = Endpoint { host: "search".into(), port };
            let userinfo = userinfo.map(str::to_owned);
            let url = Url { endpoint, userinfo, path: path.into() };
            assert_eq!(Target::parse(text), Ok(Target::Http(url)), "{text}");
        }
    }

    #[test]
    fn paths_are_taken_as_they_are() {
        assert_eq!(Target::parse("unix:///run/a b.sock"), Ok(Target::Unix("/run/a b.sock".into())));
        assert_eq!(Target::parse("file:///é%20?x@y"), Ok(Target::File("/é%20?x@y".into())));
    }

    #[test]
    fn what_is_wrong_is_told_by_name() {
        for (text, why) in [
            ("", Fault::Empty),
            ("db", Fault::NoPort),
            ("db:", Fault::NoPort),
            ("tcp://db", Fault::NoPort),
            ("[::1]", Fault::NoPort),
            ("db:65536", Fault::PortRange),
            ("db:99999999999999999999", Fault::PortRange),
            ("db:0", Fault::PortRange),
            ("db:http", Fault::PortNumber),
            ("db:+80", Fault::PortNumber),
            ("db:-80", Fault::PortNumber),
            ("db:8 0", Fault::PortNumber),
            ("db:８０", Fault::PortNumber),
            ("[::1]80", Fault::PortNumber),
            (":80", Fault::NoHost),
            ("tcp://:80", Fault::NoHost),
            ("http:///path", Fault::NoHost),
            ("::1:80", Fault::Brackets),
            ("[db]:80", Fault::NotIpv6),
            ("[::1:80", Fault::NotIpv6),
            ("[::1%e h]:80", Fault::NotIpv6),
            ("d b:80", Fault::Blank),
            (" db:80", Fault::Blank),
            ("http://db/a b", Fault::Blank),
            ("db\0:80", Fault::Control),
            ("http://db/\r\nX: y", Fault::Control),
            ("db,web:80", Fault::HostLetter(',')),
            ("$DB_HOST:80", Fault::HostLetter('$')),
            ("bücher.example:80", Fault::International),
            ("http://db/é", Fault::PathLetters),
            ("user@db:80", Fault::User),
            ("tcp://db:80/path", Fault::Path),
            ("https://db/", Fault::Tls),
            ("redis://db:6379", Fault::Scheme("redis".into())),
            ("s3cr3t.key://db", Fault::Scheme("such".into())),
            ("unix://run/app.sock", Fault::Relative),
            ("file://", Fault::Relative),
        ] {
            assert_eq!(fault(text), why, "{text}");
        }
        assert_eq!(fault(&format!("unix:///{}", "x".repeat(107))), Fault::SocketPath);
    }

    #[test]
    fn an_empty_host_is_localhost_only_where_that_is_meant() {
        for (text, port) in [("http://:8080/", 8080), ("http:///", 80)] {
            match Target::parse_with(text, EmptyHost::Localhost).unwrap() {
                Target::Http(url) => {
                    let endpoint = Endpoint { host: "localhost".into(), port };
                    assert_eq!(url.endpoint, endpoint);
                }
                other => panic!("{other}"),
            }
        }
        assert_eq!(Target::parse_with("tcp://:80", EmptyHost::Localhost), Ok(tcp("localhost", 80)));
    }

    #[test]
    fn no_password_is_ever_shown() {
        for text in [
            "http://u:secret@db:1/",
            "http://secret@db:1/",
            "http://db:1/?token=secret",
            "http://u:secret@db:99999/",
            "http://u:se@secret@d b/",
            "http://u:secret/secret@db:1/",
            "redis://:secret@db:6379/0",
            "u:secret@db:80",
            "http://db:1/\0?secret",
        ] {
            match Target::parse(text) {
                Ok(target) => {
                    assert!(!target.to_string().contains("secret"), "{target}");
                    assert!(!format!("{target:?}").contains("secret"), "{target:?}");
                }
                Err(error) => {
                    assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
                    assert!(!error.hint().contains("secret"));
                }
            }
        }
    }

    #[test]
    fn a_target_is_shown_as_it_is_written() {
        for text in [
            "tcp://db:5432",
            "tcp://[::1]:80",
            "http://search:9200/_health",
            "unix:///run/app.sock",
            "file:///ready",
        ] {
            assert_eq!(Target::parse(text).unwrap().to_string(), text);
        }
    }
}

//! One HTTP request, as far as a health check needs it: no TLS, no redirects followed.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::probe::Reason;
use super::target::Url;

/// The most that is read of a head.
const LONGEST_HEAD: usize = 64 << 10;

/// The most that is read of a body that is searched.
const LONGEST_BODY: usize = 1 << 20;

/// What is sent along, and what counts as a good answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expect {
    pub headers: Vec<Header>,
    pub status: StatusSet,
    /// A text that the body must have in it.
    pub contains: Option<String>,
}

/// A header of the request.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Header {
    name: String,
    value: String,
}

impl Header {
    /// Reads `NAME: VALUE`.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, value) = text.split_once(':')?;
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let value = value.trim();
        // Neither can end the line, and with it the request.
        let valid = !name.is_empty()
            && name.bytes().all(token)
            && !value.chars().any(|letter| letter.is_control() && letter != '\t');
        valid.then(|| Self { name: name.to_owned(), value: value.to_owned() })
    }
}

impl fmt::Debug for Header {
    /// No derived one: the value may be a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({})", self.name)
    }
}

/// Which status codes are good ones: `200`, `2xx`, `200-399`, several with commas between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StatusSet(Vec<(u16, u16)>);

impl Default for StatusSet {
    /// 2xx: the server did what it was asked.
    fn default() -> Self {
        Self(vec![(200, 299)])
    }
}

impl StatusSet {
    pub fn parse(text: &str) -> Option<Self> {
        let code = |text: &str| match text.len() {
            3 if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse::<u16>().ok(),
            _ => None,
        };
        let one = |part: &str| {
            let (first, last) = match (part.strip_suffix("xx"), part.split_once('-')) {
                (Some(class), _) => (code(&format!("{class}00"))?, code(&format!("{class}99"))?),
                (None, Some((first, last))) => (code(first)?, code(last)?),
                (None, None) => (code(part)?, code(part)?),
            };
            (first >= 100 && first <= last).then_some((first, last))
        };
        text.split(',').map(|part| one(part.trim())).collect::<Option<_>>().map(Self)
    }

    fn has(&self, status: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }
}

impl fmt::Display for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.0.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            match (first % 100, last - first) {
                (_, 0) => write!(f, "{comma}{first}")?,
                (0, 99) => write!(f, "{comma}{}xx", first / 100)?,
                _ => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

/// Asks, and looks at the answer.
pub(super) fn check(
    stream: TcpStream,
    url: &Url,
    expect: &Expect,
    deadline: Instant,
) -> Result<(), Reason> {
    let mut connection = Connection { stream, deadline, received: Vec::new() };
    connection.send(request(url, expect).as_bytes())?;
    let head = loop {
        match connection.head()? {
            // 103 and the like come before the answer, 101 in its place.
            Head { status: 100 | 102..200, .. } => {}
            head => break head,
        }
    };
    if !expect.status.has(head.status) {
        return Err(Reason::Status { status: head.status, wanted: expect.status.clone() });
    }
    match &expect.contains {
        Some(text) if connection.look_for(text.as_bytes(), head.body)? => Ok(()),
        Some(_) => Err(Reason::Contains),
        None => Ok(()),
    }
}

fn request(url: &Url, expect: &Expect) -> String {
    let host = match url.endpoint.port {
        80 => url.endpoint.to_string().trim_end_matches(":80").to_owned(),
        _ => url.endpoint.to_string(),
    };
    let mut text = format!("GET {} HTTP/1.1\r\n", url.path);
    let agent = concat!("pydexec/", env!("CARGO_PKG_VERSION"));
    let authorization = url.userinfo.as_ref().map(|userinfo| {
        let userinfo = decoded(userinfo);
        // A user without a password has an empty one.
        let colon: &[u8] = if userinfo.contains(&b':') { b"" } else { b":" };
        format!("Basic {}", base64(&[&userinfo, colon].concat()))
    });
    let ours = [
        ("Host", Some(host.as_str())),
        ("User-Agent", Some(agent)),
        ("Accept", Some("*/*")),
        ("Authorization", authorization.as_deref()),
    ];
    for (name, value) in ours {
        let given = expect.headers.iter().any(|header| header.name.eq_ignore_ascii_case(name));
        if let Some(value) = value.filter(|_| !given) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    for Header { name, value } in &expect.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("Connection: close\r\n\r\n");
    text
}

/// The head of an answer, as far as it is of interest.
struct Head {
    status: u16,
    body: Body,
}

/// Where the body ends, besides at the end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Open,
    Length(usize),
    Chunked,
}

struct Connection {
    stream: TcpStream,
    deadline: Instant,
    /// What has come and is not used yet.
    received: Vec<u8>,
}

impl Connection {
    fn left(&self) -> Result<Duration, Reason> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(Reason::NoAnswer) } else { Ok(left) }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Reason> {
        let left = self.left()?;
        self.stream
            .set_write_timeout(Some(left))
            .and_then(|()| self.stream.write_all(bytes))
            .map_err(broken)
    }

    /// Receives some more; nothing at the end.
    fn receive(&mut self) -> Result<usize, Reason> {
        let mut buffer = [0; 4096];
        let left = self.left()?;
        self.stream.set_read_timeout(Some(left)).map_err(broken)?;
        let count = loop {
            match self.stream.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result.map_err(broken)?,
            }
        };
        self.received.extend(buffer.iter().take(count));
        Ok(count)
    }

    /// The next head, which is taken from what was received.
    fn head(&mut self) -> Result<Head, Reason> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 128];
            let mut response = httparse::Response::new(&mut headers);
            match response.parse(&self.received) {
                Ok(httparse::Status::Complete(length)) => {
                    let status = response.code.ok_or(Reason::NotHttp)?;
                    let body = body(response.headers);
                    self.received.drain(..length);
                    return Ok(Head { status, body });
                }
                Ok(httparse::Status::Partial) => {}
                Err(_) => return Err(Reason::NotHttp),
            }
            if self.received.len() > LONGEST_HEAD {
                return Err(Reason::TooLong);
            }
            if self.receive()? == 0 {
                return Err(match self.received.is_empty() {
                    true => Reason::Closed,
                    false => Reason::NotHttp,
                });
            }
        }
    }

    /// Looks in the body as it comes, so that one that never ends is no harm.
    ///
    /// The sizes between the chunks of a chunked body are left in: a text could only be missed
    /// where a chunk ends within it. So at the end the body is looked at without them too.
    fn look_for(&mut self, text: &[u8], body: Body) -> Result<bool, Reason> {
        let mut looked_at = 0;
        loop {
            if has(self.received.get(looked_at..).unwrap_or_default(), text) {
                return Ok(true);
            }
            // A text may be there up to its last byte.
            looked_at = (self.received.len() + 1).saturating_sub(text.len());
            let whole = match body {
                Body::Length(length) => self.received.len() >= length,
                Body::Chunked => self.received.ends_with(b"\r\n0\r\n\r\n"),
                Body::Open => false,
            };
            let end = match whole || self.received.len() > LONGEST_BODY {
                true => Ok(false),
                false => self.receive().map(|count| count > 0),
            };
            match end {
                Ok(true) => {}
                Ok(false) => return Ok(has(&unchunked(&self.received), text)),
                Err(_) if has(&unchunked(&self.received), text) => return Ok(true),
                Err(reason) => return Err(reason),
            }
        }
    }
}

fn body(headers: &[httparse::Header<'_>]) -> Body {
    let value = |name: &str| {
        let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()
    };
    if value("Transfer-Encoding")
        .is_some_and(|value| value.to_ascii_lowercase().contains("chunked"))
    {
        return Body::Chunked;
    }
    let length = value("Content-Length").and_then(|value| value.trim().parse().ok());
    length.map_or(Body::Open, Body::Length)
}

fn has(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}

/// A chunked body without its chunks' sizes; as far as it goes, if it is one at all.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Ok(httparse::Status::Complete((length, size))) = httparse::parse_chunk_size(body) {
        let Some(chunk) = body.get(length..) else { break };
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(chunk.len());
        let (chunk, rest) = chunk.split_at(size);
        whole.extend_from_slice(chunk);
        body = rest.strip_prefix(b"\r\n").unwrap_or_default();
    }
    whole
}

fn broken(error: io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Reason::NoAnswer,
        _ => Reason::Broken(error),
    }
}

/// `%41` as `A`; what is no such thing stays as it is.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut result = Vec::new();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        match (byte, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                result.push((high * 16 + low) as u8);
                bytes = ahead;
            }
            _ => result.push(byte),
        }
    }
    result
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place)) as usize & 63;
            let letter = ALPHABET.get(index).filter(|_| place <= chunk.len());
            text.push(letter.map_or('=', |letter| char::from(*letter)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::wait::Target;

    fn url(text: &str) -> Url {
        match Target::parse(text).unwrap() {
            Target::Http(url) => url,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_request_has_what_a_server_asks_for() {
        assert_eq!(
            request(&url("http://web:8080/a?b=c"), &Expect::default()),
            format!(
                "GET /a?b=c HTTP/1.1\r\nHost: web:8080\r\nUser-Agent: pydexec/{}\r\n\
                 Accept: */*\r\nConnection: close\r\n\r\n",
                env!("CARGO_PKG_VERSION")
            )
        );
        let request = |text| request(&url(text), &Expect::default());
        assert!(request("http://[::1]/").contains("\r\nHost: [::1]\r\n"));
        assert!(request("http://web:8080").contains("\r\nHost: web:8080\r\n"));
        // RFC 7617's own example, with the colon of the password encoded.
        let aladdin = request("http://Aladdin:open%20sesame@web/");
        assert!(aladdin.contains("\r\nAuthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"));
    }

    #[test]
    fn a_given_header_takes_the_place_of_ours() {
        let header = Header::parse("host: example.org").unwrap();
        let expect = Expect { headers: vec![header], ..Expect::default() };
        let request = request(&url("http://web/"), &expect);
        assert!(request.contains("\r\nhost: example.org\r\n"));
        assert!(!request.contains("Host: web"));
    }

    #[test]
    fn a_header_cannot_smuggle_another_in() {
        for text in ["X", ": x", "X Y: z", "X: a\r\nY: b", "X\n: a", "X: \0", "Ü: x"] {
            assert_eq!(Header::parse(text), None, "{text:?}");
        }
        let header = Header::parse("Authorization: Bearer secret").unwrap();
        assert_eq!(header.value, "Bearer secret");
        assert!(!format!("{header:?}").contains("secret"));
    }

    #[test]
    fn statuses_are_codes_classes_and_ranges() {
        let set = StatusSet::parse("204, 3xx,400-401").unwrap();
        for (status, good) in
            [(200, false), (204, true), (302, true), (399, true), (401, true), (402, false)]
        {
            assert_eq!(set.has(status), good, "{status}");
        }
        assert_eq!(set.to_string(), "204, 3xx, 400-401");
        for text in ["", "2", "2x", "xx", "20", "2000", "300-200", "200,", "+20", "099", "abc"] {
            assert_eq!(StatusSet::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_text_is_found_across_the_border_of_two_chunks() {
        let body = b"4\r\nheal\r\n5;x=y\r\nthy!!\r\n0\r\n\r\n";
        assert_eq!(unchunked(body), b"healthy!!");
        assert_eq!(unchunked(b"4\r\nhe"), b"he");
        assert_eq!(unchunked(b"ffffffffffffffff\r\nhe"), b"he");
        assert_eq!(unchunked(b"{\"status\": \"ok\"}"), b"");
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (text, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
        assert_eq!(decoded("a%3Ab%4"), b"a:b%4");
    }
}

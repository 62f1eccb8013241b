//! One try: is it there now? It blocks, until its deadline and, where a name is being looked up or
//! a Unix socket's queue is full, beyond it: whoever calls it does so from a thread of its own.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::Mailbox;
use super::http::{self, Expect, StatusSet};
use super::target::{Endpoint, Target};
use crate::error::reason;

/// What a thread that tries needs: the resolver of the C library has buffers on its stack.
pub(super) const STACK: usize = 256 * 1024;

/// So much longer than the deadline are threads given that have the same one.
const GRACE: Duration = Duration::from_secs(1);

/// Why it is not there.
#[derive(Debug)]
pub(crate) enum Reason {
    /// The name is not known, or nobody answered who might know it.
    Lookup(String),
    /// The kernel's answer to connect(2).
    Connect(io::Error),
    /// A connection that broke before an answer came.
    Broken(io::Error),
    /// A connection that was closed without an answer.
    Closed,
    /// A connection, and no answer in time.
    NoAnswer,
    /// An answer of another kind.
    NotHttp,
    /// An answer that does not end.
    TooLong,
    /// Another status than wanted.
    Status { status: u16, wanted: StatusSet },
    /// A body without the text that was looked for.
    Contains,
    /// A file that is not there.
    File(io::Error),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lookup(why) => write!(f, "cannot resolve its name: {why}"),
            Self::Connect(error) if error.kind() == io::ErrorKind::TimedOut => {
                write!(f, "no answer to the attempt to connect")
            }
            Self::Connect(error) | Self::File(error) => f.write_str(&reason(error)),
            Self::Broken(error) => write!(f, "the connection broke: {}", reason(error)),
            Self::Closed => write!(f, "the connection was closed without an answer"),
            Self::NoAnswer => write!(f, "it accepted the connection and did not answer in time"),
            Self::NotHttp => write!(f, "its answer is not HTTP"),
            Self::TooLong => write!(f, "its answer is too long"),
            Self::Status { status, wanted } => {
                write!(f, "it answered with status {status}, and not {wanted}")
            }
            Self::Contains => write!(f, "its answer does not contain the text"),
        }
    }
}

/// Tries once.
pub(crate) fn attempt(target: &Target, expect: &Expect, deadline: Instant) -> Result<(), Reason> {
    match target {
        Target::Tcp(endpoint) => connect(endpoint, deadline).map(drop),
        Target::Http(url) => {
            let stream = connect(&url.endpoint, deadline)?;
            http::check(stream, url, expect, deadline)
        }
        Target::Unix(path) => UnixStream::connect(path).map(drop).map_err(Reason::Connect),
        Target::File(path) => exists(path),
    }
}

fn exists(path: &Path) -> Result<(), Reason> {
    fs::metadata(path).map(drop).map_err(Reason::File)
}

/// Connects to one of the addresses of a host: all are tried at once, since one of them may be of a
/// network that answers nothing.
fn connect(endpoint: &Endpoint, deadline: Instant) -> Result<TcpStream, Reason> {
    let addresses = addresses(endpoint)?;
    if let [address] = addresses.as_slice() {
        return connect_one(*address, deadline);
    }
    let mailbox = Mailbox::new();
    let mut running = 0;
    let mut last = Reason::Lookup("it has no address".into());
    for address in addresses {
        let posting = mailbox.clone();
        let thread = thread::Builder::new().stack_size(STACK);
        match thread.spawn(move || posting.post(connect_one(address, deadline))) {
            Ok(_) => running += 1,
            Err(error) => last = Reason::Connect(error),
        }
    }
    while running > 0 {
        match mailbox.take(deadline + GRACE) {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(reason)) => last = reason,
            None => break,
        }
        running -= 1;
    }
    Err(last)
}

fn connect_one(address: SocketAddr, deadline: Instant) -> Result<TcpStream, Reason> {
    // Never zero, which would be an error of its own.
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let stream = TcpStream::connect_timeout(&address, left).map_err(Reason::Connect)?;
    // Where nobody listens on a port that the kernel also gives to clients, we may get it ourselves
    // and be connected to us (a simultaneous open, RFC 9293 section 3.5).
    match stream.local_addr() {
        Ok(own) if own == address => {
            Err(Reason::Connect(io::Error::from_raw_os_error(libc::ECONNREFUSED)))
        }
        _ => Ok(stream),
    }
}

fn addresses(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Reason> {
    let Endpoint { host, port } = endpoint;
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, *port)]);
    }
    // RFC 6761, section 6.3; an image without /etc/hosts has it too.
    if host.eq_ignore_ascii_case("localhost") {
        return Ok([IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]
            .map(|address| SocketAddr::new(address, *port))
            .to_vec());
    }
    let found = (host.as_str(), *port).to_socket_addrs().map_err(|error| {
        let text = reason(&error);
        // The standard library's words before those of the resolver.
        let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
        Reason::Lookup(text.to_owned())
    })?;
    let mut addresses: Vec<SocketAddr> = found.collect();
    addresses.dedup();
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    fn to(address: SocketAddr) -> Target {
        Target::Tcp(Endpoint { host: address.ip().to_string(), port: address.port() })
    }

    #[test]
    fn a_listener_is_there_and_a_port_without_one_is_not() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(any).unwrap();
            let address = listener.local_addr().unwrap();
            assert!(attempt(&to(address), &Expect::default(), soon()).is_ok(), "{address}");
            // tcpmux, which nobody runs.
            let nobody = to(SocketAddr::new(address.ip(), 1));
            let reason = attempt(&nobody, &Expect::default(), soon()).unwrap_err();
            assert_eq!(reason.to_string(), "connection refused", "{nobody}");
        }
    }

    #[test]
    fn all_the_addresses_of_a_name_are_tried() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(any).unwrap();
            let port = listener.local_addr().unwrap().port();
            let target = Target::Tcp(Endpoint { host: "localhost".into(), port });
            assert!(attempt(&target, &Expect::default(), soon()).is_ok(), "{any}");
        }
    }

    #[test]
    fn a_file_is_there_when_its_end_is() {
        assert!(attempt(&Target::File("/".into()), &Expect::default(), soon()).is_ok());
        let absent = Target::File("/nonexistent/ready".into());
        let reason = attempt(&absent, &Expect::default(), soon()).unwrap_err();
        assert_eq!(reason.to_string(), "no such file or directory");
    }
}

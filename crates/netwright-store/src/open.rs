//! Opening a store by its address.
//!
//! | address | store |
//! | --- | --- |
//! | `memory:` | in memory, gone with the process |
//! | `file:PATH`, or a path alone | one file, made where it is not there |
//! | `etcd://HOST[:PORT][,HOST[:PORT]…]` | etcd's members, in the clear |
//! | `etcds://…` | the same over TLS |
//!
//! No secret is part of an address, which is seen in lists of processes and in logs: passwords and keys are in files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::any::AnyStore;
use crate::clock::Monotonic;
use crate::embedded::Embedded;
use crate::error::Error;
use crate::memory::Memory;

/// The port where etcd serves clients.
const PORT: u16 = 2379;

/// Octets of the largest file of a certificate, key or password that is read.
const LARGEST: u64 = 1 << 20;

const EXPECTED: &str =
    "expected `memory:`, `file:PATH`, `etcd://HOST:PORT[,HOST:PORT…]` or `etcds://…`";

/// How a store is opened, beside its address. It holds names of files and no secrets. All but [`Self::patience`] is for etcd alone.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// File of certificates (PEM) of who signed those of etcd's members; `etcds` needs it.
    pub authority: Option<PathBuf>,
    /// File of our own certificate (PEM).
    pub certificate: Option<PathBuf>,
    /// File of its private key (PEM).
    pub key: Option<PathBuf>,
    /// The name in the members' certificates, where it is not the host of the address.
    pub server_name: Option<String>,
    /// The user, where etcd asks who we are.
    pub user: Option<String>,
    /// File that holds the user's password; a line end at its end is not part of it.
    pub password_file: Option<PathBuf>,
    /// What the keys begin with that the user may read. It is asked for where any key would do.
    pub prefix: String,
    /// How long an answer is waited for.
    pub patience: Duration,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            authority: None,
            certificate: None,
            key: None,
            server_name: None,
            user: None,
            password_file: None,
            prefix: "netwright/".to_owned(),
            patience: Duration::from_secs(5),
        }
    }
}

/// What an address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `memory:`
    Memory,
    /// `file:PATH` or a path.
    File(PathBuf),
    /// `etcd://…` or `etcds://…`
    Etcd {
        /// Each member as `host:port`.
        members: Vec<String>,
        /// Over TLS.
        tls: bool,
    },
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] with what is wrong and what was expected.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::Address(format!("the store's address is empty: {EXPECTED}")));
        }
        match text.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) {
            None => Ok(Self::File(text.into())),
            Some(("memory", "")) => Ok(Self::Memory),
            Some(("memory", _)) => {
                Err(wrong(text, "a store in memory has no name: expected `memory:`"))
            }
            Some(("file", path)) => file(text, path),
            Some((scheme @ ("etcd" | "etcds"), rest)) => {
                let Some(rest) = rest.strip_prefix("//") else {
                    return Err(wrong(text, &format!("expected `{scheme}://HOST:PORT`")));
                };
                Ok(Self::Etcd { members: members(text, rest)?, tls: scheme == "etcds" })
            }
            Some((scheme, _)) => {
                let file = "a file whose name has a colon is `file:NAME`";
                Err(wrong(text, &format!("there is no `{scheme}:`: {EXPECTED}; {file}")))
            }
        }
    }
}

/// Whether a text before a colon is meant to say what the rest is.
fn is_scheme(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-'))
}

fn wrong(address: &str, why: &str) -> Error {
    // Nobody should, but who puts a password into an address does not find it in a log.
    let shown = match address.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}://…@{host}")
        }
        None => address.to_owned(),
    };
    Error::Address(format!("`{shown}` is no store's address: {why}"))
}

fn file(text: &str, path: &str) -> Result<Address, Error> {
    let path = match path.strip_prefix("//") {
        Some(rest) if rest.starts_with('/') => rest,
        Some(_) => {
            return Err(wrong(text, "a file is on this machine: expected `file:PATH`"));
        }
        None => path,
    };
    if path.is_empty() {
        return Err(wrong(text, "expected `file:PATH`"));
    }
    Ok(Address::File(path.into()))
}

fn members(text: &str, list: &str) -> Result<Vec<String>, Error> {
    if list.contains('@') {
        let file = "the user and the file of the password are given apart";
        return Err(wrong(text, file));
    }
    let mut members = Vec::new();
    for member in list.split(',') {
        let member = member_of(text, member)?;
        if !members.contains(&member) {
            members.push(member);
        }
    }
    Ok(members)
}

fn member_of(text: &str, member: &str) -> Result<String, Error> {
    let (host, port) = match member.strip_prefix('[') {
        Some(rest) => {
            let closed = rest.split_once(']');
            let (inner, port) =
                closed.ok_or_else(|| wrong(text, &format!("`{member}` lacks its `]`")))?;
            if inner.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(wrong(text, &format!("`{inner}` is no IPv6 address")));
            }
            let port = match port {
                "" => None,
                port => Some(port.strip_prefix(':').ok_or_else(|| {
                    wrong(text, &format!("after `]` a port is expected, not `{port}`"))
                })?),
            };
            (format!("[{inner}]"), port)
        }
        None => match member.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err(wrong(text, "an IPv6 address stands in brackets: `[::1]:2379`"));
            }
            Some((host, port)) => (host.to_owned(), Some(port)),
            None => (member.to_owned(), None),
        },
    };
    let part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
    if host.is_empty() {
        return Err(wrong(text, "a host is missing: expected `HOST:PORT[,HOST:PORT…]`"));
    }
    if !host.starts_with('[') && !host.chars().all(part) {
        return Err(wrong(text, &format!("`{host}` is no host: expected `HOST:PORT`")));
    }
    let port = match port {
        None => PORT,
        Some(port) => match port.parse::<u16>() {
            Ok(port) if port > 0 => port,
            _ => return Err(wrong(text, &format!("`{port}` is no port from 1 to 65535"))),
        },
    };
    Ok(format!("{host}:{port}"))
}

/// Opens the store of an address. It needs a runtime for as long as it is open.
///
/// Opening etcd asks nothing of it unless a user is given, whose password is asked for then: whether it answers is told by what is asked next.
///
/// # Errors
///
/// [`Error::Address`] where the address or the options are wrong, or a file of theirs cannot be read; [`Error::Denied`] where etcd refuses the user;
/// [`Error::Unavailable`] where the store is away or another process has its file; [`Error::Damaged`] where the file is no store.
pub async fn open(address: &str, options: &OpenOptions) -> Result<AnyStore, Error> {
    let parsed = Address::parse(address)?;
    let etcd_only = [
        ("a file of certificates", options.authority.is_some()),
        ("a certificate", options.certificate.is_some()),
        ("a key", options.key.is_some()),
        ("a server's name", options.server_name.is_some()),
        ("a user", options.user.is_some()),
        ("a password", options.password_file.is_some()),
    ];
    let given = etcd_only.iter().find(|(_, given)| *given);
    match (parsed, given) {
        (Address::Memory | Address::File(_), Some((what, _))) => {
            Err(Error::Address(format!("{what} is for etcd only, and `{address}` is not in etcd")))
        }
        (Address::Memory, None) => {
            Ok(AnyStore::Memory(Memory::new(Arc::new(Monotonic::default()))))
        }
        (Address::File(path), None) => open_file(path).await,
        (Address::Etcd { members, tls }, _) => etcd(&members, tls, options).await,
    }
}

async fn open_file(path: PathBuf) -> Result<AnyStore, Error> {
    if path.is_dir() {
        let path = path.display();
        return Err(Error::Address(format!("{path} is a folder: a file in it is expected")));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder
        && !folder.is_dir()
    {
        return Err(Error::Address(format!("there is no folder {}", folder.display())));
    }
    // A file that was not closed is looked through first, which may take a while.
    let open = move || Embedded::open(&path, Arc::new(Monotonic::default()));
    let opened = tokio::task::spawn_blocking(open).await;
    opened
        .map_err(|error| Error::Unavailable(format!("opening ended early: {error}")))?
        .map(AnyStore::Embedded)
}

#[cfg(not(feature = "etcd"))]
async fn etcd(_: &[String], _: bool, _: &OpenOptions) -> Result<AnyStore, Error> {
    Err(Error::Address("this program was built without etcd (feature `etcd`)".to_owned()))
}

#[cfg(feature = "etcd")]
async fn etcd(members: &[String], tls: bool, options: &OpenOptions) -> Result<AnyStore, Error> {
    use crate::etcd::{Etcd, Options, Tls};

    let refuse = |why: &str| Error::Address(why.to_owned());
    let user = match (&options.user, &options.password_file) {
        (Some(user), Some(file)) => {
            let password = text(file, "the password")?;
            let password = password.strip_suffix('\n').unwrap_or(&password);
            let password = password.strip_suffix('\r').unwrap_or(password);
            if password.is_empty() {
                return Err(Error::Address(format!("{} holds no password", file.display())));
            }
            Some((user.clone(), password.to_owned()))
        }
        (None, None) => None,
        (Some(_), None) => return Err(refuse("a user needs a file with the password")),
        (None, Some(_)) => return Err(refuse("a password needs a user")),
    };
    let identity = match (&options.certificate, &options.key) {
        (Some(certificate), Some(key)) => Some((
            pem(certificate, "the certificate", "CERTIFICATE")?,
            pem(key, "the certificate's key", "PRIVATE KEY")?,
        )),
        (None, None) => None,
        _ => return Err(refuse("a certificate and its key go together: one is missing")),
    };
    let tls = match (tls, &options.authority) {
        (true, Some(authority)) => Some(Tls {
            authority: pem(authority, "the certificates of who signed etcd's", "CERTIFICATE")?,
            identity,
            name: options.server_name.clone(),
        }),
        (true, None) => {
            return Err(refuse(
                "`etcds` needs a file with the certificate of who signed those of etcd's members",
            ));
        }
        (false, authority) => {
            if authority.is_some() || identity.is_some() || options.server_name.is_some() {
                return Err(refuse(
                    "certificates are for `etcds://`, and the address is `etcd://`",
                ));
            }
            None
        }
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let options = Options {
        endpoints: members.iter().map(|member| format!("{scheme}://{member}")).collect(),
        prefix: String::new(),
        own: options.prefix.clone(),
        user,
        tls,
        patience: options.patience,
    };
    Ok(AnyStore::Etcd(Box::new(Etcd::connect(&options).await?)))
}

/// Reads a small file of text.
fn text(path: &Path, what: &str) -> Result<String, Error> {
    use std::io::Read;

    let failed = |why: String| Error::Address(format!("{what}: {}: {why}", path.display()));
    let file = std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut text = String::new();
    let read = file.take(LARGEST + 1).read_to_string(&mut text);
    let octets = read.map_err(|error| failed(error.to_string()))?;
    if octets as u64 > LARGEST {
        return Err(failed(format!("larger than {LARGEST} octets")));
    }
    Ok(text)
}

fn pem(path: &Path, what: &str, kind: &str) -> Result<String, Error> {
    let text = text(path, what)?;
    let begins = |line: &str| line.starts_with("-----BEGIN ") && line.contains(kind);
    if !text.lines().any(begins) {
        let path = path.display();
        return Err(Error::Address(format!("{what}: {path}: no `{kind}` in PEM is in it")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{Address, open};
    use crate::error::Error;

    fn told(text: &str) -> String {
        match Address::parse(text) {
            Err(Error::Address(why)) => why,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn etcd(members: &[&str], tls: bool) -> Address {
        let members = members.iter().map(|member| (*member).to_owned()).collect();
        Address::Etcd { members, tls }
    }

    #[test]
    fn an_address_names_one_store() {
        let parsed = |text| Address::parse(text).unwrap();
        assert_eq!(parsed("memory:"), Address::Memory);
        for text in ["file:a/b", "a/b"] {
            assert_eq!(parsed(text), Address::File("a/b".into()));
        }
        assert_eq!(parsed("file:///var/lib/net"), Address::File("/var/lib/net".into()));
        assert_eq!(parsed("/var/a:b"), Address::File("/var/a:b".into()));
        assert_eq!(parsed("etcd://one"), etcd(&["one:2379"], false));
        assert_eq!(
            parsed("etcds://10.0.0.1:1,[::1]:2,[fd00::2],10.0.0.1:1"),
            etcd(&["10.0.0.1:1", "[::1]:2", "[fd00::2]:2379"], true)
        );
    }

    #[test]
    fn a_wrong_address_is_refused_with_what_was_expected() {
        for (text, part) in [
            ("", "is empty: expected"),
            ("memory:x", "expected `memory:`"),
            ("file:", "expected `file:PATH`"),
            ("file://host/x", "on this machine"),
            ("etcd:one", "expected `etcd://HOST:PORT`"),
            ("http://one:2379", "there is no `http:`"),
            ("etcd://", "a host is missing"),
            ("etcd://one,,two", "a host is missing"),
            ("etcd://one:0", "no port"),
            ("etcd://one:x", "no port"),
            ("etcd://one/prefix", "no host"),
            ("etcd://::1:2379", "in brackets"),
            ("etcd://[::1", "lacks its `]`"),
            ("etcd://[one]:1", "no IPv6"),
            ("etcd://[::1]x", "a port is expected"),
        ] {
            assert!(told(text).contains(part), "{text}: {}", told(text));
        }
    }

    #[test]
    fn a_password_in_an_address_is_not_told_again() {
        let told = told("etcd://root:hunter2@one:2379");
        assert!(told.contains("given apart") && !told.contains("hunter2"), "{told}");
    }

    #[tokio::test]
    async fn options_that_do_not_fit_the_address_are_refused() {
        let options = super::OpenOptions::default;
        let some = || Some("/dev/null".into());
        let cases = [
            ("memory:", super::OpenOptions { key: some(), ..options() }, "for etcd only"),
            ("etcd://one", super::OpenOptions { authority: some(), ..options() }, "for `etcds://`"),
            ("etcds://one", options(), "needs a file"),
            ("etcds://one", super::OpenOptions { authority: some(), ..options() }, "PEM"),
            ("etcd://one", super::OpenOptions { key: some(), ..options() }, "go together"),
            ("etcd://one", super::OpenOptions { password_file: some(), ..options() }, "a user"),
            (
                "etcd://one",
                super::OpenOptions {
                    user: Some("u".to_owned()),
                    password_file: some(),
                    ..options()
                },
                "holds no password",
            ),
            ("/nowhere/at/all", options(), "no folder"),
            ("/tmp", options(), "is a folder"),
        ];
        for (address, options, part) in cases {
            match open(address, &options).await {
                Err(Error::Address(why)) => assert!(why.contains(part), "{address}: {why}"),
                Err(other) => panic!("{address}: {other}"),
                Ok(_) => panic!("{address} is opened"),
            }
        }
    }
}

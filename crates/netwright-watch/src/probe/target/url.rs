//! URLs, as far as targets need them.

use std::net::{IpAddr, Ipv6Addr};

use super::{Address, Host, LONGEST, Secret};

/// A URL in its parts.
#[derive(Clone, Debug)]
pub(crate) struct Url {
    pub(crate) scheme: String,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) host: Host,
    pub(crate) port: Option<u16>,
    /// From the first `/` on, with the query; `/` where there is nothing.
    pub(crate) path: String,
    /// The query of schemes whose query is ours.
    query: Vec<(String, String)>,
}

impl Url {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("a target has at most {LONGEST} octets"));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| {
            "a target begins with its scheme, such as tcp://db.internal:5432 or https://api.example/health".to_owned()
        })?;
        let scheme = scheme.to_ascii_lowercase();
        let rest = rest.split('#').next().unwrap_or_default();
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let (user, password) = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
            Some((user, "")) => (Some(decoded(user)?), None),
            Some((user, password)) => (Some(decoded(user)?), Some(Secret::new(decoded(password)?))),
            None => (None, None),
        };
        let user = user.filter(|user| !user.is_empty());
        let (host, port) = host_and_port(host)?;
        let web = matches!(scheme.as_str(), "http" | "https");
        let (own, query) = match path.split_once('?') {
            Some((path, query)) if !web => (path, parameters(query)?),
            _ => (path, Vec::new()),
        };
        let path = if own.starts_with('/') { own.to_owned() } else { format!("/{own}") };
        Ok(Self { scheme, user, password, host, port, path, query })
    }

    pub(crate) fn option(&self, name: &str) -> Option<String> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    /// Refuses parameters that mean nothing.
    pub(crate) fn only(&self, names: &[&str]) -> Result<(), String> {
        match self.query.iter().find(|(key, _)| !names.contains(&key.as_str())) {
            Some((key, _)) if names.is_empty() => {
                Err(format!("`{}://` takes no `{key}`", self.scheme))
            }
            Some((key, _)) => Err(format!(
                "`{}://` takes no `{key}`; there are {}",
                self.scheme,
                names.join(", ")
            )),
            None => Ok(()),
        }
    }

    pub(crate) fn address(&self, port: Option<u16>) -> Result<Address, String> {
        let port =
            self.port.or(port).ok_or_else(|| format!("`{}://` needs a port", self.scheme))?;
        Ok(Address { host: self.host.clone(), port })
    }

    /// Where a request goes.
    pub(crate) fn web_address(&self) -> Address {
        let usual = if self.scheme == "https" { 443 } else { 80 };
        Address { host: self.host.clone(), port: self.port.unwrap_or(usual) }
    }

    /// What a redirect leads to.
    pub(crate) fn joined(&self, location: &str) -> Result<Self, String> {
        let base = format!("{}://{}", self.scheme, self.host);
        let base = self.port.map_or_else(|| base.clone(), |port| format!("{base}:{port}"));
        let whole = if location.contains("://") {
            location.to_owned()
        } else if let Some(other) = location.strip_prefix("//") {
            format!("{}://{other}", self.scheme)
        } else if location.starts_with('/') {
            format!("{base}{location}")
        } else {
            let path = self.path.split('?').next().unwrap_or("/");
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{base}{folder}/{location}")
        };
        let url = Self::parse(&whole)?;
        let clean = url.path.bytes().all(|octet| octet > b' ' && octet != 127);
        match matches!(url.scheme.as_str(), "http" | "https") && clean {
            true => Ok(url),
            false => Err("it leads to what is no web address".to_owned()),
        }
    }
}

fn host_and_port(text: &str) -> Result<(Host, Option<u16>), String> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or("an address of IPv6 stands in brackets")?;
        let address: Ipv6Addr =
            host.parse().map_err(|_| format!("`{host}` is no address of IPv6"))?;
        let port = match port {
            "" => None,
            port => Some(port.strip_prefix(':').ok_or("after an address comes nothing or a port")?),
        };
        (Host::Address(IpAddr::V6(address)), port)
    } else {
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        (host_of(host)?, port)
    };
    let number = |port: &str| match port.parse() {
        Ok(0) | Err(_) => Err(format!("`{port}` is no port")),
        Ok(port) => Ok(port),
    };
    Ok((host, port.map(number).transpose()?))
}

fn host_of(text: &str) -> Result<Host, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Host::Address(address));
    }
    let letter = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    let labels = text.trim_end_matches('.').split('.').all(|label| (1..=63).contains(&label.len()));
    if text.is_empty() || text.len() > 253 || !labels || !text.bytes().all(letter) {
        return Err(format!("`{text}` is no name of a machine"));
    }
    Ok(Host::Name(text.trim_end_matches('.').to_ascii_lowercase()))
}

fn parameters(query: &str) -> Result<Vec<(String, String)>, String> {
    let mut found = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        found.push((decoded(key)?, decoded(&value.replace('+', " "))?));
    }
    Ok(found)
}

/// A text with its `%41` undone.
pub(crate) fn decoded(text: &str) -> Result<String, String> {
    let wrong = || "after % come two hexadecimal digits, which make UTF-8".to_owned();
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let mut digit =
            || rest.next().and_then(|octet| char::from(octet).to_digit(16)).ok_or_else(wrong);
        let value = digit()? * 16 + digit()?;
        octets.push(u8::try_from(value).map_err(|_| wrong())?);
    }
    String::from_utf8(octets).map_err(|_| wrong())
}

/// A text in which everything is written as `%41` that could mean something else in a URL.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            out.push(char::from(octet));
        } else {
            let digit = |value: u8| {
                char::from_digit(u32::from(value), 16).unwrap_or('0').to_ascii_uppercase()
            };
            out.extend(['%', digit(octet >> 4), digit(octet & 15)]);
        }
    }
    out
}

//! How this machine finds out what names stand for: its name servers, and the names that it knows by itself.

use std::net::{IpAddr, SocketAddr};

/// Most name servers, and most search domains, that are heeded: as many as the C library heeds, and more.
const MOST: usize = 6;

/// Most names of `/etc/hosts` that are kept.
const HOSTS: usize = 100_000;

/// What is known of names without asking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolver {
    /// Name servers, in the order in which they are asked.
    pub servers: Vec<SocketAddr>,
    /// Domains in which names without a dot are looked for.
    pub search: Vec<String>,
    /// Names with so many dots are asked as they are first.
    pub dots: usize,
    /// Names with their addresses.
    pub hosts: Vec<(String, IpAddr)>,
}

impl Resolver {
    /// One that asks these servers and knows nothing by itself.
    #[must_use]
    pub fn of(servers: Vec<SocketAddr>) -> Self {
        Self { servers, dots: 1, ..Self::default() }
    }

    /// This machine's, from `/etc/resolv.conf` and `/etc/hosts`; what cannot be read is empty.
    #[must_use]
    pub fn of_machine() -> Self {
        let text = |path| std::fs::read_to_string(path).unwrap_or_default();
        Self::read(&text("/etc/resolv.conf"), &text("/etc/hosts"))
    }

    /// From the texts of these two files.
    #[must_use]
    pub fn read(resolvers: &str, hosts: &str) -> Self {
        let mut found = Self { dots: 1, ..Self::default() };
        for line in resolvers.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    found.servers.extend(address.map(|address| SocketAddr::new(address, 53)));
                }
                Some("search" | "domain") => {
                    found.search = words.take(MOST).map(str::to_ascii_lowercase).collect();
                }
                Some("options") => {
                    let dots = words
                        .filter_map(|word| word.strip_prefix("ndots:"))
                        .find_map(|word| word.parse().ok());
                    found.dots = dots.unwrap_or(found.dots);
                }
                _ => {}
            }
        }
        found.servers.truncate(MOST);
        for line in hosts.lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else {
                continue;
            };
            found.hosts.extend(words.map(|name| (name.to_ascii_lowercase(), address)));
        }
        found.hosts.truncate(HOSTS);
        found
    }

    /// The address of a name that is known without asking; of two families IPv4.
    pub(crate) fn known(&self, name: &str) -> Option<IpAddr> {
        let mut of = self.hosts.iter().filter(|(own, _)| own == name).map(|(_, address)| *address);
        let first = of.next()?;
        if first.is_ipv4() { Some(first) } else { of.find(IpAddr::is_ipv4).or(Some(first)) }
    }

    /// The names that are asked for a name, in order.
    pub(crate) fn candidates(&self, name: &str) -> Vec<String> {
        let longer =
            self.search.iter().map(|domain| format!("{name}.{}", domain.trim_matches('.')));
        let own = std::iter::once(name.to_owned());
        if name.matches('.').count() >= self.dots {
            own.chain(longer).collect()
        } else {
            longer.chain(own).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_for_as_the_machines_files_say() {
        let resolvers = "# made by hand\nnameserver 10.0.0.2\nnameserver fd00::2\nsearch a.internal b.internal\noptions ndots:2 rotate\n";
        let hosts = "127.0.0.1 localhost\n::1 localhost six\n10.0.0.9 db db.internal # a database\nnonsense x\n";
        let resolver = Resolver::read(resolvers, hosts);
        assert_eq!(
            resolver.servers,
            ["10.0.0.2:53".parse().unwrap(), "[fd00::2]:53".parse().unwrap()]
        );
        assert_eq!(resolver.known("db"), Some([10, 0, 0, 9].into()));
        assert_eq!(resolver.known("localhost"), Some([127, 0, 0, 1].into()));
        assert_eq!(resolver.known("six"), Some("::1".parse().unwrap()));
        assert_eq!(resolver.known("x"), None);
        assert_eq!(resolver.candidates("api.b"), ["api.b.a.internal", "api.b.b.internal", "api.b"]);
        assert_eq!(
            resolver.candidates("api.b.c"),
            ["api.b.c", "api.b.c.a.internal", "api.b.c.b.internal"]
        );
    }
}

//! Two sources as one: what a host is to have comes from one, what who watches wants to know from the other.

use std::sync::Arc;
use std::time::Duration;

use netwright_control::agents::{Registration, Report};
use netwright_control::errands::{Errand, Ran};

use super::{Away, Mark, Source, Wanted};

/// A source, and another for errands: an agent that reads the store itself lives without a server, and only a server has errands.
pub struct Beside {
    own: Arc<dyn Source>,
    errands: Arc<dyn Source>,
}

impl Beside {
    /// Everything from `own`, but errands from `errands`.
    #[must_use]
    pub fn new(own: Arc<dyn Source>, errands: Arc<dyn Source>) -> Self {
        Self { own, errands }
    }
}

impl Source for Beside {
    fn register(&self, host: &Registration) -> Result<(), Away> {
        self.own.register(host)
    }

    fn wanted(
        &self,
        host: &str,
        known: Option<&Mark>,
        patience: Duration,
    ) -> Result<Option<Wanted>, Away> {
        self.own.wanted(host, known, patience)
    }

    fn sign(&self, host: &str, report: Option<&Report>) -> Result<(), Away> {
        self.own.sign(host, report)
    }

    fn errands(&self, host: &str, ran: Vec<Ran>, patience: Duration) -> Result<Vec<Errand>, Away> {
        self.errands.errands(host, ran, patience)
    }

    fn remove(&self, host: &str) -> Result<(), Away> {
        self.own.remove(host)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use netwright_control::agents::{Registration, Report};
    use netwright_control::errands::{Errand, Ran};

    use super::{Away, Beside, Mark, Source, Wanted};

    /// One that refuses everything, by its name.
    struct Named(&'static str);

    impl Named {
        fn no<T>(&self) -> Result<T, Away> {
            Err(Away::Refused(self.0.to_owned()))
        }
    }

    impl Source for Named {
        fn register(&self, _: &Registration) -> Result<(), Away> {
            self.no()
        }
        fn wanted(&self, _: &str, _: Option<&Mark>, _: Duration) -> Result<Option<Wanted>, Away> {
            self.no()
        }
        fn sign(&self, _: &str, _: Option<&Report>) -> Result<(), Away> {
            self.no()
        }
        fn errands(&self, _: &str, _: Vec<Ran>, _: Duration) -> Result<Vec<Errand>, Away> {
            self.no()
        }
        fn remove(&self, _: &str) -> Result<(), Away> {
            self.no()
        }
    }

    #[test]
    fn errands_come_from_the_one_and_all_else_from_the_other() {
        let both = Beside::new(Arc::new(Named("store")), Arc::new(Named("server")));
        let said = |away: Option<Away>| away.map(|away| away.to_string());
        let (soon, host) = (Duration::ZERO, "h");
        let registration = Registration {
            host: host.to_owned(),
            underlay: std::net::Ipv4Addr::LOCALHOST,
            labels: Default::default(),
        };
        assert_eq!(said(both.errands(host, Vec::new(), soon).err()).as_deref(), Some("server"));
        for away in [
            both.register(&registration).err(),
            both.wanted(host, None, soon).err(),
            both.sign(host, None).err(),
            both.remove(host).err(),
        ] {
            assert_eq!(said(away).as_deref(), Some("store"));
        }
    }
}

//! `netwright monitoring`: rules and targets for Prometheus, a dashboard for Grafana, from a description.

use netwright_model::language::ActiveProbe;
use netwright_watch::alert;
use netwright_watch::intents::{Place, probes};
use netwright_watch::monitoring::{Scraped, dashboard, rules, scrape};

use crate::arguments::{Artefact, Monitoring};
use crate::console::{Code, Console};
use crate::failure::Failure;
use crate::network::{Input, open};

pub(super) fn run(arguments: &Monitoring, console: &mut Console) -> Result<Code, Failure> {
    let input = open(&arguments.file)?;
    let description = &input.network.description;
    match arguments.artefact {
        Artefact::Rules => console.write(&rules(&alert::rules(description))),
        Artefact::Dashboard => {
            let name = description.name.as_ref().map(|name| name.value.clone());
            let file = || arguments.file.display().to_string();
            console.json(&dashboard(&name.unwrap_or_else(file)));
        }
        Artefact::Scrape => {
            let scraped = scraped(&input, console)?;
            let station = arguments.station.as_deref();
            console.write(&scrape(&scraped, (&arguments.exporter, station), arguments.every));
        }
    }
    Ok(Code::Pass)
}

/// The probes that an exporter can ask from where it runs; the others are told.
fn scraped(input: &Input, console: &mut Console) -> Result<Vec<Scraped>, Failure> {
    let made = probes(&input.network).map_err(|errors| input.wrong_probes(errors))?;
    let written = &input.network.description.probes;
    let mut scraped = Vec::new();
    for placed in made.all {
        let probe = written.iter().find(|(name, _)| !placed.intent && name.value == placed.name);
        let target = probe.and_then(|(_, probe)| probe.target.as_ref().map(|to| (probe, to)));
        let why = match target {
            _ if placed.from != Place::Here => "it is asked from inside the network",
            None => "it has steps",
            Some(_) if placed.spec.must_fail => "it must not answer",
            Some((_, to)) if holds_password(&to.value) => "its target holds a password",
            Some((probe, _)) if says_more(probe) => "it says more than its target",
            Some((_, to)) => {
                scraped.push(Scraped { name: placed.name, target: to.value.clone() });
                continue;
            }
        };
        console.error(&format!(
            "note: {} is not scraped: {why}; `netwright watch` asks it\n",
            placed.name
        ));
    }
    Ok(scraped)
}

/// Whether a target has a password before its host.
fn holds_password(target: &str) -> bool {
    let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    rest[..end].rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

/// Whether a probe has a method, a body or expectations: what asks for it by its target alone knows nothing of them.
fn says_more(probe: &ActiveProbe) -> bool {
    let answer = &probe.answer;
    let expects = [&answer.status, &answer.contains, &answer.matches, &answer.headers];
    probe.method.is_some()
        || probe.data.is_some()
        || !probe.headers.is_empty()
        || !probe.source_address.is_empty()
        || expects.iter().any(|expected| !expected.is_empty())
}

#[cfg(test)]
mod tests {
    use super::holds_password;

    #[test]
    fn a_password_is_found_before_the_host_and_nowhere_else() {
        assert!(holds_password("postgres://app:secret@db/shop"));
        assert!(holds_password("redis://:secret@cache"));
        for fine in [
            "postgres://app@db/shop",
            "https://a/b:c@d",
            "tcp://10.0.0.1:5432",
            "dns://a@10.0.0.1:53",
        ] {
            assert!(!holds_password(fine), "{fine}");
        }
    }
}

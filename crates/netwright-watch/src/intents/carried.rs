//! A probe as a text that is read elsewhere: what an agent is told to ask from a machine that its host has.
//!
//! The text is a description that holds this one probe, so that it means to whoever reads it what it means here. Who asks from there has neither the
//! network nor the files of whoever watches: what a probe needs of those is not carried, and the reason is told.

use netwright_model::language::{ActiveProbe, Description, is_secret_header};
use netwright_model::network::Network;
use netwright_model::scalar;
use netwright_model::source::{Sources, Spanned};
use netwright_model::{parse_description, to_yaml};

use super::{Placed, written};
use crate::probe::target::{Spec, Target};

/// Longest text of a probe, in octets.
pub const LONGEST: usize = 4_096;

/// A probe's text.
///
/// # Errors
///
/// Why it is not carried. `authorities` says that certificates are believed by a file that only this machine has.
pub fn carried(network: &Network, placed: &Placed, authorities: bool) -> Result<String, String> {
    let probe = if placed.intent { of_intent(&placed.spec) } else { of_probe(network, placed)? };
    if secret(&probe) {
        return Err("it holds a password, which is not sent to hosts".to_owned());
    }
    if authorities && over_tls(&placed.spec.target) {
        return Err("the authorities of --ca are not sent to hosts".to_owned());
    }
    let mut description = Description::default();
    description.probes.insert(Spanned::bare(placed.name.clone()), probe);
    let text = to_yaml(&description, "");
    if text.len() > LONGEST {
        return Err(format!("it is written in more than {LONGEST} octets"));
    }
    Ok(text)
}

/// What a text asks.
///
/// # Errors
///
/// It is none of a probe.
pub fn read(text: &str) -> Result<Spec, String> {
    if text.len() > LONGEST {
        return Err(format!("a probe is written in at most {LONGEST} octets"));
    }
    let wrong = |all: Vec<netwright_model::diagnostic::Diagnostic>| {
        all.first().map_or_else(String::new, |first| first.message.clone())
    };
    let description = parse_description("probe", text, &mut Sources::default()).map_err(wrong)?;
    let (name, probe) = description.probes.iter().next().ok_or("there is no probe in it")?;
    written::spec(name, probe).map_err(|(_, why)| why)
}

fn of_intent(spec: &Spec) -> ActiveProbe {
    let within = spec.within.map(|within| {
        let milliseconds = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        Spanned::bare(scalar::Duration::from_millis(milliseconds))
    });
    ActiveProbe {
        target: Some(Spanned::bare(spec.target.to_string())),
        must_not_answer: spec.must_fail.then_some(Spanned::bare(true)),
        within,
        source_address: spec.sources.iter().copied().map(Spanned::bare).collect(),
        ..ActiveProbe::default()
    }
}

/// A probe as it was written, without what only whoever watches needs of it.
fn of_probe(network: &Network, placed: &Placed) -> Result<ActiveProbe, String> {
    let written = network.description.probes.get(&placed.name);
    let written = written.ok_or("it is no more in the description")?;
    Ok(ActiveProbe {
        from: Vec::new(),
        every: None,
        healthy_threshold: None,
        unhealthy_threshold: None,
        initial_delay: None,
        depends_on: Vec::new(),
        ..written.clone()
    })
}

fn secret(probe: &ActiveProbe) -> bool {
    let password = |target: &Option<Spanned<String>>| {
        let text = target.as_ref().map(|target| target.value.as_str()).unwrap_or_default();
        let rest = text.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        user.is_some_and(|user| user.contains(':'))
    };
    let header = |header: &Spanned<String>| {
        is_secret_header(header.value.split(':').next().unwrap_or_default())
    };
    let step = |(_, step): &(Spanned<String>, netwright_model::language::ProbeStep)| {
        password(&step.target) || step.headers.iter().any(header)
    };
    password(&probe.target) || probe.headers.iter().any(header) || probe.steps.iter().any(step)
}

fn over_tls(target: &Target) -> bool {
    match target {
        Target::Tls(_) => true,
        Target::Http(http) => http.over_tls(),
        Target::Postgres(to) | Target::Redis(to) => to.tls.is_some(),
        Target::Path(steps) => steps.iter().any(|step| step.target.starts_with("https:")),
        Target::Tcp(_) | Target::Dns(_) | Target::Icmp(_) => false,
    }
}

#[cfg(test)]
mod tests;

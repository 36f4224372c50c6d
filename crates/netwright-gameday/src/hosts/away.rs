//! Activities that come from an endpoint: asked from its machine, by the agent of its host, as what somebody watches is.

use std::time::Duration;

use netwright_model::language::{ActiveProbe, Description, is_secret_header};
use netwright_model::scalar;
use netwright_model::source::Spanned;
use netwright_model::to_yaml;
use netwright_model::tree::Node;

use crate::language::{Experiment, Provider, Step};
use crate::load::unable;
use crate::run::Setting;
use crate::run::activity::{self, Content, Did, Found};
use crate::run::request;

/// The longest that agents ask.
const LONGEST: Duration = Duration::from_secs(30);

/// What is asked from an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Away {
    /// The machine that it is asked from, as `instance/web`.
    pub place: String,
    /// What is asked: a description with one probe.
    pub probe: String,
    /// How long asking may take.
    pub time_out: Duration,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Whether it was answered; none where nothing is known of that.
    pub answered: Option<bool>,
    /// The status of an answer over HTTP.
    pub status: Option<u16>,
    /// How it failed, or why nothing is known.
    pub why: String,
}

/// The endpoint that an activity is done from, where it is not done from this machine.
pub(super) fn from<'s>(step: &'s Step, experiment: &'s Experiment) -> Option<&'s Spanned<String>> {
    let provider = step.provider.as_ref()?;
    let own = provider.from.as_ref();
    if provider.r#type.value == "process" { own } else { request::origin(experiment, own) }
}

/// Why an activity is not done from an endpoint of a live network, where that is so.
pub(super) fn refused(step: &Step) -> Option<String> {
    let provider = step.provider.as_ref()?;
    if let Some(why) = unable(step) {
        return Some(why);
    }
    if provider.r#type.value == "process" {
        return Some("no program is run on hosts".to_owned());
    }
    if request::headers(&provider.headers).iter().any(|(name, _)| is_secret_header(name)) {
        return Some("a header holds what hosts may not know".to_owned());
    }
    let secure = |url: &Spanned<String>| request::parts(&url.value).is_ok_and(|url| url.secure);
    if provider.url.as_ref().is_some_and(secure) {
        return Some("hosts ask over HTTP without TLS".to_owned());
    }
    if !provider.expected_status.0.is_null() {
        return Some("the status that it expects is its `tolerance`".to_owned());
    }
    let tolerance = &step.tolerance.0;
    (!is_of_status(tolerance)).then(|| "only the status of an answer is told by hosts".to_owned())
}

/// Whether a tolerance asks for no more than a status.
fn is_of_status(tolerance: &Node) -> bool {
    let one = |node: &Node| node.as_bool().is_some() || node.as_i64().is_some();
    let items = tolerance.items();
    tolerance.is_null() || one(tolerance) || (!items.is_empty() && items.iter().all(one))
}

/// What an activity asks from an endpoint.
pub(super) fn asked(setting: &Setting<'_>, step: &Step, from: &str) -> Result<Away, String> {
    let provider = step.provider.as_ref().ok_or("it does nothing")?;
    let place = request::namespace(setting, from)?;
    let time_out = activity::patience(provider).min(LONGEST);
    let milliseconds = u64::try_from(time_out.as_millis()).unwrap_or(u64::MAX);
    let probe = ActiveProbe {
        timeout: Some(Spanned::bare(scalar::Duration::from_millis(milliseconds))),
        ..match provider.r#type.value.as_str() {
            "tcp" => tcp(setting, provider)?,
            _ => http(setting, provider)?,
        }
    };
    let mut description = Description::default();
    description.probes.insert(Spanned::bare("activity".to_owned()), probe);
    Ok(Away { place, probe: to_yaml(&description, ""), time_out })
}

fn target(text: String) -> ActiveProbe {
    ActiveProbe { target: Some(Spanned::bare(text)), ..ActiveProbe::default() }
}

fn tcp(setting: &Setting<'_>, provider: &Provider) -> Result<ActiveProbe, String> {
    Ok(target(format!("tcp://{}", activity::tcp_target(setting, provider)?)))
}

fn http(setting: &Setting<'_>, provider: &Provider) -> Result<ActiveProbe, String> {
    let url = provider.url.as_ref().ok_or("an http provider needs `url`")?;
    let request::Url { host, port, path, .. } = request::parts(&url.value)?;
    let to = request::address(setting, &host, port)?;
    let Content { path, fields, body } = Content::of(provider, path);
    let field = |(name, value): (String, String)| Spanned::bare(format!("{name}: {value}"));
    Ok(ActiveProbe {
        method: provider.method.clone(),
        headers: fields.into_iter().map(field).collect(),
        data: body.map(Spanned::bare),
        ..target(format!("http://{to}{path}"))
    })
}

/// What came of an activity, of what an agent said.
pub(super) fn did(step: &Step, said: Result<Said, String>) -> Did {
    let said = match said {
        Ok(said) => said,
        Err(why) => return Did { fine: None, output: why },
    };
    match (said.status, said.answered) {
        // What is wanted of a status is said here.
        (Some(status), _) => {
            let body = String::new();
            activity::judged(step, Ok(Found { status: status.into(), body }))
        }
        (None, Some(true)) => {
            activity::judged(step, Ok(Found { status: 0, body: "connected".to_owned() }))
        }
        (None, Some(false)) => activity::judged(step, Err(said.why)),
        (None, None) => Did { fine: None, output: said.why },
    }
}

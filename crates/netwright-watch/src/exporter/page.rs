//! An outcome as metrics.

use std::fmt::Write;

use crate::probe::outcome::{HttpSeen, Outcome, PhaseName, TlsSeen, Verdict};
use crate::probe::target::Target;

/// A page that grows.
struct Page(String);

impl Page {
    /// A metric with its meaning and values.
    fn gauge(&mut self, name: &str, help: &str, values: &[(&str, f64)]) {
        if values.is_empty() {
            return;
        }
        let _never_fails = write!(self.0, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for (labels, value) in values {
            let _never_fails = writeln!(self.0, "{name}{labels} {value}");
        }
    }

    fn one(&mut self, name: &str, help: &str, value: f64) {
        self.gauge(name, help, &[("", value)]);
    }
}

/// The metrics of an outcome, in Prometheus' text form.
#[must_use]
pub fn page(target: &Target, outcome: &Outcome) -> String {
    let mut page = Page(String::new());
    let seconds = |name| outcome.phase(name).map_or(0.0, |took| took.as_secs_f64());
    page.one(
        "probe_dns_lookup_time_seconds",
        "Returns the time taken for probe dns lookup in seconds",
        seconds(PhaseName::Name),
    );
    page.one(
        "probe_duration_seconds",
        "Returns how long the probe took to complete in seconds",
        outcome.took.as_secs_f64(),
    );
    let unknown = matches!(outcome.verdict, Verdict::Unknown { .. });
    page.one("netwright_probe_unknown", "Whether nothing was learnt of the target", flag(unknown));
    if let Verdict::Failed(failure) = &outcome.verdict {
        let labels = format!("{{kind=\"{}\"}}", failure.kind.name());
        page.gauge("netwright_probe_failure_info", "What went wrong", &[(&labels, 1.0)]);
    }
    let all: Vec<(String, f64)> = outcome
        .phases
        .iter()
        .map(|phase| (format!("{{phase=\"{}\"}}", phase.name), seconds(phase.name)))
        .collect();
    let mut values: Vec<(&str, f64)> =
        all.iter().map(|(labels, value)| (labels.as_str(), *value)).collect();
    values.sort_by(|one, other| one.0.cmp(other.0));
    values.dedup_by(|one, other| one.0 == other.0);
    page.gauge("netwright_probe_phase_seconds", "How long each phase took", &values);
    if let Some(peer) = outcome.peer {
        let version = if peer.is_ipv4() { 4.0 } else { 6.0 };
        page.one("probe_ip_protocol", "Specifies whether probe ip protocol is IP4 or IP6", version);
    }
    if let Some(http) = &outcome.seen.http {
        of_http(&mut page, target, outcome, http);
    }
    if let Some(tls) = &outcome.seen.tls {
        of_tls(&mut page, tls);
    }
    if matches!(target, Target::Icmp(_)) {
        let phases = [
            ("{phase=\"resolve\"}", seconds(PhaseName::Name)),
            ("{phase=\"rtt\"}", seconds(PhaseName::Echo)),
            ("{phase=\"setup\"}", 0.0),
        ];
        page.gauge("probe_icmp_duration_seconds", "Duration of icmp request by phase", &phases);
    }
    if matches!(target, Target::Dns(_)) {
        let phases = [("{phase=\"request\"}", seconds(PhaseName::Query))];
        page.gauge("probe_dns_duration_seconds", "Duration of DNS request by phase", &phases);
    }
    page.one(
        "probe_success",
        "Displays whether or not the probe was a success",
        flag(outcome.passed()),
    );
    page.0
}

/// The same in OpenMetrics, which names a family of counters without the `_total` of its values, and has an end.
#[must_use]
pub fn open_metrics(text: &str) -> String {
    let counters: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut out = String::with_capacity(text.len() + 8);
    for line in text.lines() {
        let family = ["# HELP ", "# TYPE "].iter().find_map(|words| {
            let (name, rest) = line.strip_prefix(words)?.split_once(' ')?;
            let short = name.strip_suffix("_total").filter(|_| counters.contains(&name))?;
            Some(format!("{words}{short} {rest}"))
        });
        out.push_str(family.as_deref().unwrap_or(line));
        out.push('\n');
    }
    out + "# EOF\n"
}

fn of_http(page: &mut Page, target: &Target, outcome: &Outcome, http: &HttpSeen) {
    let seconds = |name| outcome.phase(name).map_or(0.0, |took| took.as_secs_f64());
    let phases = [
        ("{phase=\"connect\"}", seconds(PhaseName::Connect)),
        ("{phase=\"processing\"}", seconds(PhaseName::FirstOctet)),
        ("{phase=\"resolve\"}", seconds(PhaseName::Name)),
        ("{phase=\"tls\"}", seconds(PhaseName::Tls)),
        ("{phase=\"transfer\"}", seconds(PhaseName::Body)),
    ];
    page.gauge(
        "probe_http_duration_seconds",
        "Duration of http request by phase, summed over all redirects",
        &phases,
    );
    page.one("probe_http_status_code", "Response HTTP status code", f64::from(http.status));
    page.one(
        "probe_http_version",
        "Returns the version of HTTP of the probe response",
        http.version.parse().unwrap_or(0.0),
    );
    page.one("probe_http_redirects", "The number of redirects", f64::from(http.redirects));
    let length = http.content_length.map_or(-1.0, crate::load::report::exact);
    page.one("probe_http_content_length", "Length of http content response", length);
    let length = crate::load::report::exact(http.body_length);
    page.one("probe_http_uncompressed_body_length", "Length of uncompressed response body", length);
    page.one(
        "probe_http_ssl",
        "Indicates if SSL was used for the final redirect",
        flag(target.scheme() == "https"),
    );
    let by_text = outcome.failure().is_some_and(|failure| failure.kind.name() == "body_mismatch");
    page.one("probe_failed_due_to_regex", "Indicates if probe failed due to regex", flag(by_text));
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
fn of_tls(page: &mut Page, tls: &TlsSeen) {
    if let Some(end) = tls.earliest_expiry {
        page.one(
            "probe_ssl_earliest_cert_expiry",
            "Returns last SSL chain expiry in unixtime",
            end.as_second() as f64,
        );
    }
    if let Some(own) = tls.chain.first() {
        let labels = format!(
            "{{issuer=\"{}\",serialnumber=\"{}\",subject=\"{}\",subjectalternative=\"{}\"}}",
            escaped(&own.issuer),
            escaped(&own.serial),
            escaped(&own.subject),
            escaped(&own.names.join(","))
        );
        page.gauge(
            "probe_ssl_last_chain_info",
            "Contains SSL leaf certificate information",
            &[(&labels, 1.0)],
        );
    }
    if !tls.version.is_empty() {
        let labels =
            format!("{{version=\"{}\"}}", tls.version.replace("TLSv", "TLS ").replace('_', "."));
        page.gauge(
            "probe_tls_version_info",
            "Returns the TLS version used or NaN when unknown",
            &[(&labels, 1.0)],
        );
    }
}

const fn flag(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

/// A text as the value of a label.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            letter => out.push(letter),
        }
    }
    out
}

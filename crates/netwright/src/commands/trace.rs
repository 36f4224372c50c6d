//! `netwright trace`.

pub(crate) mod behind;
mod names;

use netwright_model::network::Network;
use netwright_model::scalar::Service;
use netwright_model::source::{Sources, Span};
use netwright_verify::ask::{Point, flows_between, packet_of, set_of};
use netwright_verify::balancer::{self, Beyond};
use netwright_verify::mtu::path::{Larger, PathMtu, of as path_mtu};
use netwright_verify::prover::Prover;
use netwright_verify::prover::policy::Layer4;
use netwright_verify::question::{Partly, Questions, sides};
use netwright_verify::space::show;
use netwright_verify::trace::{
    Direction, Flow, Hop, HopKind, Trace as Traced, Verdict, hops, sources_words,
};
use serde_json::{Value, json};

use crate::arguments::{DrawnFormat, Trace};
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::network::{Input, open};
use crate::picture::flow;

pub(super) fn run(arguments: &Trace, console: &mut Console) -> Result<Code, Failure> {
    let input = open(&arguments.file)?;
    let network = &input.network;
    let from_text = arguments.from.as_ref().or(arguments.from_option.as_ref());
    let to_text = arguments.to.as_ref().or(arguments.to_option.as_ref());
    let (Some(from_text), Some(to_text)) = (from_text, to_text) else {
        return Err(Failure::usage("a trace needs where it starts and where it goes", None));
    };
    let from = names::source(network, from_text, arguments.from_address)?;
    let (to, resolution) = names::destination(network, &from, to_text, arguments)?;
    if let Some(resolution) = resolution.as_ref().filter(|_| to.is_empty()) {
        let ends = (from_text.as_str(), to_text.as_str());
        return names::unresolved(console, &input, resolution, ends, arguments.format);
    }
    let packet = packet(arguments)?;
    let pairs = from.iter().flat_map(|source| to.iter().map(move |to| (source, to)));
    let flows: Vec<Flow> =
        pairs.flat_map(|(source, to)| flows_between(source, to, packet)).collect();
    let mut prover = Prover::new(network);
    let Some((trace, beyond)) = prover.best_whole(&flows) else {
        let message =
            format!("there is no address of one family at both `{from_text}` and `{to_text}`");
        return Err(Failure::usage(message, None));
    };
    let verdict = beyond.as_ref().map_or(trace.verdict, |beyond| beyond.verdict);
    let elsewhere = partly(&mut prover, (from, to), packet, verdict);
    let passes = passes(&mut prover, &trace, beyond.as_ref());
    let told = Told { trace, beyond, passes, elsewhere };
    match arguments.format {
        DrawnFormat::Text => {
            let ends = (from_text.as_str(), to_text.as_str());
            text(console, &input, &told, ends);
            if let Some(resolution) = &resolution {
                names::text(console, &input.sources, resolution);
            }
        }
        DrawnFormat::Json => {
            let mut document = document(&input, &told);
            if let Some(resolution) = &resolution {
                document["resolution"] = names::document(&input.sources, resolution);
            }
            console.json(&document);
        }
        DrawnFormat::Svg => {
            let service = service_words(told.trace.flow.packet);
            let words = (from_text.as_str(), to_text.as_str(), service.as_str());
            console.write(&flow::svg(
                network,
                &input.sources,
                (&told.trace, told.beyond.as_ref()),
                words,
            ));
        }
        DrawnFormat::Dot => {
            let name = format!("{from_text} → {to_text}");
            console.write(&flow::dot(
                network,
                &input.sources,
                (&told.trace, told.beyond.as_ref()),
                &name,
            ));
        }
    }
    Ok(match verdict {
        Verdict::Reachable => Code::Pass,
        Verdict::Blocked | Verdict::NoReturn | Verdict::Unresolved => Code::Fail,
        Verdict::Unknown => Code::Unknown,
    })
}

/// What passes both ways, in words, where everything was asked.
fn passes(prover: &mut Prover<'_>, trace: &Traced, beyond: Option<&Beyond>) -> Option<String> {
    match beyond {
        Some(beyond) => balancer::passes(prover, trace, beyond),
        None => trace.flows.map(|flows| show::layer4(&mut prover.space, flows.reachable())),
    }
}

/// What is told of a flow.
struct Told {
    trace: Traced,
    /// What stands behind the balancer that it goes to.
    beyond: Option<Beyond>,
    passes: Option<String>,
    elsewhere: Option<Elsewhere>,
}

impl Told {
    fn verdict(&self) -> Verdict {
        self.beyond.as_ref().map_or(self.trace.verdict, |beyond| beyond.verdict)
    }
}

/// What is otherwise between other addresses of the two ends than between those that are followed.
struct Elsewhere {
    partly: Partly,
    why: String,
}

/// Whether what works does so from and to every address that could be used.
fn partly(
    prover: &mut Prover<'_>,
    (from, to): (Vec<Point>, Vec<Point>),
    packet: Option<Layer4>,
    verdict: Verdict,
) -> Option<Elsewhere> {
    if verdict != Verdict::Reachable {
        return None;
    }
    let network = prover.network;
    let questions = Questions::of(network);
    for from in sides(network, from) {
        for to in sides(network, to.clone()) {
            let question = questions.between(prover, &from, &to, Service::Any);
            let survey = question.follow(prover, packet);
            if let (Some(partly), Some(finding)) = (survey.partly, survey.finding) {
                return Some(Elsewhere { partly, why: finding.why });
            }
        }
    }
    None
}

fn partly_json(elsewhere: Option<&Elsewhere>) -> Value {
    elsewhere.map_or(Value::Null, |Elsewhere { partly, why }| {
        json!({ "works": partly.works, "fails": partly.fails, "surely": partly.surely, "why": why })
    })
}

/// The packet that was asked for; none for everything.
fn packet(arguments: &Trace) -> Result<Option<Layer4>, Failure> {
    if let Some((kind, code)) = arguments.icmp {
        let service = Service::Icmp { protocol: 1, kind: Some(kind), code: Some(code) };
        return Ok(packet_of(service, None));
    }
    if let Some(protocol) = arguments.protocol {
        return Ok(Some(Layer4 {
            protocol,
            src_port: arguments.source_port.unwrap_or(0),
            dst_port: 0,
        }));
    }
    match arguments.port {
        None | Some(Service::Any) => Ok(None),
        Some(service) => match packet_of(service, arguments.source_port) {
            Some(packet) => Ok(Some(packet)),
            None => Err(Failure::usage(
                format!("`{service}` stands for several ports; a trace follows one"),
                Some(
                    "name one port, or leave `--port` out to see everything that passes".to_owned(),
                ),
            )),
        },
    }
}

fn words(verdict: Verdict) -> (&'static str, Style) {
    match verdict {
        Verdict::Reachable => ("reachable", Style::Good),
        Verdict::Blocked => ("blocked", Style::Bad),
        Verdict::NoReturn => ("no return", Style::Bad),
        Verdict::Unresolved => ("unresolved", Style::Bad),
        Verdict::Unknown => ("unknown", Style::Doubt),
    }
}

fn service_words(packet: Option<Layer4>) -> String {
    match packet {
        None => "everything".to_owned(),
        Some(packet) => match packet.protocol {
            6 | 17 | 33 | 132 | 136 => {
                let name = netwright_model::scalar::protocol_name(packet.protocol);
                format!("{name}/{} from port {}", packet.dst_port, packet.src_port)
            }
            1 | 58 => format!(
                "{} type {} code {}",
                netwright_model::scalar::protocol_name(packet.protocol),
                packet.src_port,
                packet.dst_port
            ),
            other => format!("protocol {}", netwright_model::scalar::protocol_name(other)),
        },
    }
}

fn place(sources: &Sources, span: Span) -> String {
    sources.location(span).map_or_else(String::new, |place| place.to_string())
}

fn text(console: &mut Console, input: &Input, told: &Told, (from, to): (&str, &str)) {
    let Told { trace, beyond, passes, elsewhere } = told;
    let (word, style) = words(told.verdict());
    let service = service_words(trace.flow.packet);
    let head = console.styled(style, word);
    console.line(&format!("{head}: {from} → {to}, {service}"));
    if let Some(passes) = passes {
        console.line(&format!("  passes both ways: {passes}"));
    }
    let network = &input.network;
    for blocker in trace.blockers(network) {
        let why = console.styled(style, "because");
        let at = blocker.rule.as_ref().map_or(blocker.span, |rule| rule.span);
        console.line(&format!("  {why} {}", blocker.text));
        let at = place(&input.sources, at);
        if !at.is_empty() {
            console.line(&console.styled(Style::Dim, &format!("      {at}")));
        }
    }
    if trace.verdict == Verdict::Reachable {
        let seen = sources_words(&trace.sources_seen(network));
        let who = if beyond.is_some() { "balancer" } else { "destination" };
        console.line(&format!("  the {who} sees {seen}"));
    }
    if let Some(beyond) = beyond {
        behind::summary(console, input, beyond);
    }
    if let Some(Elsewhere { partly, why }) = elsewhere {
        let style = if partly.surely { Style::Bad } else { Style::Doubt };
        let line = format!("  {}: {why}", partly.sentence());
        console.line(&console.styled(style, &line));
    }
    sizes(console, input, trace);
    let (src, dst) = (sender(trace.flow.src), trace.flow.dst);
    console.line(&console.styled(Style::Strong, &format!("\nforward  {src} → {dst}")));
    list(console, input, &hops(network, &trace.forward));
    if let Some(back) = &trace.back {
        let (src, dst) = (back.path.sent_from, back.path.sent_to);
        console.line(&console.styled(Style::Strong, &format!("\nback     {src} → {dst}")));
        list(console, input, &hops(network, back));
    }
    if let Some(beyond) = beyond {
        behind::text(console, input, beyond);
    }
}

/// The largest packet of each direction, where something on the way carries less than the sender's own network.
fn sizes(console: &mut Console, input: &Input, trace: &Traced) {
    if trace.verdict != Verdict::Reachable {
        return;
    }
    let directions = [("requests", Some(&trace.forward)), ("answers", trace.back.as_ref())];
    let mut told: Vec<(&str, PathMtu)> = Vec::new();
    for (word, direction) in directions {
        let Some(direction) = direction else { continue };
        let found = path_mtu(&input.network, &direction.path);
        if found.narrows()
            && !told.iter().any(|(_, known)| known.octets == found.octets && known.at == found.at)
        {
            told.push((word, found));
        }
    }
    for (word, found) in told {
        let line = match found.octets {
            Some(octets) => format!(
                "  {word} of up to {octets} octets pass {}; {}",
                found.at,
                found.larger.sentence()
            ),
            None => format!("  what size of {word} passes {} is not described", found.at),
        };
        let style = match found.larger {
            Larger::Told => Style::Dim,
            Larger::Lost => Style::Bad,
            Larger::OnlyTcpFits | Larger::Unknown => Style::Doubt,
        };
        console.line(&console.styled(style, &line));
    }
}

fn size_json(input: &Input, direction: &Direction) -> Value {
    let found = path_mtu(&input.network, &direction.path);
    json!({
        "octets": found.octets,
        "limited_by": found.at,
        "larger": if found.narrows() { found.larger.word() } else { "not_sent" },
        "at": place_json(&input.sources, found.span),
    })
}

/// A source address; a serverless service's own is not known before its packet has left.
pub(crate) fn sender(address: std::net::IpAddr) -> String {
    if address.is_unspecified() { "its platform".to_owned() } else { address.to_string() }
}

pub(super) fn list(console: &mut Console, input: &Input, hops: &[Hop]) {
    for (index, hop) in hops.iter().enumerate() {
        let mark = match hop.passed {
            Some(true) => " ",
            Some(false) => "✗",
            None => "?",
        };
        let what = match hop.kind {
            HopKind::At => {
                let id = hop.ids.first().filter(|id| **id != hop.name);
                let id = id.map_or_else(String::new, |id| format!(" ({id})"));
                format!("{} {}{id}", hop.object.replace('_', " "), hop.name)
            }
            HopKind::Route => format!("  route {} in {}", hop.text, hop.name),
            HopKind::Filter | HopKind::Translate => format!("  {}", hop.text),
            HopKind::End => hop.text.clone(),
        };
        let at = hop.rule.as_ref().map_or(hop.span, |rule| rule.span);
        let at = place(&input.sources, at);
        let line = format!("{:>3} {mark} {what}", index + 1);
        let line = match hop.passed {
            Some(true) => line,
            Some(false) => console.styled(Style::Bad, &line),
            None => console.styled(Style::Doubt, &line),
        };
        let at = if at.is_empty() { at } else { console.styled(Style::Dim, &format!("  {at}")) };
        console.line(&format!("{line}{at}"));
    }
}

fn place_json(sources: &Sources, span: Span) -> Value {
    sources.location(span).map_or(Value::Null, |place| {
        json!({ "file": place.path.display().to_string(), "line": place.line, "column": place.column })
    })
}

pub(super) fn hop_json(sources: &Sources, hop: &Hop) -> Value {
    json!({
        "kind": hop.kind.word(),
        "object": hop.object,
        "name": hop.name,
        "id": hop.ids.first(),
        "ids": hop.ids,
        "text": hop.text,
        "passed": hop.passed,
        "rule": hop.rule.as_ref().map(|rule| json!({
            "filter": rule.filter,
            "filter_id": rule.filter_id,
            "rule": rule.rule,
            "place": place_json(sources, rule.span),
        })),
        "place": place_json(sources, hop.span),
    })
}

fn document(input: &Input, told: &Told) -> Value {
    let Told { trace, beyond, passes, elsewhere } = told;
    let network: &Network = &input.network;
    let all = |hops: Vec<Hop>| -> Vec<Value> {
        hops.iter().map(|hop| hop_json(&input.sources, hop)).collect()
    };
    let blockers = trace.blockers(network);
    let reason = blockers.first().map(|hop| hop.text.clone());
    let reason = reason.or_else(|| beyond.as_ref()?.why.clone());
    let flow = &trace.flow;
    json!({
        "version": 1,
        "verdict": told.verdict().word(),
        "reason": reason,
        "flow": {
            "source": flow.src.to_string(),
            "destination": flow.dst.to_string(),
            "protocol": flow.packet.map(|packet| packet.protocol),
            "source_port": flow.packet.map(|packet| packet.src_port),
            "destination_port": flow.packet.map(|packet| packet.dst_port),
        },
        "passes": passes,
        "mtu": {
            "request": size_json(input, &trace.forward),
            "answer": trace.back.as_ref().map(|back| size_json(input, back)),
        },
        "source_seen": trace.source_seen(),
        "sources_seen": trace.sources_seen(network),
        "blockers": all(blockers),
        "forward": { "hops": all(hops(network, &trace.forward)) },
        "return": trace.back.as_ref().map(|back| json!({ "hops": all(hops(network, back)) })),
        "partly": partly_json(elsewhere.as_ref()),
        "balancer": beyond.as_ref().map(|found| behind::document(input, found, trace.verdict)),
    })
}

/// The part of a set that a service asks for, in words; none when nothing of it passes.
pub(super) fn part(
    prover: &mut Prover<'_>,
    set: netwright_verify::space::Set,
    service: Option<Service>,
) -> Option<String> {
    let set = match service {
        None => set,
        Some(service) => {
            let asked = set_of(&mut prover.space, service);
            prover.space.and(set, asked)
        }
    };
    (!set.is_empty()).then(|| show::layer4(&mut prover.space, set))
}

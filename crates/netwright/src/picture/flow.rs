//! One flow as a picture: the request down the left side, its answer up the right.

use netwright_model::network::Network;
use netwright_model::source::{Sources, Span};
use netwright_verify::balancer::{Behind, Beyond};
use netwright_verify::trace::{Hop, HopKind, Trace, Verdict, hops};

use super::dot::quote;
use super::svg::{Svg, Tone, cut, width};
use crate::commands::trace::{behind::followed, sender};

/// Longest line inside a box, in characters.
const LINE: usize = 88;

const SIZE: f64 = 12.0;
const STEP: f64 = 17.0;
const PAD: f64 = 10.0;
const GAP: f64 = 24.0;
const TOP: f64 = 74.0;
const MARGIN: f64 = 20.0;

/// An object on the way, with what happens there.
struct Stop {
    title: String,
    lines: Vec<(Tone, String)>,
    tone: Tone,
}

impl Stop {
    fn width(&self) -> f64 {
        let lines = self.lines.iter().map(|(_, line)| width(line, SIZE));
        lines.fold(width(&self.title, SIZE + 1.0), f64::max) + 2.0 * PAD
    }

    fn height(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a stop has a few lines")]
        let lines = self.lines.len() as f64;
        2.0 * PAD + SIZE + lines * STEP
    }
}

fn tone(passed: Option<bool>) -> Tone {
    match passed {
        Some(true) => Tone::Good,
        Some(false) => Tone::Bad,
        None => Tone::Doubt,
    }
}

fn sign(passed: Option<bool>) -> &'static str {
    match passed {
        Some(true) => "✓",
        Some(false) => "✗",
        None => "?",
    }
}

fn place(sources: &Sources, span: Span) -> String {
    sources.location(span).map_or_else(String::new, |place| {
        let file = place.path.file_name().map_or_else(String::new, |f| f.to_string_lossy().into());
        format!(" · {file}:{}", place.line)
    })
}

/// Hops gathered by the object at which they happen.
fn stops(sources: &Sources, hops: &[Hop]) -> Vec<Stop> {
    let mut stops: Vec<Stop> = Vec::new();
    for hop in hops {
        let own = hop.kind == HopKind::At;
        if own || stops.is_empty() {
            let title = cut(&format!("{} {}", hop.object.replace('_', " "), hop.name), LINE);
            stops.push(Stop { title, lines: Vec::new(), tone: Tone::Plain });
        }
        let Some(stop) = stops.last_mut() else { continue };
        if own && hop.passed == Some(true) {
            continue;
        }
        let at = hop.rule.as_ref().map_or(hop.span, |rule| rule.span);
        let what = if hop.kind == HopKind::Route { "route " } else { "" };
        let line = format!("{} {what}{}", sign(hop.passed), hop.text);
        stop.lines.push((tone(hop.passed), cut(&format!("{line}{}", place(sources, at)), LINE)));
        if hop.passed != Some(true) && stop.tone != Tone::Bad {
            stop.tone = tone(hop.passed);
        }
    }
    stops
}

fn verdict_tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Reachable => Tone::Good,
        Verdict::Unknown => Tone::Doubt,
        Verdict::Blocked | Verdict::NoReturn | Verdict::Unresolved => Tone::Bad,
    }
}

/// The picture of a trace, with a backend's part below where it goes to a balancer.
pub(crate) fn svg(
    network: &Network,
    sources: &Sources,
    (trace, beyond): (&Trace, Option<&Beyond>),
    (from, to, service): (&str, &str, &str),
) -> String {
    let mut svg = Svg::default();
    let verdict = beyond.map_or(trace.verdict, |beyond| beyond.verdict);
    let word = verdict.word().replace('_', " ");
    let head = format!("{from} → {to}, {service}");
    svg.strong((MARGIN, 28.0), 15.0, verdict_tone(verdict), &word);
    svg.strong((MARGIN + width(&word, 15.0) + 14.0, 28.0), 15.0, Tone::Plain, &head);
    let mut bottom = columns(&mut svg, (network, sources), trace, "request", TOP);
    for behind in beyond.into_iter().flat_map(shown) {
        let Some(flow) = &behind.flow else { continue };
        let title = format!("to backend {}", behind.name);
        bottom = columns(&mut svg, (network, sources), flow, &title, bottom + 60.0);
    }
    let mut reasons: Vec<String> =
        trace.blockers(network).into_iter().map(|hop| hop.text).collect();
    reasons.extend(beyond.and_then(|beyond| beyond.why.clone()));
    let mut y = bottom + 26.0;
    for line in reasons.iter().flat_map(|reason| wrapped(&format!("because {reason}"))) {
        svg.text((MARGIN, y), SIZE, Tone::Bad, &line);
        y += STEP;
    }
    let described =
        if reasons.is_empty() { head } else { format!("{head}: {}", reasons.join("; ")) };
    svg.finish(&format!("{word}: {from} → {to}"), &described)
}

/// The backends that are drawn: of each listener one.
fn shown(beyond: &Beyond) -> Vec<&Behind> {
    beyond.doors.iter().filter_map(|door| followed(door).first().copied()).collect()
}

/// A request and its answer side by side; answers where they end.
fn columns(
    svg: &mut Svg,
    (network, sources): (&Network, &Sources),
    trace: &Trace,
    what: &str,
    top: f64,
) -> f64 {
    let forward = stops(sources, &hops(network, &trace.forward));
    let back =
        trace.back.as_ref().map_or_else(Vec::new, |back| stops(sources, &hops(network, back)));
    let (src, dst) = (sender(trace.flow.src), trace.flow.dst);
    let left = forward.iter().map(Stop::width).fold(180.0, f64::max);
    let title = format!("{what}  {src} → {dst}");
    let mut bottom = column(svg, ((MARGIN, top), left), &title, &forward, false);
    if let Some(direction) = &trace.back {
        let x = MARGIN + left + 48.0;
        let right = back.iter().map(Stop::width).fold(180.0, f64::max);
        let (src, dst) = (direction.path.sent_from, direction.path.sent_to);
        let title = format!("answer  {src} → {dst}");
        bottom = bottom.max(column(svg, ((x, top), right), &title, &back, true));
    }
    bottom
}

/// A text in lines that are not much longer than those of a box.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < LINE => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(cut(word, LINE)),
        }
    }
    lines
}

/// Draws stops below each other, upwards for an answer; answers where the column ends.
fn column(
    svg: &mut Svg,
    ((x, top), wide): ((f64, f64), f64),
    title: &str,
    stops: &[Stop],
    upwards: bool,
) -> f64 {
    svg.text((x, top - 18.0), SIZE, Tone::Dim, title);
    let mut order: Vec<&Stop> = stops.iter().collect();
    if upwards {
        order.reverse();
    }
    let mut y = top;
    for (index, stop) in order.iter().enumerate() {
        let high = stop.height();
        svg.rect((x, y), (wide, high), stop.tone);
        svg.strong((x + PAD, y + PAD + SIZE - 2.0), SIZE + 1.0, Tone::Plain, &stop.title);
        for (line, (tone, text)) in stop.lines.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "a stop has a few lines")]
            let down = (line + 1) as f64 * STEP;
            svg.text((x + PAD, y + PAD + SIZE - 2.0 + down), SIZE, *tone, text);
        }
        if index + 1 < order.len() {
            let middle = x + wide / 2.0;
            // What lies behind a stop that drops the packet is not reached any more.
            let after = if upwards { order[index + 1].tone } else { stop.tone };
            let tone = if after == Tone::Plain { Tone::Dim } else { after };
            let (upper, lower) = ((middle, y + high), (middle, y + high + GAP));
            if upwards { svg.arrow(lower, upper, tone) } else { svg.arrow(upper, lower, tone) }
        }
        y += high + GAP;
    }
    y - GAP
}

/// The trace as a graph.
pub(crate) fn dot(
    network: &Network,
    sources: &Sources,
    (trace, beyond): (&Trace, Option<&Beyond>),
    name: &str,
) -> String {
    let mut out = format!(
        "digraph {} {{\n  rankdir=LR; node [shape=box, fontname=\"monospace\"];\n",
        quote(name)
    );
    let mut directions = vec![("request".to_owned(), &trace.forward)];
    directions.extend(trace.back.iter().map(|back| ("answer".to_owned(), back)));
    for behind in beyond.into_iter().flat_map(shown) {
        let Some(flow) = &behind.flow else { continue };
        directions.push((format!("to {}", behind.name), &flow.forward));
        directions.extend(flow.back.iter().map(|back| (format!("from {}", behind.name), back)));
    }
    for (word, direction) in directions {
        let word = word.as_str();
        let stops = stops(sources, &hops(network, direction));
        out.push_str(&format!(
            "  subgraph {} {{\n    label={};\n",
            quote(&format!("cluster_{word}")),
            quote(word)
        ));
        for (index, stop) in stops.iter().enumerate() {
            let lines: Vec<&str> = stop.lines.iter().map(|(_, line)| line.as_str()).collect();
            let label = std::iter::once(stop.title.as_str()).chain(lines).collect::<Vec<_>>();
            let colour = match stop.tone {
                Tone::Bad => ", color=red, penwidth=2",
                Tone::Doubt => ", color=orange, style=dashed",
                _ => "",
            };
            out.push_str(&format!(
                "    {word}{index} [label={}{colour}];\n",
                quote(&label.join("\n"))
            ));
            if index > 0 {
                out.push_str(&format!("    {word}{} -> {word}{index};\n", index - 1));
            }
        }
        out.push_str("  }\n");
    }
    out.push_str("}\n");
    out
}

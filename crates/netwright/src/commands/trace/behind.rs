//! What stands behind a load balancer that a flow arrives at.

use netwright_verify::balancer::{Behind, Beyond, Door};
use netwright_verify::trace::{Trace as Traced, Verdict, hops};
use serde_json::{Value, json};

use super::{hop_json, list, place, place_json, sender, words};
use crate::console::{Console, Style};
use crate::network::Input;

/// Backends that are followed hop by hop in the text; the JSON holds all.
const FOLLOWED: usize = 2;

/// How many backends can answer, and why none does.
pub(super) fn summary(console: &mut Console, input: &Input, beyond: &Beyond) {
    let network = &input.network;
    let name = &network[network[beyond.balancer].endpoint].name;
    let opens: Vec<&str> = (beyond.doors.iter())
        .filter(|door| door.answers)
        .filter_map(|door| door.listener.as_deref())
        .collect();
    let count = beyond.count();
    if !opens.is_empty() {
        console.line(&format!("  load balancer {name} answers by itself on {}", opens.join(", ")));
    }
    if count.of > 0 {
        console.line(&format!("  load balancer {name}: {}", count.sentence()));
    }
    if beyond.doors.iter().any(|door| door.fails_open) {
        let line = "  no backend is in service: requests go to all of them all the same";
        console.line(&console.styled(Style::Doubt, line));
    }
    if let Some(why) = &beyond.why {
        let (_, style) = words(beyond.verdict);
        let because = console.styled(style, "because");
        console.line(&format!("  {because} {why}"));
    }
}

/// Every backend with what becomes of requests to it, the first ones hop by hop.
pub(super) fn text(console: &mut Console, input: &Input, beyond: &Beyond) {
    for door in &beyond.doors {
        let listener = door.listener.as_deref().unwrap_or("no listener");
        let title = format!("\nbehind   {listener} ({})", door.on);
        console.line(&console.styled(Style::Strong, &title));
        for missing in &door.missing {
            console.line(&console.styled(Style::Doubt, &format!("    ? {missing}")));
        }
        for behind in &door.backends {
            one(console, input, behind);
        }
        for behind in followed(door) {
            hop_by_hop(console, input, behind);
        }
    }
}

/// The backends worth following: one that answers, and one of those that do not.
pub(crate) fn followed(door: &Door) -> Vec<&Behind> {
    let first = |wanted: &dyn Fn(&Behind) -> bool| {
        door.backends.iter().find(|behind| behind.flow.is_some() && wanted(behind))
    };
    let mut found: Vec<&Behind> = Vec::new();
    found.extend(first(&|behind| behind.answers() == Some(true)));
    found.extend(first(&|behind| behind.answers() != Some(true)));
    found.truncate(FOLLOWED);
    found
}

fn one(console: &mut Console, input: &Input, behind: &Behind) {
    let (mark, style) = match behind.answers() {
        Some(true) => ("✓", Style::Good),
        Some(false) => ("✗", Style::Bad),
        None => ("?", Style::Doubt),
    };
    let address = behind.address.map_or_else(String::new, |address| format!(" [{address}]"));
    let said = match (behind.in_service, &behind.health, &behind.why) {
        (Some(false), Some(health), _) => format!("out of service: {health}"),
        (_, _, Some(why)) => format!("{}: {why}", words(behind.verdict).0),
        (None, Some(health), _) => format!("may be out of service: {health}"),
        _ => {
            let seen = behind.flow.as_ref().and_then(Traced::source_seen);
            let seen = seen.map_or_else(String::new, |seen| format!(" and sees {seen}"));
            format!("answers{seen}")
        }
    };
    let at = place(&input.sources, behind.span);
    let at = if at.is_empty() { at } else { console.styled(Style::Dim, &format!("  {at}")) };
    let line = format!("    {mark} {}{address} on {}, {said}", behind.name, behind.port);
    console.line(&format!("{}{at}", console.styled(style, &line)));
}

fn hop_by_hop(console: &mut Console, input: &Input, behind: &Behind) {
    // Of a backend that is out of service, its health checks tell why.
    let probed = behind.in_service == Some(false);
    let flow = if probed { behind.probes.first() } else { behind.flow.as_ref() };
    let Some(trace) = flow.or(behind.flow.as_ref()) else { return };
    let what = if probed { "probe  " } else { "request" };
    let (src, dst) = (sender(trace.flow.src), trace.flow.dst);
    let title = format!("\n{what}  {src} → {dst} ({})", behind.name);
    console.line(&console.styled(Style::Strong, &title));
    list(console, input, &hops(&input.network, &trace.forward));
    if let Some(back) = &trace.back {
        let title = format!("\nanswer   {} → {}", back.path.sent_from, back.path.sent_to);
        console.line(&console.styled(Style::Strong, &title));
        list(console, input, &hops(&input.network, back));
    }
    if let Some(beyond) = &behind.beyond {
        summary(console, input, beyond);
        text(console, input, beyond);
    }
}

pub(super) fn document(input: &Input, beyond: &Beyond, arrives: Verdict) -> Value {
    let network = &input.network;
    let endpoint = &network[network[beyond.balancer].endpoint];
    let count = beyond.count();
    json!({
        "name": endpoint.name,
        "id": endpoint.id,
        "node": beyond.node.map(|node| network[node].name.as_str()),
        "arrives": arrives.word(),
        "verdict": beyond.verdict.word(),
        "why": beyond.why,
        "backends": {
            "answer": count.answer,
            "unknown": count.unknown,
            "out_of_service": count.out_of_service,
            "of": count.of,
        },
        "listeners": beyond.doors.iter().map(|door| door_json(input, door)).collect::<Vec<_>>(),
    })
}

fn door_json(input: &Input, door: &Door) -> Value {
    json!({
        "listener": door.listener,
        "on": door.on.to_string(),
        "verdict": door.verdict.word(),
        "why": door.why,
        "answers": door.answers,
        "fails_open": door.fails_open,
        "missing": door.missing,
        "place": place_json(&input.sources, door.span),
        "backends":
            door.backends.iter().map(|behind| behind_json(input, behind)).collect::<Vec<_>>(),
    })
}

fn behind_json(input: &Input, behind: &Behind) -> Value {
    let beyond = behind.beyond.as_ref().map(|beyond| document(input, beyond, Verdict::Reachable));
    let probes: Vec<Value> = behind.probes.iter().map(|trace| leg_json(input, trace)).collect();
    json!({
        "name": behind.name,
        "group": behind.group,
        "address": behind.address.map(|address| address.to_string()),
        "port": behind.port.to_string(),
        "answers": behind.answers(),
        "in_service": behind.in_service,
        "health": behind.health,
        "verdict": behind.verdict.word(),
        "why": behind.why,
        "place": place_json(&input.sources, behind.span),
        "request": behind.flow.as_ref().map(|trace| leg_json(input, trace)),
        "probes": probes,
        "balancer": beyond,
    })
}

fn leg_json(input: &Input, trace: &Traced) -> Value {
    let network = &input.network;
    let all = |direction| -> Vec<Value> {
        hops(network, direction).iter().map(|hop| hop_json(&input.sources, hop)).collect()
    };
    json!({
        "source": trace.flow.src.to_string(),
        "destination": trace.flow.dst.to_string(),
        "forward": { "hops": all(&trace.forward) },
        "return": trace.back.as_ref().map(|back| json!({ "hops": all(back) })),
    })
}

//! What balancers send to their members, against what the other analyser says of each of their addresses.

use std::net::IpAddr;

use netwright_model::network::{InterfaceId, Network};
use netwright_model::scalar::Service;
use netwright_verify::ask::packet_of;
use netwright_verify::balancer::beyond;
use netwright_verify::prover::Prover;
use netwright_verify::prover::path::Origin;
use netwright_verify::trace::{Flow, Trace, Verdict};

use crate::golden::{Analysis, Line, Side, analyses, data, expected};
use crate::subject::{load, network};

fn holds(sides: &[Side], wanted: IpAddr) -> bool {
    sides.iter().any(|side| matches!(side, Side::Address { address, .. } if *address == wanted))
}

/// Whether a line lets a port pass, both ways.
fn lets(line: &Line, port: Service) -> bool {
    let Service::Ports { protocol: 6, ports } = port else { return false };
    let Some(products) = &line.connection else { return !line.blocked };
    !line.blocked
        && products.iter().any(|product| {
            let inside = |(first, last): &(u16, u16)| (*first..=*last).contains(&ports.first);
            product.protocols.iter().any(|name| name == "TCP")
                && (product.dst_ports.is_empty() || product.dst_ports.iter().any(inside))
        })
}

/// A request of some machine that arrives at a node.
fn request(prover: &mut Prover<'_>, network: &Network, to: IpAddr, on: Service) -> Option<Trace> {
    let packet = Some(packet_of(on, None)?);
    let senders = (0..network.interfaces.len()).map(InterfaceId::at);
    let senders: Vec<(InterfaceId, IpAddr)> = senders
        .filter_map(|id| Some((id, network[id].addresses.first().copied()?)))
        .filter(|(_, src)| *src != to)
        .collect();
    for (id, src) in senders {
        let trace =
            prover.trace(Flow { origin: Origin::Interface(id), src, dst: to, packet, meant: None });
        if trace.verdict == Verdict::Reachable {
            return Some(trace);
        }
    }
    None
}

/// Members compared, and those that differ.
fn compare(network: &Network, analysis: &Analysis) -> (usize, Vec<String>) {
    let mut prover = Prover::new(network);
    let (mut compared, mut differences) = (0, Vec::new());
    for balancer in &network.load_balancers {
        for node in &network[balancer.endpoint].interfaces {
            let Some(own) = network[*node].addresses.first().copied() else { continue };
            let told = |line: &Line| holds(&line.from, own) || holds(&line.to, own);
            if !analysis.lines.iter().any(told) {
                continue;
            }
            for listener in &balancer.listeners {
                let Some(trace) = request(&mut prover, network, own, listener.on) else { continue };
                let found = beyond(&mut prover, &trace).unwrap();
                for behind in found.doors.iter().flat_map(|door| &door.backends) {
                    let Some(address) = behind.address else { continue };
                    let listed = analysis.lines.iter().any(|line| {
                        holds(&line.from, own)
                            && holds(&line.to, address)
                            && lets(line, behind.port)
                    });
                    compared += 1;
                    if (behind.verdict == Verdict::Reachable) != listed {
                        differences.push(format!(
                            "{}: {own} => {address} {}: {} ({:?}), listed: {listed}",
                            analysis.golden,
                            behind.port,
                            behind.verdict.word(),
                            behind.why
                        ));
                    }
                }
            }
        }
    }
    (compared, differences)
}

#[test]
fn a_balancer_sends_to_the_members_that_its_addresses_reach() {
    let Some(data) = data() else { return };
    let expected = expected(&data);
    let (mut compared, mut differences) = (0, Vec::new());
    for analysis in analyses(&data, &expected) {
        if analysis.subnets || analysis.balancers {
            continue;
        }
        let network = network(load(&analysis.input));
        let (count, found) = compare(&network, &analysis);
        compared += count;
        differences.extend(found);
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(compared > 10, "only {compared} members were compared");
}

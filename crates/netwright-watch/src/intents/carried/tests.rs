use super::super::{Probes, probes};
use super::*;

const NETWORK: &str = "
provider: generic
vpcs: { prod: { cidr: 10.0.0.0/16, subnets: { a: { cidr: 10.0.1.0/24 } } } }
instances:
  web: { subnet: prod/a, address: 10.0.1.10 }
  db: { subnet: prod/a, address: 10.0.1.20 }
";

fn network(rest: &str) -> Network {
    let text = format!("{NETWORK}{rest}");
    netwright_model::load("test.yaml", &text, &mut Sources::default())
        .unwrap_or_else(|errors| panic!("{errors:#?}"))
}

fn made(network: &Network) -> Probes {
    probes(network).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

#[test]
fn what_is_carried_asks_what_was_written() {
    let network = network(
        "expect:
  open: { from: web, to: db, service: [ tcp/5432, icmp ], latency: 20ms, mtu: 1400, source_address: 10.0.1.10 }
  shut: { from: web, to: db, service: tcp/22, outcome: blocked }
probes:
  page: { from: web, target: 'http://10.0.1.20/health?full=yes', every: 7s, timeout: 3s, up: 1, answer: { status: [ 200 ], contains: [ fine ] }, headers: [ 'X-From: web' ] }
  name: { from: web, target: 'dns://db.internal?type=AAAA&expect=fd00::1', not: true, depends_on: page }
  path: { from: web, steps: { one: { target: 'http://10.0.1.20/orders', capture: [ 'id=json:/id' ] }, two: { target: 'http://10.0.1.20/orders/${id}', always: true } } }
",
    );
    let made = made(&network);
    assert_eq!(made.all.len(), 7, "{:#?}", made.all);
    for placed in &made.all {
        let text = carried(&network, placed, true).unwrap_or_else(|why| panic!("{why}"));
        let read = read(&text).unwrap_or_else(|why| panic!("{text}: {why}"));
        // Who watches says how long it may take.
        let read = Spec { timeout: placed.spec.timeout, ..read };
        assert_eq!(format!("{read:?}"), format!("{:?}", placed.spec), "{text}");
    }
}

#[test]
fn neither_passwords_nor_files_of_this_machine_leave_it() {
    let network = network(
        "probes:
  store: { from: web, target: 'postgres://app:secret@10.0.1.20/shop' }
  token: { from: web, target: 'http://10.0.1.20/', headers: [ 'Authorization: Bearer x' ] }
  step: { from: web, steps: { one: { target: 'http://a:b@10.0.1.20/' } } }
  tls: { from: web, target: 'https://10.0.1.20/' }
  user: { from: web, target: 'redis://10.0.1.20' }
",
    );
    let why = |authorities| {
        let all = made(&network).all;
        let told = all.iter().map(|placed| carried(&network, placed, authorities).err());
        told.collect::<Vec<_>>()
    };
    let word = Some("it holds a password, which is not sent to hosts".to_owned());
    let file = Some("the authorities of --ca are not sent to hosts".to_owned());
    assert_eq!(why(true), [word.clone(), word.clone(), word.clone(), file, None]);
    assert_eq!(why(false), [word.clone(), word.clone(), word, None, None]);
}

#[test]
fn what_is_no_probe_is_refused_in_words() {
    for text in ["", "{", "probes: {}", "probes: { a: { target: 'nonsense' } }", "instances: 3"] {
        assert!(read(text).is_err_and(|why| !why.is_empty()), "{text}");
    }
    assert!(read(&"x".repeat(LONGEST + 1)).is_err());
}

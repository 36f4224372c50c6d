use netwright_model::source::Sources;

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

fn lines(made: &Probes) -> Vec<String> {
    let not = |placed: &Placed| if placed.spec.must_fail { "not " } else { "" };
    made.all
        .iter()
        .map(|placed| {
            format!("{}: {} {}{}", placed.name, placed.label, not(placed), placed.spec.target)
        })
        .collect()
}

#[test]
fn intents_become_probes_without_being_written_twice() {
    let network = network(
        "
expect:
  works: { from: web, to: db, service: [tcp/5432, udp/53], mtu: 1400, latency: 50ms, source_address: 10.0.1.10 }
  blocked: { from: db, to: web, service: tcp/22, outcome: blocked }
  anything: { from: web, to: db }
",
    );
    let made = probes(&network).unwrap();
    assert_eq!(
        lines(&made),
        [
            "works: web → db tcp://10.0.1.20:5432",
            "works: web → db icmp://10.0.1.20?size=1400",
            "blocked: db → web not tcp://10.0.1.10:22",
            "anything: web → db icmp://10.0.1.20",
        ]
    );
    assert_eq!(made.left.len(), 1, "a datagram that nobody need answer is told: {:?}", made.left);
    let spec = &made.all[0].spec;
    assert_eq!(spec.within, Some(std::time::Duration::from_millis(50)));
    assert_eq!(spec.sources, ["10.0.1.10".parse::<IpAddr>().unwrap()]);
    assert!(matches!(made.all[0].from, Place::Interface(_)));
}

#[test]
fn probes_of_a_description_are_read_with_their_steps_and_mistakes_have_places() {
    let network_good = network(
        "
probes:
  login:
    every: 30s
    steps:
      token: { target: 'http://10.0.1.10/token', method: post, capture: ['token=json:/token'] }
      use: { target: 'http://10.0.1.10/me?t=${token}', headers: ['authorization: Bearer ${token}'], answer: { status: ['200-299', '304'] } }
      end: { target: 'http://10.0.1.10/token/${token}', method: delete, always: true }
  closed: { from: [db, web], target: 'tcp://10.0.1.10:22', must_not_answer: true }
",
    );
    let made = probes(&network_good).unwrap();
    assert_eq!(
        lines(&made),
        [
            "login: here → token > use > end token > use > end",
            "closed: db → tcp://10.0.1.10:22 not tcp://10.0.1.10:22",
            "closed: web → tcp://10.0.1.10:22 not tcp://10.0.1.10:22",
        ]
    );
    for wrong in [
        "{ target: 'ftp://x' }",
        "{ every: 1s }",
        "{ target: 'http://x/', answer: { status: ['9'] } }",
        "{ target: 'http://x/', headers: ['nothing'] }",
        "{ target: 'http://x/', answer: { matches: ['('] } }",
        "{ steps: { a: { target: 'http://x/', capture: ['a'] } } }",
        "{ steps: { a: { target: 'http://x/${a' } } }",
        "{ target: 'http://x/', steps: { a: { target: 'http://x/' } } }",
    ] {
        let network = network(&format!("probes: {{ p: {wrong} }}\n"));
        assert_eq!(probes(&network).unwrap_err().len(), 1, "{wrong}");
    }
}

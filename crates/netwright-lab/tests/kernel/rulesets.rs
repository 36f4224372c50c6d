//! Rulesets that are read back from the kernel: counted as their text says, and told where somebody changed them.

use std::process::Command;

use netwright_dataplane::kernel::{Kernel, within};
use netwright_lab::isolate;

use super::{right, star};

/// What a set or map is of, and an element of it by its number.
type Kind = (&'static str, &'static str, fn(usize) -> String);

/// Those that plans make.
const KINDS: [Kind; 8] = [
    ("set hosts", "type ipv4_addr", |n| format!("10.1.{}.{}", n / 256, n % 256)),
    // Each begins where the one before it ends.
    ("set nets", "type ipv4_addr; flags interval", |n| format!("10.{}.{}.0/24", n / 256, n % 256)),
    ("set ranges", "type inet_service; flags interval", |n| format!("{}-{}", 2 * n, 2 * n + 1)),
    ("set six", "type ipv6_addr", |n| format!("fd00::{n:x} comment \"a, b: {n}\"")),
    ("set pairs", "type ipv4_addr . inet_service", |n| format!("10.1.0.{} . {n}", n % 256)),
    ("set boxes", "type ipv4_addr . inet_service; flags interval", |n| {
        format!("10.{}.0.0/16 . {n}-{}", n % 256, n + 7)
    }),
    ("map jumps", "type ifname : verdict", |n| format!("\"i{n}\" : jump j")),
    ("map spans", "type ipv4_addr : mark; flags interval", |n| {
        format!("10.{}.{}.0/24 : {n}", n / 256, n % 256)
    }),
];

/// Sets, maps, chains and tables of every kind; the two numbers say how many of each.
fn every_kind(elements: usize, rules: usize) -> String {
    let mut text = "table inet netwright {\n".to_owned();
    for (name, of, element) in KINDS {
        text += &format!("  {name} {{\n    {}\n", of.replace("; ", "\n    "));
        let all: Vec<String> = (0..elements).map(element).collect();
        if !all.is_empty() {
            text += &format!("    elements = {{ {} }}\n", all.join(", "));
        }
        text += "  }\n";
    }
    let (mut body, mut plain) = (String::new(), String::new());
    for n in 0..rules {
        body += &format!(
            "    meta l4proto {{ tcp, udp }} th dport {{ {n}, 9000-9010 }} counter accept\n"
        );
        plain += &format!("    ip daddr 10.9.{}.{} drop\n", n / 256, n % 256);
    }
    text + &format!(
        "  chain j {{
{plain}  }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    iifname vmap {{ \"x\" : jump j, \"y\" : drop }}
    iifname vmap @jumps
{body}  }}
}}
table ip netwright-nat {{
  chain post {{
    type nat hook postrouting priority srcnat; policy accept;
{plain}  }}
}}
table ip6 netwright-six {{
  chain in {{
    type filter hook input priority filter; policy accept;
  }}
}}
"
    )
}

/// Runs as process 1 of a lab. What the kernel tells is counted as the text says; and what somebody takes away or adds is told.
pub(super) fn counted() {
    isolate::settle().unwrap();
    let mut kernel = Kernel::default();
    let mut plan = star(1);
    for (elements, rules) in [(0, 0), (1, 1), (7, 2), (250, 40), (600, 200), (3, 0)] {
        plan.namespaces.last_mut().unwrap().ruleset = every_kind(elements, rules);
        kernel.apply(&plan).unwrap();
        right(&kernel);
    }
    let changes: [(&[&str], &str); 10] = [
        (
            &["add", "element", "inet", "netwright", "hosts", "{ 10.7.7.7 }"],
            "set hosts has 4 elements, not 3",
        ),
        (
            &["delete", "element", "inet", "netwright", "nets", "{ 10.0.1.0/24 }"],
            "set nets has 2 elements, not 3",
        ),
        (
            &["delete", "element", "inet", "netwright", "boxes", "{ 10.1.0.0/16 . 1-8 }"],
            "set boxes has 2 elements, not 3",
        ),
        (
            &["delete", "element", "inet", "netwright", "jumps", "{ \"i2\" }"],
            "map jumps has 2 elements, not 3",
        ),
        (&["add", "rule", "inet", "netwright", "j", "accept"], "chain j has 1 rules, not 0"),
        (
            &["insert", "rule", "ip", "netwright-nat", "post", "ip protocol { tcp, icmp } accept"],
            "chain post has 1 rules, not 0",
        ),
        (
            &["add", "chain", "inet", "netwright", "other"],
            "chain other is there, and is not planned",
        ),
        (&["add", "table", "bridge", "other"], "table bridge other is there, and is not planned"),
        (&["delete", "table", "ip6", "netwright-six"], "table ip6 netwright-six is missing"),
        (
            &["add", "map", "inet", "netwright", "more", "{ type ipv4_addr : verdict; }"],
            "map more is there, and is not planned",
        ),
    ];
    for (number, (words, told)) in changes.into_iter().enumerate() {
        let inside = within(kernel.namespace("vpc/v").unwrap(), || {
            Command::new("nft").args(words).status().unwrap()
        });
        assert!(inside.unwrap().success(), "{words:?}");
        let wrong = kernel.read_back().unwrap();
        assert!(wrong.iter().any(|what| what.ends_with(told)), "{told}: {wrong:?}");
        // A table that is missing takes a chain with it.
        assert!(wrong.len() <= number + 2, "{words:?}: {wrong:?}");
    }
    // What is broken on purpose is no deviation.
    let before = kernel.read_back().unwrap();
    within(kernel.namespace("vpc/v").unwrap(), || {
        Command::new("nft").args(["add", "table", "inet", "netwright-fault-x"]).status().unwrap()
    })
    .unwrap();
    assert_eq!(kernel.read_back().unwrap(), before);
    kernel.teardown().unwrap();
}

//! Rules about filters.

use netwright_model::diagnostic::Severity::{Error, Info, Warning};

use super::{Entry, rule};

pub(super) const ALL: &[Entry] = &[
    rule(
        "NW-FLT-001",
        Warning,
        "rule never reached",
        "Earlier rules decide every packet that it matches, so it changes nothing.",
        "Remove the rule; or, where it is meant as an exception, put it before the rules that decide for it.",
        "first match decides (AWS network ACLs, Google Cloud firewall rules)",
    ),
    rule(
        "NW-FLT-002",
        Info,
        "rule allowed already",
        "Another rule of the filter allows everything that it allows.",
        "Remove the rule, or narrow the others.",
        "rules of a security group are a union",
    ),
    rule(
        "NW-FLT-003",
        Info,
        "rule given twice",
        "Two rules agree in direction, action, protocol, ports and peers.",
        "Remove one of the two.",
        "the whole tuple: rules that differ in the source are two rules",
    ),
    rule(
        "NW-FLT-004",
        Warning,
        "reference to nobody",
        "No interface has the group or tag, so the rule matches nothing.",
        "Attach the group or tag, or remove the rule.",
        "references stand for the members' addresses",
    ),
    rule(
        "NW-FLT-005",
        Error,
        "administration open to the Internet",
        "Remote administration from anywhere is found by scanners within minutes.",
        "Name the sources that need it, or use a bastion or the provider's own access.",
        "CIS benchmarks for AWS and Google Cloud: no ingress from 0.0.0.0/0 to ports 22 and 3389",
    ),
    rule(
        "NW-FLT-006",
        Error,
        "database open to the Internet",
        "A database's port that anyone may open is a data leak in waiting.",
        "Name the sources that need it.",
        "CIS benchmarks",
    ),
];

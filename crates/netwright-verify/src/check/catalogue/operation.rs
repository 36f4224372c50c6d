//! Rules about time-outs, pools, alerts and criteria.

use netwright_model::diagnostic::Severity::{Error, Info, Warning};

use super::{Entry, rule};

pub(super) const ALL: &[Entry] = &[
    rule(
        "NW-INTENT-001",
        Error,
        "intent broken",
        "What must work does not, or what must not work does.",
        "`netwright trace` shows the flow hop by hop, with the rule or route that decides.",
        "the description's own `expect`",
    ),
    rule(
        "NW-INTENT-002",
        Warning,
        "intent unknown",
        "The description lacks what the verdict depends on.",
        "Describe what is missing; `gaps` and `netwright trace` name it.",
        "the description's own `expect`",
    ),
    rule(
        "NW-TIME-001",
        Error,
        "deadline inverted",
        "What runs inside may take longer than what it runs in: the outer deadline always fires first and inner work is lost.",
        "Make the outer one longer, or what is inside shorter.",
        "an outer deadline is at least the sum of the inner ones",
    ),
    rule(
        "NW-TIME-002",
        Error,
        "idle limit inverted",
        "The infrastructure forgets the connection before the application does, which then writes into nothing.",
        "Make the application's limit shorter than the infrastructure's.",
        "an idle limit of the infrastructure is longer than the application's",
    ),
    rule(
        "NW-TIME-003",
        Info,
        "time-out unknown",
        "A hierarchy with an unknown member cannot be judged.",
        "Find the value out and write it down.",
        "unknown is a value",
    ),
    rule(
        "NW-POOL-001",
        Error,
        "more connections than the database accepts",
        "Services that scale out take each other's connections away.",
        "Make pools smaller, put a pooler between, or take a larger database.",
        "services x instances x (pool + overflow) at most the database's limit",
    ),
    rule(
        "NW-POOL-002",
        Warning,
        "pool keeps connections that the network forgets",
        "Connections are recycled later than the path forgets idle ones.",
        "Recycle earlier, or send keepalives more often.",
        "Google Cloud VPC: idle connections are tracked for 10 minutes",
    ),
    rule(
        "NW-POOL-003",
        Warning,
        "waiter gives up before the connection",
        "The pool's time-out is below the connect time-out: slots stay taken by connections that nobody waits for.",
        "Make the connect time-out shorter than the pool's.",
        "deadlines nest",
    ),
    rule(
        "NW-ALERT-001",
        Error,
        "alert can never fire",
        "What it measures is ended by a shorter time-out.",
        "Set the threshold below the time-out.",
        "a threshold must lie below the deadline that it watches",
    ),
    rule(
        "NW-ALERT-002",
        Warning,
        "threshold never evaluated",
        "It is declared and no rule looks at it.",
        "Evaluate it, or remove it.",
        "a declared threshold is a promise",
    ),
    rule(
        "NW-CRIT-001",
        Warning,
        "criterion cannot fail",
        "What it measures is ended by a shorter time-out, so it always holds.",
        "Set the criterion below the time-out.",
        "a criterion must lie below the deadline",
    ),
    rule(
        "NW-CRIT-002",
        Warning,
        "criterion shorter than what it includes",
        "Time-outs that may legally be used up in it add up to more.",
        "Shorten the time-outs, or allow more.",
        "deadlines nest",
    ),
];

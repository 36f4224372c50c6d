//! Sets, queues, counters, numbers, leaders, forks and rows.

use std::collections::BTreeMap;

use netwright_history::{Options, Verdict};
use serde_json::{Value, json};

use crate::{Chance, Op, compare, random, report, text};

fn of<'a>(ops: &'a [Op], f: &'a str) -> impl Iterator<Item = &'a Op> {
    ops.iter().filter(move |op| op.f == f)
}

fn contains(list: &Value, value: &Value) -> bool {
    list.as_array().is_some_and(|list| list.contains(value))
}

fn adding(chance: &mut Chance, count: usize) -> Vec<Op> {
    let mut added: Vec<u64> = Vec::new();
    random(chance, count, |chance| {
        if chance.below(3) > 0 {
            added.push(added.len() as u64);
            ("add", json!(added.len() - 1))
        } else {
            let seen = added.iter().filter(|_| !chance.one_in(12));
            ("read", json!(seen.collect::<Vec<_>>()))
        }
    })
}

#[test]
fn a_set_loses_nothing_up_to_its_last_read() {
    compare(
        "set",
        &Options::default(),
        |chance| adding(chance, 7),
        |ops| {
            let last = of(ops, "read").filter(|op| op.is_ok()).max_by_key(|op| op.end)?;
            let lost = of(ops, "add").any(|add| add.is_ok() && !contains(&last.value, &add.value));
            let known = |value: &Value| of(ops, "add").any(|add| add.value == *value);
            Some(!lost && last.value.as_array()?.iter().all(known))
        },
    );
}

#[test]
fn a_thing_is_lost_where_its_last_read_misses_it_after_it_was_known() {
    compare(
        "set-full",
        &Options::default(),
        |chance| adding(chance, 9),
        |ops| {
            let reads: Vec<&Op> = of(ops, "read").filter(|op| op.is_ok()).collect();
            let mut stable = 0;
            for add in of(ops, "add") {
                let saw: Vec<&&Op> =
                    reads.iter().filter(|read| contains(&read.value, &add.value)).collect();
                let missed: Vec<&&Op> =
                    reads.iter().filter(|read| !contains(&read.value, &add.value)).collect();
                let known =
                    saw.iter().map(|read| read.end).chain(add.is_ok().then_some(add.end)).min();
                let present = saw.iter().map(|read| read.start).max();
                let absent = missed.iter().map(|read| read.start).max();
                stable += usize::from(present > absent);
                if let (Some(known), Some(absent)) = (known, absent)
                    && known < absent
                    && present.is_none_or(|present| present < absent)
                {
                    return Some(false);
                }
            }
            let added = |value: &Value| of(ops, "add").any(|add| add.value == *value);
            let phantom = reads.iter().flat_map(|read| read.value.as_array().into_iter().flatten());
            (stable > 0).then(|| phantom.into_iter().all(added))
        },
    );
}

/// Operations on two objects: values with the keys 1 and 2, places in time in turns.
fn paired(one: &[Op], other: &[Op]) -> Vec<Op> {
    let of = |ops: &[Op], key: u64| {
        let keyed = move |op: &Op| Op {
            process: op.process * 2 + key,
            value: json!([key, op.value]),
            start: op.start * 2 + key,
            end: op.end * 2 + key,
            ..op.clone()
        };
        ops.iter().map(keyed).collect::<Vec<Op>>()
    };
    let mut all = of(one, 1);
    all.extend(of(other, 2));
    all.sort_by_key(|op| op.start);
    all
}

#[test]
fn of_several_objects_all_is_well_that_is_well_with_each() {
    let counting = |chance: &mut Chance| {
        let mut sum: i64 = 0;
        random(chance, 5, |chance| {
            if chance.one_in(2) {
                let amount = i64::try_from(chance.below(9)).expect("small") - 4;
                sum += amount;
                ("add", json!(amount))
            } else {
                let off = i64::try_from(chance.below(3)).expect("small") - 1;
                ("read", json!(sum + off))
            }
        })
    };
    let mut counts = [0; 3];
    for seed in 1..=400 {
        let chance = &mut Chance::new(seed);
        for model in ["set", "set-full", "counter"] {
            let mut make = || if model == "counter" { counting(chance) } else { adding(chance, 6) };
            let (one, other) = (make(), make());
            let verdict = |ops: &[Op]| report(ops, model, &Options::default()).verdict;
            let each = [verdict(&one), verdict(&other)];
            let worst = [Verdict::Invalid, Verdict::Unknown, Verdict::Valid]
                .into_iter()
                .find(|verdict| each.contains(verdict))
                .expect("one of them");
            let both = paired(&one, &other);
            let reads = |ops: &[Op]| of(ops, "read").any(Op::is_ok);
            // Where nothing was read of either, nothing tells keys from values.
            if !reads(&one) && !reads(&other) {
                continue;
            }
            assert_eq!(verdict(&both), worst, "{model}, seed {seed}:\n{}", text(&both));
            counts[worst as usize] += 1;
        }
    }
    assert!(counts.iter().all(|count| *count > 20), "{counts:?}");
}

#[test]
fn a_queue_gives_out_what_was_put_in() {
    let history = |chance: &mut Chance| {
        let mut queue: Vec<u64> = Vec::new();
        let mut next = 0;
        let mut ops = random(chance, 9, |chance| {
            if chance.one_in(2) {
                next += 1;
                queue.push(next);
                ("enqueue", json!(next))
            } else {
                let at = usize::try_from(chance.below(queue.len().max(1) as u64)).expect("small");
                let again = chance.one_in(6);
                let value = queue.get(at).copied();
                if !again && at < queue.len() {
                    queue.remove(at);
                }
                ("dequeue", value.map_or(Value::Null, |value| json!(value)))
            }
        });
        let end = ops.iter().map(|op| op.end).max().unwrap_or_default();
        ops.push(Op {
            process: 1,
            f: "drain",
            value: json!(queue),
            outcome: "ok",
            start: end + 1,
            end: end + 2,
        });
        ops
    };
    let count = |ops: &[Op], value: &Value| {
        let single = of(ops, "dequeue").filter(|op| op.is_ok() && op.value == *value).count();
        single + of(ops, "drain").filter(|op| contains(&op.value, value)).count()
    };
    compare("total-queue", &Options::default(), history, |ops| {
        let lost = of(ops, "enqueue").any(|put| put.is_ok() && count(ops, &put.value) == 0);
        let put =
            |value: &Value| value.is_null() || of(ops, "enqueue").any(|put| put.value == *value);
        Some(!lost && of(ops, "dequeue").filter(|op| op.is_ok()).all(|op| put(&op.value)))
    });
    compare("unordered-queue", &Options::default(), history, |ops| {
        let outs: Vec<(u64, Value)> = of(ops, "dequeue")
            .filter(|op| op.is_ok() && !op.value.is_null())
            .map(|op| (op.end, op.value.clone()))
            .chain(of(ops, "drain").flat_map(|op| {
                op.value.as_array().into_iter().flatten().map(|value| (op.end, value.clone()))
            }))
            .collect();
        let fits = |(end, value): &(u64, Value)| {
            let put = of(ops, "enqueue")
                .filter(|op| op.outcome != "fail" && op.start < *end && op.value == *value)
                .count();
            outs.iter().filter(|(other, same)| other <= end && same == value).count() <= put
        };
        Some(outs.iter().all(fits))
    });
}

#[test]
fn an_effect_happens_once() {
    let history = |chance: &mut Chance| {
        let mut next = 0;
        random(chance, 9, |chance| match chance.below(3) {
            0 => {
                next += 1;
                ("enqueue", json!(next))
            }
            1 => ("dequeue", json!(1 + chance.below(next + 1))),
            _ => ("effect", json!(1 + chance.below(next + 1))),
        })
    };
    compare("total-queue", &Options::default(), history, |ops| {
        let times = |f: &str, value: &Value, outcome: &str| {
            of(ops, f).filter(|op| op.value == *value && op.outcome == outcome).count()
        };
        let put = |value: &Value| of(ops, "enqueue").filter(|op| op.value == *value).count();
        let effects = of(ops, "effect").next().is_some();
        let right = (1..12).map(|value| json!(value)).all(|value| {
            let (put, out) = (put(&value), times("dequeue", &value, "ok"));
            let (did, may) = (times("effect", &value, "ok"), times("effect", &value, "info"));
            let lost = times("enqueue", &value, "ok") > out.max(did + may);
            let undone = effects && put > 0 && out > 0 && did + may == 0;
            let invented = put == 0 && out + did > 0;
            !(lost || undone || invented || did > put.max(1))
        });
        Some(right)
    });
}

#[test]
fn a_counter_is_read_within_what_any_choice_of_additions_makes() {
    let history = |chance: &mut Chance| {
        let mut sum = 0;
        random(chance, 8, |chance| {
            if chance.one_in(2) {
                let amount = i64::try_from(chance.below(7)).expect("small") - 2;
                sum += amount;
                ("add", json!(amount))
            } else {
                ("read", json!(sum))
            }
        })
    };
    compare("counter", &Options::default(), history, |ops| {
        let reads: Vec<&Op> = of(ops, "read").filter(|op| op.is_ok()).collect();
        let fits = |read: &&Op| {
            let amount = |op: &Op| op.value.as_i64().unwrap_or_default();
            let adds: Vec<&Op> = of(ops, "add").filter(|op| op.outcome != "fail").collect();
            let sure: i64 = adds.iter().filter(|op| op.before(read)).map(|op| amount(op)).sum();
            let perhaps: Vec<i64> = adds
                .iter()
                .filter(|op| op.start < read.end && !op.before(read))
                .map(|op| amount(op))
                .collect();
            let sums = (0..1_u32 << perhaps.len()).map(|choice| {
                let chosen = perhaps.iter().enumerate().filter(|(at, _)| choice >> at & 1 == 1);
                sure + chosen.map(|(_, amount)| amount).sum::<i64>()
            });
            let sums: Vec<i64> = sums.collect();
            let value = read.value.as_i64().unwrap_or_default();
            sums.iter().min().is_some_and(|low| *low <= value)
                && sums.iter().max().is_some_and(|high| *high >= value)
        };
        (!reads.is_empty()).then(|| reads.iter().all(fits))
    });
}

#[test]
fn numbers_are_given_out_once() {
    let make = |chance: &mut Chance| ("generate", json!(chance.below(40)));
    compare(
        "unique-ids",
        &Options::default(),
        |chance| random(chance, 8, make),
        |ops| {
            let mut given: Vec<String> =
                ops.iter().filter(|op| op.is_ok()).map(|op| op.value.to_string()).collect();
            let all = given.len();
            given.sort();
            given.dedup();
            (all > 0).then_some(given.len() == all)
        },
    );
}

#[test]
fn versions_have_neither_gaps_nor_twins_nor_go_back() {
    let history = |chance: &mut Chance| {
        let mut next = [0_u64; 2];
        random(chance, 7, |chance| {
            let entity = usize::from(chance.one_in(2));
            next[entity] += if chance.one_in(9) { chance.below(3) } else { 1 };
            ("write", json!([entity, next[entity]]))
        })
    };
    compare("versions", &Options::default(), history, |ops| {
        let given: Vec<&Op> = ops.iter().filter(|op| op.is_ok()).collect();
        let mut entities: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for op in &given {
            entities.entry(op.value[0].as_u64()?).or_default().push(op.value[1].as_u64()?);
        }
        let back = given.iter().any(|a| {
            given.iter().any(|b| {
                a.value[0] == b.value[0] && a.before(b) && a.value[1].as_u64() > b.value[1].as_u64()
            })
        });
        let gapless = entities.iter().all(|(entity, versions)| {
            let perhaps =
                ops.iter().filter(|op| op.outcome == "info" && op.value[0] == *entity).count();
            let (low, high) = (versions.iter().min(), versions.iter().max());
            let (Some(low), Some(high)) = (low, high) else { return true };
            let once = (*low..=*high)
                .all(|version| versions.iter().filter(|v| **v == version).count() <= 1);
            let missing = (*low..=*high).filter(|version| !versions.contains(version)).count();
            once && missing <= perhaps
        });
        (!given.is_empty()).then_some(gapless && !back)
    });
}

/// Whether a client is busy while another's operation goes on.
fn overlap(ops: &[Op], at: usize, process: u64) -> bool {
    ops.iter().enumerate().any(|(other, op)| {
        other != at && op.process == process && op.start < ops[at].end && ops[at].start < op.end
    })
}

#[test]
fn an_epoch_has_one_leader_and_none_acts_after_the_next_began() {
    let history = |chance: &mut Chance| {
        let mut epoch = 1;
        let mut ops = random(chance, 7, |chance| {
            if chance.one_in(3) {
                epoch += 1;
                ("lead", json!(epoch))
            } else {
                ("act", json!(epoch - chance.below(8) / 7))
            }
        });
        // Mostly one client for each epoch, now and then another.
        ops.iter_mut().for_each(|op| {
            op.process = op.value.as_u64().unwrap_or_default() * 1000 + op.process % 1000;
        });
        for at in 0..ops.len() {
            let same =
                ops.iter().find(|other| other.value == ops[at].value).map(|other| other.process);
            if !chance.one_in(9)
                && let Some(same) = same
                && !overlap(&ops, at, same)
            {
                ops[at].process = same;
            }
        }
        ops
    };
    compare("leadership", &Options::default(), history, |ops| {
        let told: Vec<&Op> = ops.iter().filter(|op| op.is_ok()).collect();
        let epoch = |op: &Op| op.value.as_u64().unwrap_or_default();
        let twins = told
            .iter()
            .any(|a| told.iter().any(|b| epoch(a) == epoch(b) && a.process != b.process));
        let stale = told.iter().any(|a| told.iter().any(|b| a.before(b) && epoch(a) > epoch(b)));
        (!told.is_empty()).then_some(!twins && !stale)
    });
}

#[test]
fn a_bank_keeps_its_total() {
    let make = |chance: &mut Chance| {
        let moved = i64::try_from(chance.below(60)).expect("small");
        let wrong = i64::from(chance.one_in(9));
        ("read", json!({"a": 50 - moved, "b": 50 + moved + wrong}))
    };
    compare(
        "bank",
        &Options { total: Some(100), ..Options::default() },
        |chance| random(chance, 6, make),
        |ops| {
            let reads: Vec<&Op> = ops.iter().filter(|op| op.is_ok()).collect();
            let right = |op: &&Op| {
                let (a, b) = (
                    op.value["a"].as_i64().unwrap_or_default(),
                    op.value["b"].as_i64().unwrap_or_default(),
                );
                a + b == 100 && a >= 0 && b >= 0
            };
            (!reads.is_empty()).then(|| reads.iter().all(right))
        },
    );
}

#[test]
fn two_reads_fork_where_each_misses_what_the_other_saw() {
    let history = |chance: &mut Chance| {
        random(chance, 5, |chance| {
            let seen = |chance: &mut Chance| if chance.one_in(2) { json!(1) } else { Value::Null };
            let (x, y) = (seen(chance), seen(chance));
            ("read-both", json!([["r", "x", x], ["r", "y", y]]))
        })
    };
    compare("long-fork", &Options::default(), history, |ops| {
        let reads: Vec<(bool, bool)> = ops
            .iter()
            .filter(|op| op.is_ok())
            .map(|op| (!op.value[0][2].is_null(), !op.value[1][2].is_null()))
            .collect();
        let fork = reads.contains(&(true, false)) && reads.contains(&(false, true));
        (!reads.is_empty()).then_some(!fork)
    });
}

#[test]
fn a_comment_is_seen_with_all_that_came_before() {
    let history = |chance: &mut Chance| {
        let mut written = 0_u64;
        random(chance, 9, |chance| {
            if chance.below(3) > 0 {
                written += 1;
                ("write", json!(written))
            } else {
                let seen = (1..=written).filter(|_| !chance.one_in(8));
                ("read", json!(seen.collect::<Vec<_>>()))
            }
        })
    };
    compare("comments", &Options::default(), history, |ops| {
        let reads: Vec<&Op> = of(ops, "read").filter(|op| op.is_ok()).collect();
        let misses = |read: &&Op| {
            let writes = || of(ops, "write").filter(|op| op.outcome != "fail");
            writes().any(|late| {
                contains(&read.value, &late.value)
                    && writes()
                        .any(|early| early.before(late) && !contains(&read.value, &early.value))
            })
        };
        (!reads.is_empty()).then(|| !reads.iter().any(misses))
    });
}

#[test]
fn every_reference_leads_to_a_row() {
    use netwright_history::{Model, Verdict, check, read_text};
    for seed in 1..=200 {
        let mut chance = Chance::new(seed);
        let parents: Vec<u64> = (0..5).filter(|_| !chance.one_in(4)).collect();
        let children: Vec<u64> = (0..4).map(|_| chance.below(5)).collect();
        let document = json!({
            "tables": {
                "people": parents.iter().map(|id| json!({"id": id})).collect::<Vec<_>>(),
                "orders": children.iter().map(|id| json!({"person": id})).collect::<Vec<_>>(),
            },
            "foreign_keys": [{"table": "orders", "column": "person", "references": "people"}],
        });
        let history = read_text(document.to_string().as_bytes()).expect("rows");
        let report = check(&history, Model::of("orphans").expect("a model"), &Options::default())
            .expect("a report");
        let whole = children.iter().all(|id| parents.contains(id));
        assert_eq!(report.verdict == Verdict::Valid, whole, "{document}");
    }
}

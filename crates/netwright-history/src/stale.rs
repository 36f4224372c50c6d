//! Stale reads: values that had been overwritten before the read even began.

use rustc_hash::FxHashMap;

use crate::history::{History, Outcome, Source, is_read};
use crate::linear::{is_keyed, keyed};
use crate::report::{CheckError, Finding, Report};
use crate::value::Value;

#[derive(Default)]
struct Register<'a> {
    /// Writes of each value, by operation.
    writes: FxHashMap<&'a Value, usize>,
    /// Acknowledged writes: their end, the latest beginning among those that ended by then, and whose it is.
    ended: Vec<(u32, u32, usize)>,
    /// Reads, with what they saw.
    reads: Vec<(usize, &'a Value)>,
    twice: bool,
}

fn registers(history: &History) -> Result<FxHashMap<Option<&Value>, Register<'_>>, CheckError> {
    let mut registers: FxHashMap<Option<&Value>, Register<'_>> = FxHashMap::default();
    let pairs = is_keyed(history);
    for (at, operation) in history.operations.iter().enumerate() {
        let (key, value) = keyed(operation, pairs);
        let register = registers.entry(key).or_default();
        match history.name(operation) {
            f if is_read(f) => {
                // What Jepsen reads as `nil` says nothing.
                let told = !value.is_nil() || history.source != Source::Jepsen;
                if operation.outcome == Outcome::Ok && operation.seen && told {
                    register.reads.push((at, value));
                }
            }
            "write" | "w" | "put" | "set" => {
                if operation.outcome == Outcome::Fail {
                    continue;
                }
                register.twice |= register.writes.insert(value, at).is_some();
                if operation.outcome == Outcome::Ok {
                    register.ended.push((operation.end, operation.start, at));
                }
            }
            other => {
                let message = format!("`{other}` is nothing of a register: read, write");
                return Err(CheckError::shape(operation, message));
            }
        }
    }
    Ok(registers)
}

/// Each read saw the last value that had been acknowledged before it began, or one that was written later. Values are written once each.
pub(crate) fn check(history: &History, name: &str) -> Result<Report, CheckError> {
    let mut report = Report::new(name);
    let mut registers = registers(history)?;
    let (mut reads, mut stale, mut unwritten, mut twice) =
        (0_usize, Vec::new(), Vec::new(), 0_usize);
    for register in registers.values_mut() {
        twice += usize::from(register.twice);
        register.ended.sort_unstable();
        let mut latest = (0, 0);
        for (_, start, at) in &mut register.ended {
            // Of writes that began together any may be named, so a tie goes to the later operation.
            latest = latest.max((*start, *at));
            (*start, *at) = latest;
        }
        for (at, value) in register.reads.iter().filter(|_| !register.twice) {
            reads += 1;
            let read = &history.operations[*at];
            let before = register.ended.partition_point(|(end, _, _)| *end <= read.start);
            let overwriting = before.checked_sub(1).map(|before| register.ended[before]);
            match register.writes.get(value) {
                // What was there at first has been overwritten by any write that ended.
                None => match overwriting {
                    Some((_, _, by)) => stale.push((*at, by, None)),
                    None if !value.is_nil() => unwritten.push(*at),
                    None => {}
                },
                Some(write) => {
                    if let Some((_, start, by)) = overwriting
                        && start >= history.operations[*write].end
                        && by != *write
                    {
                        stale.push((*at, by, Some(*write)));
                    }
                }
            }
        }
    }
    stale.sort_unstable();
    report.figure("reads", reads);
    report.figure("stale", stale.len());
    if let Some((at, by, write)) = stale.first() {
        let read = &history.operations[*at];
        let message = format!(
            "{} reads; the first saw {}, which {} had overwritten before the read began",
            stale.len(),
            read.value,
            history.operations[*by].value
        );
        let shown = write.iter().copied().chain([*by, *at]).collect();
        report.findings.push(Finding::fails("stale-read", message).with(shown));
    }
    if !unwritten.is_empty() {
        report
            .unchecked
            .push(format!("{} reads saw what was there before anybody wrote", unwritten.len()));
    }
    if twice > 0 {
        report.unchecked.push(format!("{twice} registers have values that are written more than once: what is stale cannot be told"));
    }
    let unknown = (reads == 0).then(|| "too little: no read that could be judged".to_owned());
    Ok(report.decide(unknown, format!("none of {reads} reads is stale")))
}

#[cfg(test)]
mod tests {
    use crate::{MODELS, Options, check, read_text};

    #[test]
    fn writes_that_began_first_of_all_can_be_what_a_stale_read_missed() {
        let text = r#"
            {"process":1,"type":"invoke","f":"write","value":1}
            {"process":1,"type":"ok","f":"write","value":1}
            {"process":2,"type":"invoke","f":"read","value":null}
            {"process":2,"type":"ok","f":"read","value":7}
        "#;
        let history = read_text(text.trim().as_bytes()).unwrap();
        let report = check(
            &history,
            MODELS.iter().find(|model| model.name == "stale-reads").copied().unwrap(),
            &Options::default(),
        )
        .unwrap();
        assert_eq!(report.findings.len(), 1, "{report:?}");
        assert_eq!(report.findings[0].operations.len(), 2);
    }
}

//! What the operations of a history do, as models of one object understand them.

use std::sync::Arc;

use super::components::apart;
use super::epochs::EMPTY;
use super::machine::{Act, Numbers, World};
use super::{Part, Parts, Problem, Values, span};
use crate::history::{History, Operation, Outcome, Source, is_read};
use crate::model::Options;
use crate::report::CheckError;
use crate::value::Value;

/// Models of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// A register with reads, writes and compare-and-set.
    Register,
    /// Several registers that operations read and write together.
    Registers,
    /// A lock.
    Mutex,
    /// Texts by key, that can be replaced and added to.
    Texts,
}

/// Everything that is to be explained, and how many operations say nothing.
pub(crate) fn of(
    history: &History,
    family: Family,
    options: &Options,
) -> Result<(Problem, usize), CheckError> {
    match family {
        Family::Register => registers(history, options),
        Family::Registers => several(history, options),
        Family::Mutex => mutex(history),
        Family::Texts => texts(history),
    }
}

/// Whether all values are pairs of a key and a value, as Jepsen's independent tests have them.
pub(crate) fn is_keyed(history: &History) -> bool {
    let mut told = false;
    for operation in &history.operations {
        let name = history.name(operation);
        let Some((_, value)) = operation.value.pair() else {
            // A failed or open read may have lost its key.
            if is_read(name) && operation.value.is_nil() && operation.outcome != Outcome::Ok {
                continue;
            }
            return false;
        };
        match name {
            // Only a pair within a pair tells the compare-and-set of a key from one without.
            "cas" | "compare-and-set" => {
                if value.pair().is_none() {
                    return false;
                }
                told = true;
            }
            name if is_read(name) => told = true,
            _ => {}
        }
    }
    told
}

/// The key of an operation and what is left of its value.
pub(crate) fn keyed(operation: &Operation, pairs: bool) -> (Option<&Value>, &Value) {
    match (&operation.key, pairs) {
        (Some(key), _) => (Some(key), &operation.value),
        (None, true) => match operation.value.pair() {
            Some((key, value)) => (Some(key), value),
            None => (None, &operation.value),
        },
        (None, false) => (None, &operation.value),
    }
}

/// States that a register may have had at first: as asked for; else nothing, or in Jepsen's histories nothing or 0.
fn initials(history: &History, options: &Options, values: &mut Values) -> Vec<u32> {
    match (&options.initial, history.source) {
        (Some(initial), _) => vec![values.of(initial)],
        (None, Source::Jepsen) => vec![values.of(&Value::Nil), values.of(&Value::Int(0))],
        (None, _) => vec![values.of(&Value::Nil)],
    }
}

fn registers(history: &History, options: &Options) -> Result<(Problem, usize), CheckError> {
    let mut values = Values::default();
    let initials = initials(history, options, &mut values);
    let mut parts = Parts::default();
    let pairs = is_keyed(history);
    for (at, operation) in history.operations.iter().enumerate() {
        let name = history.name(operation);
        let (key, value) = keyed(operation, pairs);
        let happened = operation.outcome != Outcome::Fail;
        let act = match name {
            name if is_read(name) => {
                let seen = operation.outcome == Outcome::Ok
                    && operation.seen
                    && (!value.is_nil() || history.source != Source::Jepsen);
                seen.then(|| Act::Read(values.of(value)))
            }
            "write" | "w" | "put" | "set" => happened.then(|| Act::Write(values.of(value))),
            "cas" | "compare-and-set" => {
                let Some((from, to)) = value.pair() else {
                    let message = format!(
                        "a compare-and-set has two values, as [1 2], and not `{}`",
                        value.brief(40)
                    );
                    return Err(CheckError::shape(operation, message));
                };
                let (from, to) = (values.of(from), values.of(to));
                match operation.outcome {
                    Outcome::Fail => operation.refused.then_some(Act::Not(from)),
                    Outcome::Ok if from == to => Some(Act::Read(from)),
                    Outcome::Info if from == to => None,
                    _ => Some(Act::Cas(from, to)),
                }
            }
            other => return Err(stranger(operation, other, "read, write and cas")),
        };
        add(&mut parts, key, act, operation, at);
    }
    let silent = parts.silent;
    let values = values.len();
    Ok((Problem { parts: parts.parts, initials, values }, silent))
}

fn add(parts: &mut Parts, key: Option<&Value>, act: Option<Act>, operation: &Operation, at: usize) {
    match act {
        Some(act) => parts.add(key, act, span(operation), at),
        None => parts.silent += 1,
    }
}

fn stranger(operation: &Operation, name: &str, known: &str) -> CheckError {
    CheckError::shape(operation, format!("`{name}` is nothing that this model knows: {known}"))
}

fn mutex(history: &History) -> Result<(Problem, usize), CheckError> {
    const FREE: u32 = 0;
    const HELD: u32 = 1;
    let mut parts = Parts::default();
    for (at, operation) in history.operations.iter().enumerate() {
        let act = match history.name(operation) {
            "acquire" | "lock" => Act::Cas(FREE, HELD),
            "release" | "unlock" => Act::Cas(HELD, FREE),
            other => return Err(stranger(operation, other, "acquire and release")),
        };
        let act = (operation.outcome != Outcome::Fail).then_some(act);
        add(&mut parts, operation.key.as_deref(), act, operation, at);
    }
    let silent = parts.silent;
    Ok((Problem { parts: parts.parts, initials: vec![FREE], values: 2 }, silent))
}

/// One step of an operation over several registers: whether it writes, which, and what.
pub(crate) fn step(step: &Value) -> Option<(&str, &Value, &Value)> {
    match step {
        Value::List(parts) => match &**parts {
            [f, key, value] => Some((f.name()?, key, value)),
            [f, key] => Some((f.name()?, key, &Value::Nil)),
            _ => None,
        },
        _ => None,
    }
}

fn several(history: &History, options: &Options) -> Result<(Problem, usize), CheckError> {
    let mut values = Values::default();
    let mut keys = Numbers::<Value>::default();
    let firsts = initials(history, options, &mut values);
    let mut parts = Parts::default();
    for (at, operation) in history.operations.iter().enumerate() {
        let shape = || {
            CheckError::shape(
                operation,
                "an operation over several registers is a list of steps, as [[:read x nil] [:write y 1]]",
            )
        };
        let single;
        let steps = match (&operation.value, history.name(operation)) {
            // Knossos writes `:f :read, :value {:x 1}` in some histories.
            (Value::Map(entries), f) => {
                let f = Value::text(f);
                let step = |(key, value): &(Value, Value)| {
                    Value::list(vec![f.clone(), key.clone(), value.clone()])
                };
                single = entries.iter().map(step).collect::<Vec<_>>();
                &single[..]
            }
            (Value::Nil, _) => &[],
            (value, _) => value.items().ok_or_else(shape)?,
        };
        let mut act = Vec::new();
        for one in steps {
            let (f, key, value) = step(one).ok_or_else(shape)?;
            let key = keys.of(key);
            match f {
                "r" | "read" => {
                    if operation.outcome == Outcome::Ok && !value.is_nil() {
                        act.push((false, key, values.of(value)));
                    }
                }
                "w" | "write" => act.push((true, key, values.of(value))),
                other => return Err(stranger(operation, other, "read and write")),
            }
        }
        let pure = act.iter().all(|(writes, _, _)| !writes);
        let counts = !act.is_empty()
            && operation.outcome != Outcome::Fail
            && !(pure && operation.outcome == Outcome::Info);
        let act = counts.then(|| Act::Many(act.into()));
        add(&mut parts, operation.key.as_deref(), act, operation, at);
    }
    let count = keys.all.len();
    // A map says what each register held.
    let firsts: Vec<Box<[u32]>> = match &options.initial {
        Some(Value::Map(entries)) => {
            let held = |key: &Value| {
                let entry = entries.iter().find(|(name, _)| {
                    name.name().is_some() && name.name() == key.name() || name == key
                });
                entry.map_or(Value::Nil, |(_, value)| value.clone())
            };
            vec![keys.all.iter().map(|key| values.of(&held(key))).collect()]
        }
        _ => firsts.iter().map(|first| vec![*first; count].into()).collect(),
    };
    let silent = parts.silent;
    let parts = parts.parts.into_iter().flat_map(|part| apart(part, &firsts)).collect();
    let initials = (0..).take(firsts.len()).collect();
    Ok((Problem { parts, initials, values: values.len() }, silent))
}

fn texts(history: &History) -> Result<(Problem, usize), CheckError> {
    let mut texts = Numbers::<Arc<str>>::default();
    texts.of(&Arc::from(""));
    let mut parts = Parts::default();
    for (at, operation) in history.operations.iter().enumerate() {
        let (key, value) = keyed(operation, false);
        let mut text = || match value {
            Value::Nil => Ok(EMPTY),
            Value::Text(text) | Value::Keyword(text) => Ok(texts.of(text)),
            Value::Int(number) => Ok(texts.of(&number.to_string().into())),
            other => Err(CheckError::shape(
                operation,
                format!("a text is due, and not `{}`", other.brief(40)),
            )),
        };
        let happened = operation.outcome != Outcome::Fail;
        let act = match history.name(operation) {
            name if is_read(name) => {
                let seen = operation.outcome == Outcome::Ok && operation.seen;
                if seen { Some(Act::Get(text()?)) } else { None }
            }
            "put" | "write" | "set" => {
                if happened {
                    Some(Act::Put(text()?))
                } else {
                    None
                }
            }
            "append" => {
                if happened {
                    Some(Act::Append(text()?))
                } else {
                    None
                }
            }
            other => return Err(stranger(operation, other, "get, put and append")),
        };
        add(&mut parts, key, act, operation, at);
    }
    let silent = parts.silent;
    parts.parts.iter_mut().for_each(|part| own(part, &texts));
    Ok((Problem { parts: parts.parts, initials: vec![EMPTY], values: 0 }, silent))
}

/// Numbers the texts of one key by themselves: they are few among those of all keys.
fn own(part: &mut Part, all: &Numbers<Arc<str>>) {
    let mut texts = Numbers::<Arc<str>>::default();
    texts.of(&Arc::from(""));
    for act in &mut part.acts {
        if let Act::Get(text) | Act::Put(text) | Act::Append(text) = act {
            *text = texts.of(&all.all[*text as usize]);
        }
    }
    part.world = World::Texts(texts);
}

//! From what somebody wants to edits of objects.

use std::collections::BTreeSet;
use std::sync::Arc;

use netwright_model::diagnostic::Diagnostic;
use netwright_model::language::Description;
use netwright_model::language::maps::{self, Alone};
use netwright_model::network::resolve::resolve;
use netwright_model::source::{Sources, Span};
use netwright_model::tree::{Limits, yaml};
use netwright_model::{decode_description, parse_description};
use netwright_store::Revision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::network::objects::wishes;
use crate::network::{Edit, Live, ObjectKey, Unfit};

/// What somebody wants.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// The whole network as a description says.
    Apply {
        /// A name of the text, for messages.
        name: String,
        /// The description: YAML, or JSON.
        text: String,
        /// What the description lacks is taken away.
        prune: bool,
    },
    /// One object.
    Put {
        /// Which.
        key: ObjectKey,
        /// What is said of it: YAML, or JSON.
        text: String,
    },
    /// One object no longer.
    Delete {
        /// Which.
        key: ObjectKey,
    },
    /// The network as it was.
    Rollback {
        /// What it was, with its revision.
        to: Arc<Live>,
    },
}

/// Edits, and what they lead to.
#[derive(Debug)]
pub struct Proposal {
    /// The edits; none where everything is as wanted.
    pub edits: Vec<Edit>,
    /// The network afterwards, as of no revision yet.
    pub after: Live,
    /// Objects that an applied description lacks, and that stay.
    pub kept: Vec<String>,
    /// What is wanted, in a few words.
    pub what: String,
}

/// Why nothing can be proposed.
#[derive(Debug)]
pub enum Wrong {
    /// There is no such object.
    NoObject(String),
    /// What was sent is wrong.
    Input(Vec<Mistake>),
    /// The network has changed meanwhile.
    Misfit(String),
}

/// Something wrong in what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mistake {
    /// Stable identifier, such as `NW-IN-011`.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// The file; an object's name where it is one of the network.
    pub file: Option<String>,
    /// Its line, from 1.
    pub line: Option<usize>,
    /// Its column in characters, from 1.
    pub column: Option<usize>,
    /// What to do.
    pub help: Option<String>,
    /// All of it, as people read it.
    pub text: String,
}

impl Mistake {
    fn of(diagnostic: &Diagnostic, sources: &Sources) -> Self {
        let at = sources.location(diagnostic.span);
        Self {
            code: diagnostic.code.to_string(),
            message: diagnostic.message.clone(),
            file: at.as_ref().map(|at| at.path.display().to_string()),
            line: at.as_ref().map(|at| at.line),
            column: at.as_ref().map(|at| at.column),
            help: diagnostic.help.clone(),
            text: diagnostic.render(sources, false),
        }
    }
}

fn told(diagnostics: &[Diagnostic], sources: &Sources) -> Wrong {
    Wrong::Input(diagnostics.iter().map(|one| Mistake::of(one, sources)).collect())
}

impl Proposal {
    /// What makes a wish true.
    ///
    /// # Errors
    ///
    /// With everything that is wrong in it.
    pub fn of(live: &Live, wanted: &Wanted) -> Result<Self, Wrong> {
        match wanted {
            Wanted::Apply { name, text, prune } => apply(live, name, text, *prune),
            Wanted::Put { key, text } => put(live, key, text),
            Wanted::Delete { key } => {
                let edit = live.objects.removal(key);
                let missing = || Wrong::NoObject(format!("the network has no object {key}"));
                let edits = vec![edit.ok_or_else(missing)?];
                proposed(live, edits, Vec::new(), format!("delete {key}"))
            }
            Wanted::Rollback { to } => {
                let edits = live.objects.edits_back_to(&to.objects);
                proposed(live, edits, Vec::new(), format!("rollback to {}", to.revision))
            }
        }
    }
}

fn proposed(
    live: &Live,
    edits: Vec<Edit>,
    kept: Vec<String>,
    what: String,
) -> Result<Proposal, Wrong> {
    match live.after(&edits, Revision(0)) {
        Ok(after) => Ok(Proposal { edits, after, kept, what }),
        Err(Unfit::Misfit(misfit)) => Err(Wrong::Misfit(misfit.0)),
        Err(Unfit::Wrong { diagnostics, sources }) => Err(told(&diagnostics, &sources)),
    }
}

fn apply(live: &Live, name: &str, text: &str, prune: bool) -> Result<Proposal, Wrong> {
    // Places in what was sent and in what is there are told together.
    let mut sources = live.sources.clone();
    let description = parse_description(name, text, &mut sources)
        .map_err(|diagnostics| told(&diagnostics, &sources))?;
    let wishes = wishes(&description);
    let wished: BTreeSet<&ObjectKey> = wishes.iter().map(|wish| &wish.key).collect();
    let missing: Vec<ObjectKey> =
        live.objects.iter().map(|(key, _)| key).filter(|key| !wished.contains(key)).collect();
    let (gone, kept) = if prune { (missing, Vec::new()) } else { (Vec::new(), missing) };
    let mut edits: Vec<Edit> = gone.iter().filter_map(|key| live.objects.removal(key)).collect();
    edits.extend(live.objects.edits_to(&wishes));
    let kept = kept.iter().map(ToString::to_string).collect();
    let proposed = proposed(live, edits, kept, format!("apply {name}"));
    proposed.map_err(|wrong| as_written(live, description, &gone, &sources, wrong))
}

fn put(live: &Live, key: &ObjectKey, text: &str) -> Result<Proposal, Wrong> {
    let mut sources = live.sources.clone();
    let file = sources.add(key.to_string(), text);
    let (node, mut errors) = yaml::read(text, file, &Limits::default());
    let alone =
        Alone { part: key.part, name: key.name.to_string(), node: node.unwrap_or_default() };
    let decoded = decode_description(&maps::join([(alone, Span::new(file, 0, 0))]));
    let description = match decoded {
        Ok(description) if errors.is_empty() => description,
        Ok(_) => return Err(told(&errors, &sources)),
        Err(more) => {
            errors.extend(more);
            return Err(told(&errors, &sources));
        }
    };
    let edits = live.objects.edits_to(&wishes(&description));
    let proposed = proposed(live, edits, Vec::new(), format!("put {key}"));
    proposed.map_err(|wrong| as_written(live, description, &[], &sources, wrong))
}

/// What is wrong, with its places where somebody wrote it: what was sent is resolved once more with what is there.
fn as_written(
    live: &Live,
    written: Description,
    gone: &[ObjectKey],
    sources: &Sources,
    wrong: Wrong,
) -> Wrong {
    if !matches!(wrong, Wrong::Input(_)) {
        return wrong;
    }
    let gone: BTreeSet<(&str, &str)> = gone.iter().map(|key| (key.part, &*key.name)).collect();
    let mut description = live.network.description.clone();
    description.remove(&gone);
    description.put(written);
    resolve(description).err().map_or(wrong, |diagnostics| told(&diagnostics, sources))
}

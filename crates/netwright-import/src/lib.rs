//! Descriptions from what people have: Netwright's own YAML, and exports of AWS, Google Cloud and
//! IBM Cloud.
//!
//! [`load`] reads a file or a folder, tells by content what each file is, and makes one [`Description`]. What an export says
//! that could not be represented is listed in the description's gaps; where it decides packets, it also stands as an unknown
//! target, an uncertain rule or an incomplete filter, so that verdicts that depend on it are unknown.
//!
//! Architecture invariant: an importer is a function from documents to a description; only [`load`] touches files.

mod access;
mod aws;
mod detect;
mod gcp;
mod ibm;
mod lines;
mod naming;
mod skipped;
mod union;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use netwright_model::decode_description;
use netwright_model::diagnostic::Diagnostic;
use netwright_model::language::Description;
use netwright_model::source::{FileId, Sources, Span};
use netwright_model::tree::{Limits, Node, json, read_file, yaml};

pub use detect::Format;

/// Most files that are read from one folder.
const MOST_FILES: usize = 20_000;

/// Code of the error about a key that is given twice.
const REPEATED_KEY: &str = "NW-IN-003";

/// A parsed file of an export.
#[derive(Debug)]
pub struct Document {
    /// Its path.
    pub path: PathBuf,
    /// Its registration.
    pub file: FileId,
    /// Its content.
    pub root: Node,
}

/// What an importer makes of documents.
#[derive(Debug, Default)]
pub struct Imported {
    /// The description, with its gaps.
    pub description: Description,
    /// What was left out because it says nothing about packets, in words.
    pub notes: Vec<String>,
}

/// A loaded description.
#[derive(Debug)]
pub struct Loaded {
    /// The description.
    pub description: Description,
    /// What was read.
    pub formats: BTreeSet<Format>,
    /// What was left out because it says nothing about packets, in words.
    pub notes: Vec<String>,
}

/// Loads a file or a folder.
///
/// # Errors
///
/// Everything that is wrong with the input, with places.
pub fn load(
    path: &Path,
    sources: &mut Sources,
    limits: &Limits,
) -> Result<Loaded, Vec<Diagnostic>> {
    let mut notes = Vec::new();
    let alone = !path.is_dir();
    let files = if alone { vec![path.to_owned()] } else { files_of(path, &mut notes)? };
    let mut errors = Vec::new();
    let mut exports: Vec<(Format, Document)> = Vec::new();
    let mut description = Description::default();
    let mut formats = BTreeSet::new();
    for path in files {
        match read(&path, sources, limits, alone, &mut notes) {
            Ok(found) => {
                for (format, document) in found {
                    if format != Format::Netwright {
                        exports.push((format, document));
                        continue;
                    }
                    formats.insert(Format::Netwright);
                    match decode_description(&document.root) {
                        Ok(own) => errors.extend(union::unite(&mut description, own)),
                        Err(own) => errors.extend(own),
                    }
                }
            }
            Err(error) => errors.push(error),
        }
    }
    for format in [Format::Aws, Format::Gcp, Format::Ibm] {
        let (own, rest): (Vec<_>, Vec<_>) = exports.into_iter().partition(|(f, _)| *f == format);
        exports = rest;
        let documents: Vec<Document> = own.into_iter().map(|(_, document)| document).collect();
        if documents.is_empty() {
            continue;
        }
        formats.insert(format);
        let imported = match format {
            Format::Aws => aws::import(&documents),
            Format::Gcp => gcp::import(&documents),
            Format::Ibm => ibm::import(&documents),
            Format::Netwright => Imported::default(),
        };
        notes.extend(imported.notes);
        errors.extend(union::unite(&mut description, imported.description));
    }
    if formats.is_empty() && errors.is_empty() {
        let message = format!(
            "{} holds no description and no export that Netwright knows{}",
            path.display(),
            skipped::summary(&notes)
        );
        errors.push(
            Diagnostic::error("NW-IN-020", Span::NONE, message)
                .with_help("a description is YAML; exports are JSON as `aws ec2 describe-…`, `gcloud … list --format=json` or the IBM VPC API write it"),
        );
    }
    if errors.is_empty() { Ok(Loaded { description, formats, notes }) } else { Err(errors) }
}

/// Writes a description as YAML; its gaps stand at the head as comments too.
#[must_use]
pub fn to_yaml(description: &Description) -> String {
    let mut header = String::from("Written by `netwright import`.");
    if !description.gaps.is_empty() {
        header.push_str("\n\nNot represented (see `gaps` below):");
        for gap in &description.gaps {
            header.push_str(&format!("\n  {}: {}", gap.object, gap.what));
        }
    }
    netwright_model::to_yaml(description, &header)
}

/// The files of a folder and its folders, sorted. Hidden ones and links out of the folder are left out.
fn files_of(folder: &Path, notes: &mut Vec<String>) -> Result<Vec<PathBuf>, Vec<Diagnostic>> {
    let failed = |path: &Path, error: &std::io::Error| {
        vec![Diagnostic::error(
            "NW-IN-001",
            Span::NONE,
            format!("cannot read {}: {error}", path.display()),
        )]
    };
    let mut folders = vec![(folder.to_owned(), 0)];
    let mut files = Vec::new();
    while let Some((current, depth)) = folders.pop() {
        let entries = std::fs::read_dir(&current).map_err(|error| failed(&current, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| failed(&current, &error))?;
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            let kind = entry.file_type().map_err(|error| failed(&entry.path(), &error))?;
            match (hidden, kind.is_dir(), kind.is_file()) {
                (false, true, _) if depth < 16 => folders.push((entry.path(), depth + 1)),
                (false, _, true) => files.push(entry.path()),
                (false, ..) => notes.push(format!("{} was left out", entry.path().display())),
                (true, ..) => {}
            }
            if files.len() > MOST_FILES {
                let message = format!("{} holds more than {MOST_FILES} files", folder.display());
                return Err(vec![Diagnostic::error("NW-IN-001", Span::NONE, message)]);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Reads one file: one document, or several of a file with a value a line; none for a file of a folder that says nothing here.
fn read(
    path: &Path,
    sources: &mut Sources,
    limits: &Limits,
    alone: bool,
    notes: &mut Vec<String>,
) -> Result<Vec<(Format, Document)>, Diagnostic> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    let is_yaml = matches!(extension.as_deref(), Some("yaml" | "yml"));
    let is_json = matches!(extension.as_deref(), Some("json" | "ndjson" | "jsonl"));
    if !alone && !is_yaml && !is_json {
        notes.push(format!(
            "{} is neither JSON nor YAML by its name and was left out",
            path.display()
        ));
        return Ok(Vec::new());
    }
    let file = read_file(path, sources, limits)?;
    let Some(text) = sources.text(file).map(std::sync::Arc::clone) else { return Ok(Vec::new()) };
    if let Some(why) = skipped::stands_for_another(path, &text) {
        if alone {
            return Err(skipped::is_no_input(path, &why));
        }
        notes.push(format!("{} {why} and was left out", path.display()));
        return Ok(Vec::new());
    }
    let starts_as_json = text.trim_start_matches('\u{feff}').trim_start().starts_with(['{', '[']);
    if (is_json || (starts_as_json && !is_yaml)) && lines::are_values(&text) {
        let root = json::parse_lines(&text, file, limits)?;
        return Ok(lines::documents(path, file, root, notes));
    }
    let root = if is_json || (starts_as_json && !is_yaml) {
        parse_json(path, &text, file, limits, notes)?
    } else {
        yaml::parse(&text, file, limits)?
    };
    let document = |root| Document { path: path.to_owned(), file, root };
    match detect::format(&root) {
        Some(format) => Ok(vec![(format, document(root))]),
        None if alone && !skipped::is_known(&root) || is_yaml => {
            Ok(vec![(Format::Netwright, document(root))])
        }
        None if alone => Err(skipped::is_no_input(path, &format!("is {}", skipped::what(&root)))),
        None => {
            notes.push(format!("{} is {} and was left out", path.display(), skipped::what(&root)));
            Ok(Vec::new())
        }
    }
}

/// Parses JSON. Google Cloud's lists by zone may be pasted together so that a zone comes twice; there the last one counts, as it does for
/// most readers.
fn parse_json(
    path: &Path,
    text: &str,
    file: FileId,
    limits: &Limits,
    notes: &mut Vec<String>,
) -> Result<Node, Diagnostic> {
    let refused = match json::parse(text, file, limits) {
        Err(error) if error.code == REPEATED_KEY => error,
        other => return other,
    };
    let (root, repeated) = json::parse_last_wins(text, file, limits)?;
    if detect::format(&root) != Some(Format::Gcp) {
        return Err(refused);
    }
    for told in repeated {
        let start = usize::try_from(told.span.start).unwrap_or(usize::MAX);
        let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
        notes.push(format!("{}:{line}: {}; the last one counts", path.display(), told.message));
    }
    Ok(root)
}

//! A file that is looked through before anything is done with it.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use sha2::{Digest, Sha256};

use super::export::hex;
use super::line::{First, LONGEST, Last, Row, Version, told};
use super::{FORMAT, TransferError, UNFINISHED};
use crate::rules::{MAX_KEY, MAX_OPS, MAX_REQUEST};

/// A whole export: its file, and where its entries are.
#[derive(Debug)]
pub struct Checked<F> {
    file: BufReader<F>,
    /// For each entry the revision at which it was written last, and where its line begins; in the order of the revisions.
    rows: Vec<(u64, u64)>,
    /// The revision that all entries are of.
    pub revision: u64,
    /// What their keys began with.
    pub prefix: String,
    /// Octets of keys and values.
    pub octets: u64,
    /// Entries that the export left out, since they went with a lease.
    pub left_out: u64,
}

/// What is known while a file is read.
struct Reader<F> {
    file: BufReader<F>,
    sum: Sha256,
    line: u64,
    /// Where the next line begins.
    at: u64,
    text: String,
}

fn wrong(line: u64, why: impl Into<String>) -> TransferError {
    TransferError::File { line, why: why.into() }
}

impl<F: Read + Seek> Reader<F> {
    /// Reads a line, without its end, into `text`; the octets that it takes. None where the file has ended.
    fn next(&mut self) -> Result<u64, TransferError> {
        self.text.clear();
        self.line += 1;
        let mut octets = Vec::new();
        let read = (&mut self.file).take(LONGEST + 1).read_until(b'\n', &mut octets)? as u64;
        if octets.last() == Some(&b'\n') {
            octets.pop();
        } else if read > LONGEST {
            return Err(wrong(self.line, format!("longer than {LONGEST} octets")));
        } else {
            return Err(wrong(self.line, "the file is cut off: its last line is missing"));
        }
        self.text = String::from_utf8(octets).map_err(|_| wrong(self.line, "not UTF-8"))?;
        Ok(read)
    }

    /// The line that was read belongs to what is summed.
    fn take(&mut self, octets: u64) {
        self.sum.update(self.text.as_bytes());
        self.sum.update(b"\n");
        self.at += octets;
    }

    fn first(&mut self) -> Result<First, TransferError> {
        let octets = self.next().map_err(|error| match error {
            TransferError::File { line, .. } => {
                wrong(line, "this is no export: `{\"netwright-store\":1,…}` is expected")
            }
            other => other,
        })?;
        let version: Version = serde_json::from_str(&self.text)
            .map_err(|_| wrong(1, "this is no export: `{\"netwright-store\":1,…}` is expected"))?;
        if version.format != FORMAT {
            let format = version.format;
            let why = format!("it has version {format}; this program reads version {FORMAT}");
            return Err(wrong(1, why));
        }
        let first = serde_json::from_str(&self.text).map_err(|error| wrong(1, told(&error)))?;
        self.take(octets);
        Ok(first)
    }
}

/// Looks through a whole file: each line, their order, their count and their sum.
///
/// # Errors
///
/// [`TransferError::File`] with the line and what is wrong with it; [`TransferError::Io`] where it cannot be read.
pub fn check<F: Read + Seek>(file: F) -> Result<Checked<F>, TransferError> {
    let (sum, text) = (Sha256::new(), String::new());
    let mut reader = Reader { file: BufReader::new(file), sum, line: 0, at: 0, text };
    let First { prefix, revision, .. } = reader.first()?;
    let (mut rows, mut total, mut before) = (Vec::new(), 0, None);
    let last = loop {
        let octets = reader.next()?;
        let line = reader.line;
        if reader.text.starts_with("{\"entries\":") {
            let last: Last =
                serde_json::from_str(&reader.text).map_err(|error| wrong(line, told(&error)))?;
            break last;
        }
        let row = Row::read(&reader.text).map_err(|why| wrong(line, why))?;
        check_row(&row, before.as_ref(), revision, prefix.len()).map_err(|why| wrong(line, why))?;
        total += (row.key.len() + row.value.len()) as u64;
        rows.push((row.modified, reader.at));
        before = Some(row.key);
        reader.take(octets);
    };
    let line = reader.line;
    if !reader.file.fill_buf()?.is_empty() {
        return Err(wrong(line + 1, "there is something after the last line"));
    }
    reader.sum.update(Last::summed(last.entries, last.octets, last.left_out));
    let sum = hex(&reader.sum.finalize());
    let found = (rows.len() as u64, total, &sum);
    if (last.entries, last.octets, &last.sha256) != found {
        let why = format!(
            "the file is damaged: {} entries of {} octets with SHA-256 {} are announced, and {} of {} with {} are there",
            last.entries, last.octets, last.sha256, found.0, found.1, found.2
        );
        return Err(wrong(line, why));
    }
    rows.sort_unstable();
    let large = rows.chunk_by(|one, other| one.0 == other.0).find(|group| group.len() >= MAX_OPS);
    if let Some([(at, _), rest @ ..]) = large {
        let count = rest.len() + 1;
        return Err(wrong(
            line,
            format!("{count} entries are of revision {at}: no store makes that"),
        ));
    }
    let (octets, left_out) = (total, last.left_out);
    Ok(Checked { file: reader.file, rows, revision, prefix, octets, left_out })
}

fn check_row(
    row: &Row,
    before: Option<&bytes::Bytes>,
    revision: u64,
    prefix: usize,
) -> Result<(), String> {
    if row.key.is_empty() || row.key.len() + prefix > MAX_KEY {
        return Err(format!("a key of {} octets", row.key.len()));
    }
    if row.key.len() + row.value.len() > MAX_REQUEST {
        return Err(format!("a value of {} octets: {MAX_REQUEST} are allowed", row.value.len()));
    }
    if before.is_some_and(|before| *before >= row.key) {
        return Err("its key does not come after that of the line before".to_owned());
    }
    if row.key == UNFINISHED {
        return Err(format!("a key `{UNFINISHED}`, which none may have"));
    }
    if !(2..=revision).contains(&row.modified) {
        return Err(format!("`modified` is {}: from 2 to {revision} is expected", row.modified));
    }
    Ok(())
}

impl<F> Checked<F> {
    /// How many entries there are.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.rows.len() as u64
    }

    /// The lowest revision that an entry has.
    pub(super) fn lowest(&self) -> Option<u64> {
        self.rows.first().map(|(modified, _)| *modified)
    }
}

impl<F: Read + Seek> Checked<F> {
    /// All entries in groups, the oldest first: each is taken from the file when it is asked for.
    pub(super) fn take_apart(self) -> (Vec<(u64, u64)>, Rows<F>) {
        (self.rows, Rows { file: self.file })
    }
}

/// The entries of a file that was looked through.
pub(super) struct Rows<F> {
    file: BufReader<F>,
}

impl<F: Read + Seek> Rows<F> {
    /// The entry whose line begins somewhere.
    pub(super) fn at(&mut self, place: u64) -> Result<Row, TransferError> {
        self.file.seek(SeekFrom::Start(place))?;
        let mut line = String::new();
        (&mut self.file).take(LONGEST + 1).read_line(&mut line)?;
        let changed = |why| {
            let why = format!("the file was changed while it was read: {why}");
            TransferError::Target(why)
        };
        Row::read(line.trim_end_matches('\n')).map_err(changed)
    }
}

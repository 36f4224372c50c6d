//! `netwright store`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use netwright_control::keys::Layout;
use netwright_store::transfer::{self, Exported, ImportOptions, TransferError};
use netwright_store::{AnyStore, Keys, MemberStatus, Range, Store, open};
use serde_json::{Value, json};

use super::serve::{Place, runtime};
use crate::arguments::{Format, StoreArguments, StoreCommand};
use crate::console::{Code, Console};
use crate::failure::Failure;
use crate::table::table;

pub(super) fn run(command: &StoreCommand, console: &mut Console) -> Result<Code, Failure> {
    let runtime = runtime()?;
    match command {
        StoreCommand::Status { store, format } => runtime.block_on(status(store, *format, console)),
        StoreCommand::Export { file, store } => {
            runtime.block_on(export(store, file.as_deref(), console))
        }
        StoreCommand::Import { file, replace, new_revisions, store } => {
            let options = ImportOptions {
                prefix: store.prefix.clone(),
                replace: *replace,
                new_revisions: *new_revisions,
            };
            runtime.block_on(import(store, file, &options, console))
        }
    }
}

async fn opened(arguments: &StoreArguments) -> Result<AnyStore, Failure> {
    let place = Place::of(arguments)?;
    let opened = open(&place.address, &place.options).await;
    opened.map_err(|error| Failure::unknown(format!("{}: {error}", place.address)))
}

fn unknown(error: &netwright_store::Error) -> Failure {
    Failure::unknown(error.to_string())
}

async fn status(
    arguments: &StoreArguments,
    format: Format,
    console: &mut Console,
) -> Result<Code, Failure> {
    let store = opened(arguments).await?;
    let members = store.members().await;
    let told = match store.status().await {
        Ok(status) => transfer::is_unfinished(&store, &arguments.prefix)
            .await
            .map(|unfinished| (status, unfinished)),
        Err(error) => Err(error),
    };
    match format {
        Format::Json => {
            let members: Vec<Value> = members.iter().map(member).collect();
            let value = match &told {
                Ok((status, unfinished)) => json!({
                    "version": 1,
                    "engine": status.engine,
                    "revision": status.revision.0,
                    "compacted": status.compacted.map(|at| at.0),
                    "octets": status.octets,
                    "import_unfinished": unfinished,
                    "members": members,
                    "error": null,
                }),
                Err(error) => {
                    json!({ "version": 1, "members": members, "error": error.to_string() })
                }
            };
            console.json(&value);
        }
        Format::Text => {
            if let Ok((status, unfinished)) = &told {
                console.line(&format!("engine    {}", status.engine));
                console.line(&format!("revision  {}", status.revision));
                if let Some(compacted) = status.compacted.filter(|at| at.0 > 0) {
                    console.line(&format!("          forgotten up to {compacted}"));
                }
                console.line(&format!("octets    {}", status.octets));
                if *unfinished {
                    console.line("an import into it was not finished: what it holds is a part");
                }
            }
            if !members.is_empty() {
                console.line("");
                members_text(&members, console);
            }
        }
    }
    match told {
        Ok((_, false)) => Ok(Code::Pass),
        Ok((_, true)) => Ok(Code::Fail),
        Err(error) => Err(unknown(&error)),
    }
}

fn member(member: &MemberStatus) -> Value {
    match &member.answer {
        Ok(answer) => json!({
            "address": member.address,
            "id": format!("{:x}", answer.id),
            "leader": answer.leader.map(|leader| format!("{leader:x}")),
            "leads": answer.leader == Some(answer.id),
            "term": answer.term,
            "revision": answer.revision.0,
            "octets": answer.octets,
            "engine": format!("etcd {}", answer.version),
            "error": null,
        }),
        Err(error) => json!({ "address": member.address, "error": error.to_string() }),
    }
}

fn members_text(members: &[MemberStatus], console: &mut Console) {
    let row = |member: &MemberStatus| {
        let address = member.address.clone();
        match &member.answer {
            Ok(answer) => {
                let part = match answer.leader {
                    Some(leader) if leader == answer.id => "leads",
                    Some(_) => "follows",
                    None => "knows no leader",
                };
                let [term, revision] = [answer.term, answer.revision.0].map(|one| one.to_string());
                [address, part.to_owned(), term, revision, format!("etcd {}", answer.version)]
            }
            Err(error) => {
                let none = String::new;
                [address, "away".to_owned(), none(), none(), error.to_string()]
            }
        }
    };
    let rows: Vec<[String; 5]> = members.iter().map(row).collect();
    table(["member", "part", "term", "revision", "says"], &rows, console, |_| None);
}

fn transferred(error: TransferError, file: &Path) -> Failure {
    match error {
        TransferError::File { .. } => Failure::usage(format!("{}: {error}", file.display()), None),
        TransferError::Io(error) => Failure::output(file, &error),
        TransferError::Store(error) => unknown(&error),
        TransferError::Target(why) => {
            let help = "--replace takes away what is there, --new-revisions gives new revisions";
            Failure::usage(why, Some(help.to_owned()))
        }
    }
}

/// Standard output as something to write to.
struct Out<'c>(&'c mut Console);

impl Write for Out<'_> {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        // What is exported is text.
        self.0.write(&String::from_utf8_lossy(octets));
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn export(
    arguments: &StoreArguments,
    file: Option<&Path>,
    console: &mut Console,
) -> Result<Code, Failure> {
    let store = opened(arguments).await?;
    let prefix = &arguments.prefix;
    let Some(file) = file else {
        let done = transfer::export(&store, prefix, &mut Out(console)).await;
        let done = done.map_err(|error| transferred(error, Path::new("standard output")))?;
        console.error(&format!("{}\n", exported(&done)));
        return Ok(Code::Pass);
    };
    // Beside it first, so that there never is a part of an export under its name.
    let mut beside = file.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let cannot = |error: std::io::Error| Failure::output(file, &error);
    let mut out = BufWriter::new(options.open(&beside).map_err(cannot)?);
    let done = match transfer::export(&store, prefix, &mut out).await {
        Ok(done) => done,
        Err(error) => {
            // That it stays would only take room.
            let _stays = std::fs::remove_file(&beside);
            return Err(transferred(error, file));
        }
    };
    out.get_ref().sync_all().map_err(cannot)?;
    std::fs::rename(&beside, file).map_err(cannot)?;
    console.line(&exported(&done));
    Ok(Code::Pass)
}

fn exported(done: &Exported) -> String {
    let Exported { revision, entries, octets, left_out } = done;
    let left_out = match left_out {
        0 => String::new(),
        more => format!("; {more} that go with a lease are left out"),
    };
    format!("exported {entries} entries of {octets} octets as of revision {revision}{left_out}")
}

async fn import(
    arguments: &StoreArguments,
    file: &Path,
    options: &ImportOptions,
    console: &mut Console,
) -> Result<Code, Failure> {
    let cannot = |why: String| Failure::usage(format!("{}: {why}", file.display()), None);
    let opened_file = File::open(file).map_err(|error| cannot(error.to_string()))?;
    let metadata = opened_file.metadata().map_err(|error| cannot(error.to_string()))?;
    if !metadata.is_file() {
        return Err(cannot("a file is expected: it is read twice".to_owned()));
    }
    let export = transfer::check(opened_file).map_err(|error| transferred(error, file))?;
    let store = opened(arguments).await?;
    let leader = Keys::One(Layout::under(&arguments.prefix).leader());
    let led = store.range(Range::of(leader)).await.map_err(|error| unknown(&error))?;
    // A file that is open here is no server's: its leader was killed, and nobody is there to see the end of his lease.
    if !led.entries.is_empty() && !Place::of(arguments)?.alone {
        let help = "stop all servers first; a leader that was killed is gone after its lease";
        return Err(Failure::usage("a server leads this network", Some(help.to_owned())));
    }
    let done = transfer::import(&store, export, options).await;
    let done = done.map_err(|error| transferred(error, file))?;
    let revisions = if done.revisions_kept { "with their revisions" } else { "with new revisions" };
    console.line(&format!(
        "imported {} entries {revisions}; the store is at revision {}",
        done.entries, done.revision
    ));
    Ok(Code::Pass)
}

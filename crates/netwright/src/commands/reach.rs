//! `netwright reach`.

use std::collections::BTreeSet;

use netwright_model::network::Network;
use netwright_verify::ask::Point;
use netwright_verify::prover::Prover;
use netwright_verify::reach::{Entry, Group, Member, Outside, Reach as Reached, Relation};
use serde_json::{Value, json};

use crate::arguments::{DrawnFormat, Reach};
use crate::console::{Code, Console, Style};
use crate::endpoints::find;
use crate::failure::Failure;
use crate::network::open;
use crate::picture::matrix::{self, Cell};

use super::trace::part;

/// Names of a group that are shown before the rest is counted.
const SHOWN: usize = 4;

pub(super) fn run(arguments: &Reach, console: &mut Console) -> Result<Code, Failure> {
    let input = open(&arguments.file)?;
    let network = &input.network;
    let side = |text: &Option<String>| text.as_ref().map(|text| find(network, text)).transpose();
    let (from, to) = (side(&arguments.from)?, side(&arguments.to)?);
    let mut prover = Prover::new(network);
    let reached = match prover.reach() {
        Ok(reached) => reached,
        Err(overflow) => {
            console.error(&format!("error: {overflow}\n"));
            return Ok(Code::Unknown);
        }
    };
    let sources = wanted(&reached, from.as_deref());
    let destinations = wanted(&reached, to.as_deref());
    let mut rows = Vec::new();
    let asked = |entry: &Entry| sources.contains(&entry.src) && destinations.contains(&entry.dst);
    let mut entries: Vec<Entry> = reached.entries().filter(asked).collect();
    entries.sort_unstable_by_key(|entry| (entry.src, entry.dst, entry.relation));
    for entry in &entries {
        rows.extend(row(&mut prover, entry, arguments));
    }
    match arguments.format {
        DrawnFormat::Text => text(console, network, &reached, &rows),
        DrawnFormat::Json => console.json(&document(network, &reached, &rows)),
        DrawnFormat::Svg => {
            let (title, names, cells) = drawn(network, &arguments.file, &reached, &rows);
            console.write(&matrix::svg(&title, &names, &cells));
        }
        DrawnFormat::Dot => {
            let (title, names, cells) = drawn(network, &arguments.file, &reached, &rows);
            console.write(&matrix::dot(&title, &names, &cells));
        }
    }
    Ok(if rows.is_empty() { Code::Fail } else { Code::Pass })
}

/// A pair of groups with what passes between them, in words.
struct Row {
    src: usize,
    dst: usize,
    relation: Relation,
    reachable: Option<String>,
    no_return: Option<String>,
    unknown: Option<String>,
}

fn row(prover: &mut Prover<'_>, entry: &Entry, arguments: &Reach) -> Option<Row> {
    let lost = entry.flows.no_return(&mut prover.space);
    let unsure = entry.flows.unknown(&mut prover.space);
    let row = Row {
        src: entry.src,
        dst: entry.dst,
        relation: entry.relation,
        reachable: part(prover, entry.flows.reachable(), arguments.port),
        no_return: part(prover, lost, arguments.port),
        unknown: part(prover, unsure, arguments.port),
    };
    let something = row.reachable.is_some() || row.no_return.is_some() || row.unknown.is_some();
    something.then_some(row)
}

/// Groups that hold one of the points; all where none is asked for.
fn wanted(reached: &Reached, points: Option<&[Point]>) -> BTreeSet<usize> {
    let holds = |group: &Group| {
        points.is_none_or(|points| {
            points.iter().any(|point| group.members.iter().any(|member| point.is(member)))
        })
    };
    reached.groups.iter().enumerate().filter(|(_, group)| holds(group)).map(|(i, _)| i).collect()
}

fn name(network: &Network, member: &Member) -> String {
    match member {
        Member::Interface(id, address) => format!("{} [{address}]", network[*id].name),
        Member::Serverless(id) => network[network[*id].endpoint].name.clone(),
        Member::Outside(whose, first, last) => {
            let whose = match whose {
                Outside::Internet => "internet",
                Outside::Site(endpoint) | Outside::External(endpoint) => &network[*endpoint].name,
            };
            if first == last {
                format!("{whose} {first}")
            } else {
                format!("{whose} {first}-{last}")
            }
        }
    }
}

fn label(network: &Network, group: &Group) -> String {
    let internet = |member: &Member| matches!(member, Member::Outside(Outside::Internet, ..));
    if group.members.len() > SHOWN && group.members.iter().all(internet) {
        return format!(
            "internet ({} ranges, for example {})",
            group.members.len(),
            group.representative
        );
    }
    let mut names: Vec<String> =
        group.members.iter().take(SHOWN).map(|member| name(network, member)).collect();
    if group.members.len() > SHOWN {
        names.push(format!("{} more", group.members.len() - SHOWN));
    }
    names.join(", ")
}

/// What a picture shows: a title, names of all groups, and a cell for each pair.
fn drawn(
    network: &Network,
    file: &std::path::Path,
    reached: &Reached,
    rows: &[Row],
) -> (String, Vec<String>, Vec<Cell>) {
    let own = network.description.name.as_ref().map(|name| name.value.clone());
    let title = own.unwrap_or_else(|| file.display().to_string());
    let names = reached.groups.iter().map(|group| short(network, group)).collect();
    let cell = |row: &Row| Cell {
        src: row.src,
        dst: row.dst,
        reachable: row.reachable.clone(),
        no_return: row.no_return.clone(),
        unknown: row.unknown.clone(),
    };
    (format!("who reaches whom: {title}"), names, rows.iter().map(cell).collect())
}

/// A group's name where there is little room: its first member's, and how many more there are.
fn short(network: &Network, group: &Group) -> String {
    let internet = |member: &Member| matches!(member, Member::Outside(Outside::Internet, ..));
    if group.members.len() > 1 && group.members.iter().all(internet) {
        return format!("internet ({} ranges)", group.members.len());
    }
    let first = match group.members.first() {
        Some(Member::Interface(id, _)) => network[*id].name.clone(),
        Some(member) => name(network, member),
        None => String::new(),
    };
    match group.members.len() {
        0 | 1 => first,
        many => format!("{first} and {} more", many - 1),
    }
}

fn relation_words(relation: Relation) -> &'static str {
    match relation {
        Relation::Any => "",
        Relation::SameSubnet => " (in one subnet)",
        Relation::OtherSubnet => " (in different subnets)",
    }
}

fn text(console: &mut Console, network: &Network, reached: &Reached, rows: &[Row]) {
    let mut last = None;
    for row in rows {
        if last != Some(row.src) {
            let from = label(network, &reached.groups[row.src]);
            console.line(&console.styled(Style::Strong, &from));
            last = Some(row.src);
        }
        let to = label(network, &reached.groups[row.dst]);
        let how = relation_words(row.relation);
        console.line(&format!("  → {to}{how}"));
        let parts = [
            (&row.reachable, "", Style::Good),
            (&row.no_return, "no return: ", Style::Bad),
            (&row.unknown, "unknown: ", Style::Doubt),
        ];
        for (what, word, style) in parts {
            if let Some(what) = what {
                console.line(&format!("      {}", console.styled(style, &format!("{word}{what}"))));
            }
        }
    }
    let groups = reached.groups.len();
    console.line(&format!("{} pairs of {groups} groups", rows.len()));
}

fn document(network: &Network, reached: &Reached, rows: &[Row]) -> Value {
    let groups: Vec<Value> = reached
        .groups
        .iter()
        .map(|group| {
            let members: Vec<String> = group.members.iter().map(|m| name(network, m)).collect();
            json!({ "members": members })
        })
        .collect();
    let flows: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "source": row.src,
                "destination": row.dst,
                "relation": row.relation.word(),
                "reachable": row.reachable,
                "no_return": row.no_return,
                "unknown": row.unknown,
            })
        })
        .collect();
    json!({ "version": 1, "groups": groups, "flows": flows })
}

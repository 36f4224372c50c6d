//! `netwright explain`.

use netwright_model::suggest::nearest;
use netwright_verify::check::catalogue::{all, find};

use crate::console::{Code, Console, Style};
use crate::failure::Failure;

pub(super) fn run(id: Option<&str>, console: &mut Console) -> Result<Code, Failure> {
    let Some(id) = id else {
        for entry in all() {
            console.line(&format!("{:<14} {:<8} {}", entry.id, entry.severity.word(), entry.title));
        }
        return Ok(Code::Pass);
    };
    let Some(entry) = find(id) else {
        let help = nearest(id, all().map(|entry| entry.id));
        let help = help.map_or_else(
            || "`netwright explain` lists all".to_owned(),
            |near| format!("did you mean {near}?"),
        );
        return Err(Failure::usage(format!("there is no finding {id}"), Some(help)));
    };
    let title = console.styled(Style::Strong, &format!("{}: {}", entry.id, entry.title));
    console.line(&title);
    console.line(&format!("severity  {}", entry.severity.word()));
    console.line(&format!("why       {}", entry.why));
    console.line(&format!("remedy    {}", entry.remedy));
    console.line(&format!("source    {}", entry.source));
    Ok(Code::Pass)
}

//! `netwright import`.

use crate::arguments::Import;
use crate::console::{Code, Console};
use crate::failure::Failure;
use crate::network::load;

pub(super) fn run(arguments: &Import, console: &mut Console) -> Result<Code, Failure> {
    let (loaded, _sources) = load(&arguments.path)?;
    let text = netwright_import::to_yaml(&loaded.description);
    match &arguments.output {
        Some(path) => std::fs::write(path, &text).map_err(|error| Failure::output(path, &error))?,
        None => console.write(&text),
    }
    for gap in &loaded.description.gaps {
        let affects = gap.affects_verdicts.as_ref().is_none_or(|affects| affects.value);
        let word = if affects { "not represented" } else { "assumed or left out" };
        console.error(&format!("{word}: {}: {}\n", gap.object, gap.what));
    }
    for note in &loaded.notes {
        console.error(&format!("note: {note}\n"));
    }
    Ok(Code::Pass)
}

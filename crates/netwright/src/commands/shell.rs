//! `netwright completions` and `netwright man`.

use clap::CommandFactory;

use crate::arguments::Arguments;
use crate::console::{Code, Console};

pub(super) fn completions(shell: clap_complete::Shell, console: &mut Console) -> Code {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "netwright", &mut script);
    console.write(&String::from_utf8_lossy(&script));
    Code::Pass
}

pub(super) fn man(console: &mut Console) -> Code {
    let command = Arguments::command();
    let mut page = Vec::new();
    let mut written = clap_mangen::Man::new(command.clone()).render(&mut page).is_ok();
    for subcommand in command.get_subcommands() {
        let name = format!("netwright-{}", subcommand.get_name());
        let named = subcommand.clone().display_name(name);
        written &= clap_mangen::Man::new(named).render(&mut page).is_ok();
    }
    console.write(&String::from_utf8_lossy(&page));
    if written { Code::Pass } else { Code::BadInput }
}

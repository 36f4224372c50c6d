//! `netwright schema`.

use netwright_model::language::Description;
use netwright_model::schema;

use crate::arguments::Schema;
use crate::console::{Code, Console};

pub(super) fn run(arguments: &Schema, console: &mut Console) -> Code {
    if arguments.reference {
        console.write(&schema::reference::<Description>());
    } else if arguments.api {
        console.json(&netwright_control::api::document());
    } else {
        console.json(&schema::document::<Description>());
    }
    Code::Pass
}

//! `netwright rollback`.

use serde_json::json;
use ureq::http::Method;

use super::change::send;
use crate::arguments::Rollback;
use crate::console::{Code, Console};
use crate::failure::Failure;

pub(super) fn run(arguments: &Rollback, console: &mut Console) -> Result<Code, Failure> {
    let path = format!("/api/v1/changes/{}/rollback", arguments.revision);
    let wish = (&arguments.wish, false);
    Ok(send(&Method::POST, &path, &mut json!({}), wish, console)?.code)
}

use std::path::PathBuf;

use super::{Limits, read_file};
use crate::source::Sources;

/// A file with these octets, gone at the end of the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("netwright-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).expect("the directory for temporary files is writable");
        Self(path)
    }

    fn error(&self, limits: &Limits) -> String {
        let error = read_file(&self.0, &mut Sources::default(), limits).expect_err("is refused");
        format!("{} {}", error.message, error.help.unwrap_or_default())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_file_that_is_not_utf_8_is_refused_with_the_place() {
    let file = Scratch::new("latin1.yaml", b"a: 1\nb: caf\xe9\n");
    let error = file.error(&Limits::default());
    assert!(error.contains("octet 12 of the file, in line 2, is 0xe9"), "{error}");
}

#[test]
fn utf_16_is_recognised() {
    let file = Scratch::new("utf16.yaml", b"\xff\xfea\0:\0");
    assert!(file.error(&Limits::default()).contains("UTF-16"));
}

#[test]
fn a_file_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let file = Scratch::new("large.yaml", b"a: 1\n");
    let error = file.error(&Limits { bytes: 4, ..Limits::default() });
    assert!(error.contains("larger than the limit of 4 octets"), "{error}");
    let limits = Limits { bytes: 5, ..Limits::default() };
    assert!(read_file(&file.0, &mut Sources::default(), &limits).is_ok());
}

#[test]
fn a_file_that_does_not_exist_is_named() {
    let error = read_file("no/such.yaml".as_ref(), &mut Sources::default(), &Limits::default());
    assert!(error.expect_err("is not there").message.contains("no/such.yaml"));
}

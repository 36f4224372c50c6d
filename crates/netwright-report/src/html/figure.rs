//! A plot with its heading and its key.

use crate::markup::{Markup, cut};

/// A class of a drawing, and the word for it in the key.
pub(crate) type Key = (String, String);

/// An entry of a key whose word is the end of its class.
pub(crate) fn key(kind: &str, word: &str) -> Key {
    (format!("{kind}-{word}"), word.to_owned())
}

/// The heading of a plot with its key.
pub(crate) fn caption(page: &mut Markup, title: &str, note: &str, keys: &[Key]) {
    page.tag("figcaption", &[], |page| {
        page.leaf("strong", &[], cut(title, 80));
        page.leaf("span", &[("class", &"note")], cut(note, 300));
        if keys.is_empty() {
            return;
        }
        page.tag("span", &[("class", &"keys")], |page| {
            for (class, word) in keys {
                page.tag("span", &[("class", &"key")], |page| {
                    page.leaf("i", &[("class", class), ("aria-hidden", &"true")], "");
                    page.text(word);
                });
            }
        });
    });
}

/// A plot under its heading.
pub(crate) fn panel(
    page: &mut Markup,
    title: &str,
    note: &str,
    keys: &[Key],
    drawing: impl FnOnce(&mut Markup),
) {
    page.tag("figure", &[], |page| {
        caption(page, title, note, keys);
        drawing(page);
    });
    page.line();
}

//! What is asked of every page.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a page that is not as it should be ends the test"
)]

use roxmltree::{Document, Node, ParsingOptions};

/// Panics where a page is not well formed, loads something, or draws outside of a box.
pub(crate) fn check(page: &str) {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document =
        Document::parse_with_options(page, options).unwrap_or_else(|error| panic!("{error}"));
    let mut ids = std::collections::BTreeSet::new();
    for node in document.descendants().filter(Node::is_element) {
        let name = node.tag_name().name();
        assert!(
            !["script", "img", "link", "iframe", "object", "embed", "use", "image", "base", "form"]
                .contains(&name),
            "<{name}>"
        );
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            assert!(!name.starts_with("on") && name != "src" && name != "style", "{name}");
            assert!(name != "href" || value.starts_with('#'), "{value}");
            assert!(name != "id" || ids.insert(value.to_owned()), "{value} twice");
        }
        match name {
            "style" => {
                let style = node.text().unwrap();
                assert!(!style.contains("url(") && !style.contains("@import"));
            }
            "svg" => drawing(node),
            "table" => assert!(node.first_element_child().unwrap().has_tag_name("caption")),
            _ => {}
        }
    }
    let anchors = document.descendants().filter_map(|node| node.attribute("href"));
    for anchor in anchors {
        assert!(ids.contains(&anchor[1..]), "{anchor} leads nowhere");
    }
    assert_eq!(document.descendants().filter(|node| node.has_tag_name("h1")).count(), 1);
}

fn number(node: Node<'_, '_>, name: &str) -> f64 {
    let text = node.attribute(name).unwrap_or_else(|| panic!("no {name}"));
    let number: f64 = text.parse().unwrap_or_else(|_| panic!("{name}={text}"));
    assert!(number.is_finite());
    number
}

fn drawing(svg: Node<'_, '_>) {
    let view: Vec<f64> =
        svg.attribute("viewBox").unwrap().split(' ').map(|part| part.parse().unwrap()).collect();
    let (wide, tall) = (view[2] + 0.11, view[3] + 0.11);
    let inside = |x: f64, y: f64| {
        assert!(
            (-0.11..=wide).contains(&x) && (-0.11..=tall).contains(&y),
            "{x} {y} of {wide} {tall}"
        );
    };
    let labels = svg.attribute("aria-labelledby").unwrap();
    assert_eq!(svg.attribute("role"), Some("img"));
    assert!(svg.children().any(|child| child.has_tag_name("title")) && labels.contains("title"));
    assert!(svg.children().any(|child| child.has_tag_name("desc")) && labels.contains("desc"));
    for node in svg.descendants() {
        match node.tag_name().name() {
            "rect" => {
                let (x, y) = (number(node, "x"), number(node, "y"));
                inside(x, y);
                inside(x + number(node, "width"), y + number(node, "height"));
            }
            "line" => {
                inside(number(node, "x1"), number(node, "y1"));
                inside(number(node, "x2"), number(node, "y2"));
            }
            "text" => inside(number(node, "x"), number(node, "y")),
            "path" => path(node.attribute("d").unwrap(), inside),
            _ => {}
        }
    }
}

/// Follows a path of M, L, H, h, v and Z.
fn path(drawn: &str, inside: impl Fn(f64, f64)) {
    let (mut x, mut y) = (0.0_f64, 0.0_f64);
    let mut rest = drawn;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[1..];
        let end =
            rest.find(|character: char| character.is_ascii_alphabetic()).unwrap_or(rest.len());
        let numbers: Vec<f64> =
            rest[..end].split_whitespace().map(|part| part.parse().unwrap()).collect();
        rest = &rest[end..];
        match (letter, numbers.as_slice()) {
            ('M' | 'L', [to, down]) => (x, y) = (*to, *down),
            ('H', [to]) => x = *to,
            ('h', [by]) => x += by,
            ('v', [by]) => y += by,
            ('Z', []) => {}
            other => panic!("{other:?}"),
        }
        inside(x, y);
    }
}

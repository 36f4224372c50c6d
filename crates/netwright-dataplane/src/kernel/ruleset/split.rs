//! A ruleset's text in pieces, each a ruleset of its own that may follow the ones before.

/// Pieces of about a size: whole chains and sets in their order; the elements of large sets by themselves, and chains of more rules than fit go on
/// in the next piece. Chains that others jump to are there, empty, from the first piece on, since a rule may name a chain of a later piece.
pub(super) fn pieces(text: &str, size: usize) -> Vec<String> {
    let pieces = cut(text, size);
    if pieces.len() < 2 {
        return pieces;
    }
    declarations(text, size).into_iter().chain(pieces).collect()
}

/// Pieces that declare every chain that the kernel does not enter by itself.
fn declarations(text: &str, size: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let (mut table, mut open) = ("", String::new());
    let mut lines = text.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("table ") {
            flush(&mut pieces, table, &mut open);
            table = rest.trim_end_matches('{').trim();
        }
        let entered = lines.peek().is_some_and(|next| next.starts_with("type "));
        if let Some(rest) = line.strip_prefix("chain ").filter(|_| !entered) {
            let name = rest.trim_end_matches('{').trim();
            open.push_str(&format!("  chain {name} {{\n  }}\n"));
            if open.len() > size {
                flush(&mut pieces, table, &mut open);
            }
        }
    }
    flush(&mut pieces, table, &mut open);
    pieces
}

fn cut(text: &str, size: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let (mut table, mut open) = ("", String::new());
    let mut depth = 0_usize;
    let mut block = String::new();
    let mut elements: Vec<String> = Vec::new();
    let mut name = "";
    for line in text.lines() {
        let trimmed = line.trim();
        let before = depth;
        depth = (depth + line.matches('{').count()).saturating_sub(line.matches('}').count());
        if before == 0 {
            table = trimmed.strip_prefix("table ").unwrap_or(table).trim_end_matches('{').trim();
            continue;
        }
        if depth == 0 {
            flush(&mut pieces, table, &mut open);
            continue;
        }
        if before == 1 {
            name = trimmed.split_whitespace().nth(1).unwrap_or_default();
        }
        let large = line.len() > size / 2;
        match trimmed.strip_prefix("elements = {").and_then(|rest| rest.strip_suffix('}')) {
            Some(list) if large => elements.extend(chunks(list, table, name, size)),
            _ => {
                block.push_str(line);
                block.push('\n');
            }
        }
        if depth == 2 && block.len() > size && block.trim_start().starts_with("chain ") {
            flush(&mut pieces, table, &mut open);
            pieces.push(format!("table {table} {{\n{block}  }}\n}}\n"));
            block = format!("  chain {name} {{\n");
        }
        if depth == 1 {
            if open.len() + block.len() > size {
                flush(&mut pieces, table, &mut open);
            }
            open.push_str(&block);
            block.clear();
            if !elements.is_empty() {
                flush(&mut pieces, table, &mut open);
                pieces.append(&mut elements);
            }
        }
    }
    pieces
}

fn flush(pieces: &mut Vec<String>, table: &str, open: &mut String) {
    if !open.is_empty() {
        pieces.push(format!("table {table} {{\n{open}}}\n"));
        open.clear();
    }
}

/// The elements of a set as commands.
fn chunks(list: &str, table: &str, set: &str, size: usize) -> Vec<String> {
    let mut chunks: Vec<String> = Vec::new();
    for element in list.split(',').map(str::trim).filter(|element| !element.is_empty()) {
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < size => {
                chunk.push_str(", ");
                chunk.push_str(element);
            }
            _ => chunks.push(format!("add element {table} {set} {{ {element}")),
        }
    }
    for chunk in &mut chunks {
        chunk.push_str(" }\n");
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::pieces;

    #[test]
    fn chains_are_declared_first_and_stay_whole_and_in_order_and_elements_of_large_sets_follow_their_set()
     {
        let text = "table inet t {\n  set s {\n    type ipv4_addr\n    elements = { 10.0.0.1, 10.0.0.2, 10.0.0.3 }\n  }\n  chain a {\n    accept\n  }\n  chain b {\n    drop\n  }\n}\n";
        assert_eq!(
            pieces(text, 40),
            [
                "table inet t {\n  chain a {\n  }\n  chain b {\n  }\n}\n",
                "table inet t {\n  set s {\n    type ipv4_addr\n  }\n}\n",
                "add element inet t s { 10.0.0.1, 10.0.0.2 }\n",
                "add element inet t s { 10.0.0.3 }\n",
                "table inet t {\n  chain a {\n    accept\n  }\n}\n",
                "table inet t {\n  chain b {\n    drop\n  }\n}\n",
            ]
        );
        let long = "table inet t {\n  chain c {\n    type filter hook input priority 0; policy accept;\n    ip saddr 10.0.0.1 drop\n    ip saddr 10.0.0.2 drop\n  }\n}\n";
        assert_eq!(
            pieces(long, 80),
            [
                "table inet t {\n  chain c {\n    type filter hook input priority 0; policy accept;\n    ip saddr 10.0.0.1 drop\n  }\n}\n",
                "table inet t {\n  chain c {\n    ip saddr 10.0.0.2 drop\n  }\n}\n",
            ]
        );
        let whole: String = pieces(text, 4000).concat();
        assert_eq!(whole, text);
    }
}

//! From one filter to the next, in nft's language: one transaction, of what differs alone.

use std::fmt::Write;

use crate::state::{Chain, Filter, Set};

/// The table that every router has.
pub const TABLE: &str = "inet sagegate";

/// The script that makes a table with all of `filter`.
#[must_use]
pub fn whole(filter: &Filter) -> String {
    let mut script = format!("add table {TABLE}\n");
    script.push_str(&difference(&Filter::default(), filter));
    script
}

/// The script that makes `after` of `before`. Empty where nothing differs.
///
/// The order keeps references whole: sets and chains come before what names them, and go after it.
#[must_use]
pub fn difference(before: &Filter, after: &Filter) -> String {
    let mut script = String::new();
    for (name, chain) in &after.chains {
        let same_hook = before.chains.get(name).is_some_and(|old| old.hook == chain.hook);
        if !same_hook {
            let hook = if chain.hook.is_empty() {
                String::new()
            } else {
                format!(" {{ {} }}", chain.hook)
            };
            line(&mut script, &format!("add chain {TABLE} {name}{hook}"));
        }
    }
    for (name, set) in &after.sets {
        let known = before.sets.get(name);
        if known.is_none() {
            let word = word(set);
            line(&mut script, &format!("add {word} {TABLE} {name} {{ {} }}", set.definition));
        }
        elements(&mut script, name, known, set);
    }
    for (name, chain) in &after.chains {
        rules(&mut script, name, before.chains.get(name), chain);
    }
    for name in before.chains.keys().filter(|name| !after.chains.contains_key(*name)) {
        line(&mut script, &format!("flush chain {TABLE} {name}"));
    }
    for (name, set) in before.sets.iter().filter(|(name, _)| !after.sets.contains_key(*name)) {
        line(&mut script, &format!("delete {} {TABLE} {name}", word(set)));
    }
    for name in before.chains.keys().filter(|name| !after.chains.contains_key(*name)) {
        line(&mut script, &format!("delete chain {TABLE} {name}"));
    }
    script
}

fn word(set: &Set) -> &'static str {
    if set.map { "map" } else { "set" }
}

fn line(script: &mut String, text: &str) {
    script.push_str(text);
    script.push('\n');
}

fn rules(script: &mut String, name: &str, before: Option<&Chain>, after: &Chain) {
    if before.map_or(&[][..], |chain| &chain.rules) == after.rules {
        return;
    }
    if before.is_some_and(|chain| !chain.rules.is_empty()) {
        line(script, &format!("flush chain {TABLE} {name}"));
    }
    for rule in &after.rules {
        line(script, &format!("add rule {TABLE} {name} {rule}"));
    }
}

/// Elements that go come first: a map's new value is another element under the same key.
fn elements(script: &mut String, name: &str, before: Option<&Set>, after: &Set) {
    let empty = Set::default();
    let before = before.unwrap_or(&empty);
    let gone =
        before.elements.iter().filter(|(key, value)| after.elements.get(*key) != Some(value));
    let new = after.elements.iter().filter(|(key, value)| before.elements.get(*key) != Some(value));
    batch(script, "delete", name, after.map, gone);
    batch(script, "add", name, after.map, new);
}

fn batch<'a>(
    script: &mut String,
    verb: &str,
    name: &str,
    map: bool,
    elements: impl Iterator<Item = (&'a String, &'a String)>,
) {
    let mut elements = elements.peekable();
    if elements.peek().is_none() {
        return;
    }
    let _ = write!(script, "{verb} element {TABLE} {name} {{ ");
    for (place, (key, value)) in elements.enumerate() {
        if place > 0 {
            script.push_str(", ");
        }
        script.push_str(key);
        if map {
            let _ = write!(script, " : {value}");
        }
    }
    script.push_str(" }\n");
}

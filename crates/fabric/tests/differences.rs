//! The law of differences: what nft is told makes of any filter any other.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use sagegate_fabric::nft::{TABLE, difference, whole};
use sagegate_fabric::state::{Chain, Filter, Set};

/// Does to a filter what nft would do with a script, and refuses what nft refuses.
fn obey(mut filter: Filter, script: &str) -> Filter {
    for line in script.lines() {
        let line = line.replace(TABLE, "T");
        let (words, body) = line.split_once(" { ").unwrap_or((&line, ""));
        let body = body.trim_end_matches('}').trim();
        let words: Vec<&str> = words.splitn(5, ' ').collect();
        match words.as_slice() {
            ["add", "table", "T"] => {}
            ["add", "chain", "T", name] => {
                let chain = Chain { hook: body.to_owned(), rules: Vec::new() };
                filter.chains.insert((*name).to_owned(), chain);
            }
            ["add", kind @ ("set" | "map"), "T", name] => {
                let set = Set {
                    definition: body.to_owned(),
                    map: *kind == "map",
                    elements: BTreeMap::new(),
                };
                assert!(filter.sets.insert((*name).to_owned(), set).is_none(), "{name} is there");
            }
            ["add", "rule", "T", name, rule] => {
                let chain = filter.chains.get_mut(*name).expect("a chain");
                chain.rules.push((*rule).to_owned());
            }
            ["flush", "chain", "T", name] => filter.chains.get_mut(*name).unwrap().rules.clear(),
            ["delete", "chain", "T", name] => {
                let gone = filter.chains.remove(*name).expect("a chain");
                assert!(gone.rules.is_empty(), "what it names would be held");
            }
            ["delete", "set" | "map", "T", name] => {
                filter.sets.remove(*name).expect("a set");
            }
            [verb, "element", "T", name] => {
                let set = filter.sets.get_mut(*name).expect("a set");
                for element in body.split(", ") {
                    let (key, value) = element.split_once(" : ").unwrap_or((element, ""));
                    if *verb == "delete" {
                        assert_eq!(set.elements.remove(key).as_deref(), Some(value), "{key}");
                    } else {
                        let old = set.elements.insert(key.to_owned(), value.to_owned());
                        assert_eq!(old, None, "{key} is there with another value");
                    }
                }
            }
            other => panic!("{other:?}"),
        }
    }
    filter
}

/// A name is always of one kind, as in ours: only elements and rules differ.
fn filters() -> impl Strategy<Value = Filter> {
    let sets = btree_map(0..4_u8, btree_map("[a-c]", "[x-z]", 0..4), 0..4);
    let chains = btree_map("[k-n]", vec("[p-r]", 0..4), 0..4);
    (sets, chains).prop_map(|(sets, chains)| {
        let sets = sets.into_iter().map(|(number, elements)| {
            let map = number % 2 == 0;
            let elements = elements
                .into_iter()
                .map(|(key, value)| (key, if map { value } else { String::new() }));
            let definition = "type ifname;".to_owned();
            (format!("s{number}"), Set { definition, map, elements: elements.collect() })
        });
        let chains = chains.into_iter().map(|(name, rules)| {
            let hook = if name == "k" { "type filter;".to_owned() } else { String::new() };
            (name, Chain { hook, rules })
        });
        Filter { sets: sets.collect(), chains: chains.collect() }
    })
}

proptest! {
    #[test]
    fn a_difference_makes_one_of_the_other(before in filters(), after in filters()) {
        prop_assert_eq!(obey(Filter::default(), &whole(&before)), before.clone());
        prop_assert_eq!(obey(before.clone(), &difference(&before, &after)), after.clone());
        prop_assert_eq!(difference(&after, &after), "");
    }
}

//! Hand-written set-ups with the verdict that AWS's documentation gives, its page named for each.
//!
//! The tables in `verdicts/` are text: a base that all set-ups of a file begin with, then each
//! set-up's own lines (`sagegate_network::sketch`), its source, and questions with their verdicts:
//! `reached WHO`, or `blocked CODE COMPONENT`, with `return` if the answer is what is stopped.

mod verdicts {
    pub(crate) mod cases;
}

use std::fmt::Write as _;

use sagegate_network::search::{End, Wanted, search};
use sagegate_network::sketch;
use sagegate_network::walk::{Component, Direction, Receiver, Walk, Walker};
use verdicts::cases::{Case, files};

fn verdict(walk: &Walk) -> String {
    let Some(explanation) = &walk.explanation else {
        return match &walk.receiver {
            None => "neither reached nor blocked".into(),
            Some(
                Receiver::NetworkInterface { id }
                | Receiver::InterfaceEndpoint { id, .. }
                | Receiver::GatewayEndpoint { id },
            ) => format!("reached {id}"),
            Some(Receiver::Resolver { .. }) => "reached resolver".into(),
            Some(Receiver::Internet { .. }) => "reached internet".into(),
        };
    };
    let component = match &explanation.component {
        Component::Resolver(_) => "resolver".into(),
        Component::Internet(_) => "internet".into(),
        other => other.to_string(),
    };
    let back = if explanation.direction == Direction::Return { " return" } else { "" };
    format!("blocked {} {component}{back}", explanation.code)
}

#[test]
fn the_model_says_what_the_documentation_says() {
    let mut wrong = String::new();
    let (mut setups, mut found_files) = (0, 0);
    for (file, cases) in files() {
        found_files += 1;
        for case in cases {
            setups += 1;
            let Case { name, source, .. } = &case;
            let place = format!("{file}: {name}");
            assert!(!source.is_empty(), "{place}: no source");
            assert!(!case.asked.is_empty(), "{place}: no question");
            let topology = sketch::topology(&case.lines).unwrap_or_else(|e| panic!("{place}: {e}"));
            let walker = Walker::new(topology);
            for (question, expected) in &case.asked {
                let asked = sketch::question(walker.topology(), question)
                    .unwrap_or_else(|e| panic!("{place}: {e}"));
                let walk = walker.walk(&asked);
                let found = verdict(&walk);
                if found != *expected {
                    let text = walk.explanation.map(|it| it.text).unwrap_or_default();
                    let _ = writeln!(
                        wrong,
                        "{place}\n  {question}\n  documented: {expected}\n  model:      {found}\n  {text}"
                    );
                }
            }
        }
    }
    assert!(found_files >= 8 && setups >= 60, "{setups} set-ups in {found_files} files");
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// What Reachability Analyzer is asked about a set-up has the same verdict, but for ways that it does
/// not have: out by an internet gateway and in again.
#[test]
fn the_search_says_what_the_documentation_says() {
    let (mut wrong, mut asked, mut reflected) = (String::new(), 0, 0);
    for (file, cases) in files() {
        for case in cases {
            let walker = Walker::new(sketch::topology(&case.lines).unwrap());
            for (text, expected) in &case.asked {
                let question = sketch::question(walker.topology(), text).unwrap();
                let topology = walker.topology();
                let gateway = walker.public_holder(question.destination).and_then(|(id, _)| {
                    topology.vpcs.get(&topology.interfaces.get(id)?.vpc)?.internet_gateway.clone()
                });
                let Some(wanted) = Wanted::packet(&question, gateway.as_deref().unwrap_or("-"))
                else {
                    continue;
                };
                let found = search(&walker, &wanted);
                let code = found.explanation.as_ref().map_or("reached", |it| it.code.as_str());
                asked += 1;
                if code == "IGW_NAT_REFLECTION" {
                    reflected += 1;
                    assert!(expected.starts_with("reached "), "{text}");
                    continue;
                }
                // What has no gateway to come in by, or no public address, is not walked at all.
                let of_gateway = matches!(wanted.source, End::InternetGateway(_))
                    && matches!(code, "UNASSOCIATED_COMPONENT" | "IGW_EXPECTS_PUBLIC_ADDRESS");
                let said = expected.split(' ').find(|it| *it != "blocked").unwrap_or_default();
                if said != code && !(of_gateway && said != "reached") {
                    let place = format!("{file}: {}", case.name);
                    let _ = writeln!(
                        wrong,
                        "{place}\n  {text}\n  documented: {expected}\n  found: {code}"
                    );
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(asked >= 80 && reflected >= 1, "{asked} questions, {reflected} reflected");
}

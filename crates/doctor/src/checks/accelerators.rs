//! Elastic Inference (SPEC seed 4): the endpoint, its two zones, the pair of security groups, the permission.

use std::collections::BTreeSet;

use sagegate_network::security_group::{Packet, Peer};
use sagegate_network::topology::{Endpoint, EndpointKind};
use serde_json::json;

use crate::ask::Visit;
use crate::command::{aws, let_through, put_role_policy};
use crate::finding::{Finding, Level};
use crate::snapshot::{Notebook, Question, Snapshot, Whose};

const SHORT: &str = "elastic-inference.runtime";
const CHECK: &str = "elastic-inference";

/// What a role needs that opens a notebook with an accelerator (SPEC R4.2).
const ACTIONS: [&str; 2] = ["elastic-inference:Connect", "ec2:DescribeVpcEndpoints"];

fn with_accelerators(snapshot: &Snapshot) -> impl Iterator<Item = &Notebook> {
    snapshot.notebooks.iter().filter(|it| !it.accelerators.is_empty())
}

fn connecting(notebook: &Notebook) -> Vec<Question> {
    let question = |action| Question {
        whose: Whose::Role(notebook.role.clone()),
        action,
        resource: None,
        alternates: Vec::new(),
        keys: Vec::new(),
    };
    ACTIONS.into_iter().map(question).collect()
}

pub(super) fn questions(snapshot: &Snapshot) -> Vec<Question> {
    with_accelerators(snapshot).flat_map(connecting).collect()
}

/// R4.2 and R4.5 to R4.8, for each notebook instance with an accelerator.
pub(super) fn elastic_inference(snapshot: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    for notebook in with_accelerators(snapshot) {
        found.extend(permission(snapshot, notebook));
        let Some(id) = &notebook.interface else { continue };
        let Some(vpc) = snapshot.interface(id).map(|it| it.vpc.clone()) else { continue };
        let endpoints = snapshot.endpoints(&vpc, SHORT);
        if endpoints.is_empty() {
            found.push(missing(snapshot, notebook, id, &vpc));
        }
        for (endpoint_id, endpoint) in endpoints {
            found.extend(zones(snapshot, &vpc, endpoint_id, endpoint));
            found.extend(path(snapshot, notebook, id, (endpoint_id, endpoint)));
            found.extend(others(snapshot, endpoint_id, endpoint));
        }
    }
    found
}

fn permission(snapshot: &Snapshot, notebook: &Notebook) -> Option<Finding> {
    let asked = connecting(notebook).into_iter();
    let lacking: Vec<&str> = asked
        .filter(|question| !snapshot.verdict(question).allowed)
        .map(|question| question.action)
        .collect();
    if lacking.is_empty() {
        return None;
    }
    let text = format!(
        "{}, the role of {}, lacks {} for its accelerator",
        notebook.role,
        notebook.name,
        lacking.join(", ")
    );
    let allow = json!({ "Effect": "Allow", "Action": lacking, "Resource": "*" });
    let mend = snapshot
        .roles
        .get(&notebook.role)
        .map(|role| put_role_policy(&role.name, "ElasticInference", &allow));
    let objects = [notebook.role.as_str(), notebook.name.as_str()];
    Some(Finding::new(Level::Error, (CHECK, "R4.2"), &objects, text, mend))
}

/// R4.7. Where the service is not offered nothing can be made, and that is said.
fn missing(snapshot: &Snapshot, notebook: &Notebook, interface: &str, vpc: &str) -> Finding {
    let service = snapshot.service_name(SHORT);
    let objects = [vpc, notebook.name.as_str()];
    let about = (CHECK, "R4.7");
    let text = format!(
        "{vpc} has no endpoint for {service}, which the accelerator of {} needs",
        notebook.name
    );
    let group = snapshot.interface(interface).and_then(|it| it.groups.first());
    let (Some(_), Some(group)) = (snapshot.service(SHORT), group) else {
        let text = format!("{text}; it cannot be made here, as Sagegate does not serve it");
        return Finding::new(Level::Warning, about, &objects, text, None);
    };
    let all: Vec<String> = snapshot
        .topology
        .subnets
        .iter()
        .filter(|(_, it)| it.vpc == vpc)
        .map(|(id, _)| id.clone())
        .collect();
    let subnets = snapshot.one_a_zone(&all);
    let mut words = vec![
        "ec2",
        "create-vpc-endpoint",
        "--vpc-endpoint-type",
        "Interface",
        "--vpc-id",
        vpc,
        "--service-name",
        &service,
        "--private-dns-enabled",
        "--security-group-ids",
        group,
        "--subnet-ids",
    ];
    words.extend(subnets.iter().map(String::as_str));
    Finding::new(Level::Error, about, &objects, text, Some(aws(&words)))
}

/// R4.8: two zones at least.
fn zones(snapshot: &Snapshot, vpc: &str, id: &str, endpoint: &Endpoint) -> Option<Finding> {
    let places = snapshot.places(endpoint);
    let zones: BTreeSet<&String> = places.iter().map(|(zone, _)| zone).collect();
    if zones.len() > 1 {
        return None;
    }
    let other =
        snapshot.topology.subnets.iter().find(|(_, it)| it.vpc == vpc && !zones.contains(&it.zone));
    let mend = other.map(|(subnet, _)| {
        aws(&["ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", id, "--add-subnet-ids", subnet])
    });
    let text = format!("{id} is in fewer than two zones, in which Elastic Inference does not work");
    Some(Finding::new(Level::Error, (CHECK, "R4.8"), &[id], text, mend))
}

/// R4.5 and R4.6: the notebook's group may go to the endpoint's.
fn path(
    snapshot: &Snapshot,
    notebook: &Notebook,
    interface: &str,
    (id, endpoint): (&str, &Endpoint),
) -> Option<Finding> {
    let EndpointKind::Interface { interfaces, .. } = &endpoint.kind else { return None };
    let visit = Visit::of_interface(snapshot, interface)?;
    let targets = interfaces.iter().filter_map(|id| snapshot.interface(id)?.addresses.first());
    for target in targets.map(|it| it.private) {
        for client in &visit.clients {
            let walk = visit.walk(client, target, Packet::HTTPS);
            let Some(explanation) = &walk.explanation else { continue };
            let text = format!(
                "{} does not get to {id} for its accelerator: {}",
                notebook.name, explanation.text
            );
            let mend = let_through(&visit, client, target, Packet::HTTPS, &walk);
            let objects = [id, notebook.name.as_str(), interface];
            return Some(Finding::new(Level::Error, (CHECK, "R4.6"), &objects, text, mend));
        }
    }
    None
}

/// R4.6: nobody else is let in at the endpoint.
fn others(snapshot: &Snapshot, id: &str, endpoint: &Endpoint) -> Vec<Finding> {
    let EndpointKind::Interface { interfaces, .. } = &endpoint.kind else { return Vec::new() };
    let groups: BTreeSet<&String> = interfaces
        .iter()
        .filter_map(|id| snapshot.interface(id))
        .flat_map(|it| &it.groups)
        .collect();
    let mut found = Vec::new();
    for group in groups {
        let Some(rules) = snapshot.topology.security_groups.get(group) else { continue };
        for held in &rules.ingress {
            if matches!(held.rule.peer, Peer::Group(_)) {
                continue;
            }
            let text = format!(
                "{group}, a security group of {id}, lets in {} by {}: only the group of the instances should come \
                 in",
                held.rule.peer, held.id
            );
            let mend = aws(&[
                "ec2",
                "revoke-security-group-ingress",
                "--group-id",
                group,
                "--security-group-rule-ids",
                &held.id,
            ]);
            let objects = [group.as_str(), id, held.id.as_str()];
            found.push(Finding::new(Level::Warning, (CHECK, "R4.6"), &objects, text, Some(mend)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{Service, Verdict};
    use crate::testing::{ROLE, STUDIO, mended, snapshot, texts};

    const SERVICE: &str = "com.amazonaws.us-west-2.elastic-inference.runtime";

    fn with(lines: &str) -> Snapshot {
        let mut it = snapshot(&format!(
            "{STUDIO}\neni eni-n subnet-a 10.0.1.9 sg=sg-two\nout sg-two tcp:443 sg-one\n{lines}"
        ));
        it.notebooks = vec![Notebook {
            name: "n".into(),
            role: ROLE.into(),
            interface: Some("eni-n".into()),
            direct_internet: true,
            accelerators: vec!["ml.eia2.medium".into()],
        }];
        for question in questions(&it) {
            it.verdicts
                .insert(question, Verdict { allowed: true, denied: false, text: String::new() });
        }
        it
    }

    fn endpoint(places: &str) -> String {
        format!("endpoint vpce-ei vpc-a {SERVICE} {places} sg=sg-one\nout sg-one all 0.0.0.0/0")
    }

    const BOTH: &str = "subnet-a=10.0.1.12 subnet-b=10.0.2.12";

    #[test]
    fn the_documented_set_up_is_right() {
        let it = with(&format!("{}\nin sg-one tcp:443 sg-two", endpoint(BOTH)));
        assert_eq!(elastic_inference(&it), []);
        // Nobody without an accelerator is asked for any of it.
        assert_eq!(elastic_inference(&snapshot(STUDIO)), []);
    }

    #[test]
    fn each_part_that_is_missing_is_told() {
        let found = elastic_inference(&with(""));
        assert_eq!((found[0].level, found[0].mend.as_ref()), (Level::Warning, None));
        let mut offered = with("");
        offered.services.push(Service { name: SERVICE.into(), private_name: "x".into() });
        let found = elastic_inference(&offered);
        assert!(
            mended(&found)[0]
                .ends_with("--security-group-ids sg-two --subnet-ids subnet-a subnet-b")
        );

        let one = format!("{}\nin sg-one tcp:443 sg-two", endpoint("subnet-a=10.0.1.12"));
        let found = elastic_inference(&with(&one));
        assert_eq!(
            texts(&found),
            [
                "error R4.8 vpce-ei: vpce-ei is in fewer than two zones, in which Elastic Inference does not work"
            ]
        );
        assert_eq!(
            mended(&found),
            ["aws ec2 modify-vpc-endpoint --vpc-endpoint-id vpce-ei --add-subnet-ids subnet-b"]
        );

        let found = elastic_inference(&with(&endpoint(BOTH)));
        assert_eq!(found[0].requirement, "R4.6");
        assert_eq!(
            mended(&found),
            [
                "aws ec2 authorize-security-group-ingress --group-id sg-one --protocol tcp --port 443 --source-group sg-two"
            ]
        );

        let open =
            format!("{}\nin sg-one tcp:443 sg-two\nin sg-one tcp:443 10.0.0.0/16", endpoint(BOTH));
        let found = elastic_inference(&with(&open));
        assert_eq!(found[0].level, Level::Warning);
        assert!(mended(&found)[0].contains("revoke-security-group-ingress --group-id sg-one"));
    }

    #[test]
    fn the_role_may_connect() {
        let mut it = with(&format!("{}\nin sg-one tcp:443 sg-two", endpoint(BOTH)));
        for (question, verdict) in &mut it.verdicts {
            verdict.allowed = question.action != "elastic-inference:Connect";
        }
        let found = elastic_inference(&it);
        assert_eq!(found[0].requirement, "R4.2");
        assert!(
            mended(&found)[0].contains(r#""Action":["elastic-inference:Connect"]"#),
            "{found:?}"
        );
    }
}

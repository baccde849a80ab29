//! A set-up in which nothing is wrong, and what tests change in it.

use std::sync::Arc;

use sagegate_network::public;
use sagegate_network::sketch;

use crate::checks::questions;
use crate::finding::Finding;
use crate::snapshot::{Client, Domain, Role, Service, Snapshot, Trust, Verdict};

/// A domain whose clients come by endpoints in two zones.
pub(crate) const STUDIO: &str = "
    vpc vpc-a 10.0.0.0/16
    subnet subnet-a vpc-a 10.0.1.0/24 az=us-west-2a
    subnet subnet-b vpc-a 10.0.2.0/24 az=us-west-2b
    endpoint vpce-api vpc-a com.amazonaws.us-west-2.sagemaker.api subnet-a=10.0.1.6 subnet-b=10.0.2.6 sg=sg-end private=api.sagemaker.us-west-2.amazonaws.com
    endpoint vpce-studio vpc-a aws.sagemaker.us-west-2.studio subnet-a=10.0.1.7 subnet-b=10.0.2.7 sg=sg-end private=*.studio.us-west-2.sagemaker.aws
    eni eni-home-a subnet-a 10.0.1.8 sg=sg-in service
    eni eni-home-b subnet-b 10.0.2.8 sg=sg-in service
    pl com.amazonaws.us-west-2.s3 192.0.2.0/24
    in sg-end tcp:443 sg-apps
    in sg-apps tcp:8192-65535 sg-apps
    out sg-apps all 0.0.0.0/0
    out sg-out tcp:2049 sg-in
    in sg-in tcp:2049 sg-out
";

pub(crate) const ROLE: &str = "arn:aws:iam::123456789012:role/team/Studio";

/// The set-up without the lines that begin like this, or with an object of this id.
pub(crate) fn without(text: &str, what: &str) -> String {
    let kept = |line: &&str| {
        let line = line.trim();
        !line.starts_with(what) && line.split(' ').nth(1) != Some(what)
    };
    text.lines().filter(kept).collect::<Vec<_>>().join("\n")
}

/// The domain `d-1` in a sketched network. Whatever policies are asked allow.
pub(crate) fn snapshot(text: &str) -> Snapshot {
    let mut topology = sketch::topology(text).unwrap();
    // A sketch calls prefix lists by their ids.
    if let Some(list) = topology.prefix_lists.remove("com.amazonaws.us-west-2.s3") {
        topology.prefix_lists.insert("pl-s3".into(), list);
    }
    let service = |name: &str, private_name: &str| Service {
        name: name.to_owned(),
        private_name: private_name.to_owned(),
    };
    let clients = topology.subnets.iter().map(|(id, subnet)| {
        let last = subnet.blocks[0].hosts().last().unwrap();
        (id.clone(), Client { address: last, group: "sg-default".into() })
    });
    let names = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let mut it = Snapshot {
        account: "123456789012".into(),
        region: "us-west-2".into(),
        partition: "aws".into(),
        services: vec![
            service("aws.sagemaker.us-west-2.studio", "*.studio.us-west-2.sagemaker.aws"),
            service(
                "com.amazonaws.us-west-2.sagemaker.api",
                "api.sagemaker.us-west-2.amazonaws.com",
            ),
            service("com.amazonaws.us-west-2.sts", "sts.us-west-2.amazonaws.com"),
            service("com.amazonaws.us-west-2.ssmmessages", "ssmmessages.us-west-2.amazonaws.com"),
        ],
        public: public::services("us-west-2"),
        clients: clients.collect(),
        free: topology.subnets.keys().map(|id| (id.clone(), 200)).collect(),
        vpcs: topology.vpcs.keys().cloned().collect(),
        ..Snapshot::default()
    };
    if topology.subnets.contains_key("subnet-a") {
        it.domains = vec![Domain {
            id: "d-1".into(),
            vpc: Some("vpc-a".into()),
            subnets: names(&["subnet-a", "subnet-b"]),
            groups: vec![names(&["sg-apps"])],
            nfs: Some(("sg-in".into(), "sg-out".into())),
            mount_targets: names(&["eni-home-a", "eni-home-b"]),
            roles: names(&[ROLE]),
            profiles: names(&["alice"]),
            ..Domain::default()
        }];
        let role = Role { name: "Studio".into(), trust: Trust::Given, document: String::new() };
        it.roles.insert(ROLE.into(), role);
    }
    it.topology = Arc::new(topology);
    for question in questions(&it) {
        it.verdicts.insert(question, Verdict { allowed: true, denied: false, text: String::new() });
    }
    it
}

/// Has policies refuse an action.
pub(crate) fn refuse(snapshot: &mut Snapshot, action: &str) {
    for (question, verdict) in &mut snapshot.verdicts {
        verdict.allowed &= question.action != action;
    }
}

/// Findings, one a line.
pub(crate) fn texts(found: &[Finding]) -> Vec<String> {
    let line = |it: &Finding| {
        format!("{} {} {}: {}", it.level.as_str(), it.requirement, it.objects.join(" "), it.text)
    };
    found.iter().map(line).collect()
}

/// Their commands.
pub(crate) fn mended(found: &[Finding]) -> Vec<String> {
    found.iter().filter_map(|it| it.mend.clone()).collect()
}

#[test]
fn nothing_is_wrong_where_nothing_is_wrong() {
    assert_eq!(crate::examine(&snapshot(STUDIO)), []);
    assert_eq!(crate::examine(&Snapshot::default()), []);
}

#[test]
fn checks_have_names_of_their_own() {
    let mut names: Vec<&str> = crate::CHECKS.iter().map(|it| it.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), crate::CHECKS.len());
}

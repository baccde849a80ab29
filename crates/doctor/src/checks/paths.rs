//! Paths: what has to reach what, as the packet walk finds it.

use std::net::IpAddr;

use sagegate_network::reach::Outcome;
use sagegate_network::security_group::Packet;
use sagegate_network::topology::{EndpointKind, Topology};
use sagegate_network::walk::{Code, Walk};

use super::names::OWN;
use crate::ask::{Visit, tcp};
use crate::command::{aws, let_out, let_through};
use crate::finding::{Finding, Level};
use crate::snapshot::{Domain, Snapshot};

const PAGE: &str = "Connect Studio in a VPC to external resources";

fn why(walk: &Walk) -> String {
    walk.explanation.as_ref().map_or_else(String::new, |it| it.text.clone())
}

/// The first client, of all groups that a domain's apps have, whose packet does not get to an address.
fn stopped(
    visits: &[Visit],
    targets: &[IpAddr],
    packet: Packet,
) -> Option<(Walk, Vec<String>, Option<String>)> {
    for visit in visits {
        for client in &visit.clients {
            for to in targets.iter().filter(|to| **to != client.address) {
                let walk = visit.walk(client, *to, packet);
                if !walk.reached() {
                    let mend = let_through(visit, client, *to, packet, &walk);
                    let mut concerned = visit.groups.clone();
                    concerned.push(client.subnet.clone());
                    return Some((walk, concerned, mend));
                }
            }
        }
    }
    None
}

/// The private addresses of interfaces.
fn addresses<'a>(topology: &Topology, ids: impl IntoIterator<Item = &'a String>) -> Vec<IpAddr> {
    let found = ids.into_iter().filter_map(|id| topology.interfaces.get(id));
    found.filter_map(|it| it.addresses.first()).map(|it| it.private).collect()
}

/// R1.3: HTTPS from the security groups of Studio to each endpoint of SageMaker, from every subnet.
pub(super) fn https_from_studio(snapshot: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    for domain in &snapshot.domains {
        let Some(vpc) = &domain.vpc else { continue };
        let mut endpoints: Vec<_> =
            OWN.into_iter().flat_map(|it| snapshot.endpoints(vpc, it)).collect();
        // Those of a domain with the internet call the others by it.
        if domain.vpc_only {
            endpoints =
                snapshot.topology.endpoints.iter().filter(|(_, it)| it.vpc == *vpc).collect();
        }
        let visits = Visit::of_domain(snapshot, domain);
        for (id, endpoint) in endpoints {
            let EndpointKind::Interface { interfaces, .. } = &endpoint.kind else { continue };
            let targets = addresses(&snapshot.topology, interfaces);
            let Some((walk, concerned, mend)) = stopped(&visits, &targets, Packet::HTTPS) else {
                continue;
            };
            let text =
                format!("HTTPS from apps of {} does not get to {id}: {}", domain.id, why(&walk));
            let mut objects = vec![id.as_str(), domain.id.as_str()];
            objects.extend(concerned.iter().map(String::as_str));
            let about = ("https-from-studio", "R1.3");
            found.push(Finding::new(Level::Error, about, &objects, text, mend));
        }
    }
    found
}

/// An address of S3, and the prefix list that it is in.
fn s3(snapshot: &Snapshot) -> Option<(String, String, IpAddr)> {
    snapshot.topology.prefix_lists.iter().find_map(|(id, list)| {
        let name = list.name.ends_with(".s3").then(|| list.name.clone())?;
        let block = list.blocks.iter().find(|it| it.addr().is_ipv4())?;
        Some((id.clone(), name, block.hosts().next()?))
    })
}

/// R2.5: what has no internet reaches S3 by a gateway endpoint with a route in its table.
pub(super) fn s3_endpoint(snapshot: &Snapshot) -> Vec<Finding> {
    let Some((list, service, address)) = s3(snapshot) else { return Vec::new() };
    let mut found = Vec::new();
    for domain in snapshot.domains.iter().filter(|it| it.vpc_only) {
        let Some(vpc) = &domain.vpc else { continue };
        let visits = Visit::of_domain(snapshot, domain);
        let Some((walk, concerned, through)) = stopped(&visits, &[address], Packet::HTTPS) else {
            continue;
        };
        let mend = if is_of_routes(&walk) {
            Some(route_to_s3(snapshot, domain, vpc, (&list, &service)))
        } else {
            // Security groups name the list, whose addresses change.
            let group = concerned.first().filter(|_| through.is_some());
            let stopped_by_group = walk
                .explanation
                .as_ref()
                .is_some_and(|it| matches!(it.code, Code::EniSgRulesMismatch | Code::SgHasNoRules));
            let peer = sagegate_network::security_group::Peer::PrefixList(list.clone());
            match group {
                Some(group) if stopped_by_group => Some(let_out(group, 443, &peer)),
                _ => through,
            }
        };
        let text = format!("apps of {} do not get to S3: {}", domain.id, why(&walk));
        let mut objects = vec![vpc.as_str(), domain.id.as_str()];
        objects.extend(concerned.iter().map(String::as_str));
        let about = ("s3-endpoint", "R2.5");
        found.push(Finding::new(Level::Error, about, &objects, text, mend));
    }
    found
}

/// Whether it is for want of a way, not of a permission, that a packet is lost.
fn is_of_routes(walk: &Walk) -> bool {
    walk.explanation.as_ref().is_some_and(|it| {
        !matches!(
            it.code,
            Code::EniSgRulesMismatch | Code::SgHasNoRules | Code::SubnetAclRestriction
        )
    })
}

/// Makes the gateway endpoint, or gives it the domain's route tables.
fn route_to_s3(
    snapshot: &Snapshot,
    domain: &Domain,
    vpc: &str,
    (list, service): (&str, &str),
) -> String {
    let mut tables: Vec<&str> = domain
        .subnets
        .iter()
        .filter_map(|it| snapshot.subnet(it))
        .map(|it| it.route_table.as_str())
        .collect();
    tables.sort_unstable();
    tables.dedup();
    let own = snapshot.topology.endpoints.iter().find(|(_, it)| {
        let of_list =
            matches!(&it.kind, EndpointKind::Gateway { prefix_list } if prefix_list == list);
        it.vpc == vpc && of_list
    });
    let mut words = match own {
        None => vec![
            "ec2",
            "create-vpc-endpoint",
            "--vpc-endpoint-type",
            "Gateway",
            "--vpc-id",
            vpc,
            "--service-name",
            service,
            "--route-table-ids",
        ],
        Some((id, _)) => {
            // It takes no table twice.
            let routed = |table: &&str| {
                let table = snapshot.topology.route_tables.get(*table);
                table.is_some_and(|table| {
                    table.routes.iter().any(|route| {
                        let target = &route.target;
                        matches!(target, sagegate_network::topology::Target::GatewayEndpoint(it) if it == id)
                    })
                })
            };
            tables.retain(|table| !routed(table));
            vec!["ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", id, "--add-route-table-ids"]
        }
    };
    words.extend(tables);
    aws(&words)
}

/// NFS between the security groups of a domain: apps mount their home directories.
pub(super) fn nfs(snapshot: &Snapshot) -> Vec<Finding> {
    const NFS: u16 = 2_049;
    let mut found = Vec::new();
    for domain in &snapshot.domains {
        let Some((inbound, outbound)) = &domain.nfs else { continue };
        let targets = addresses(&snapshot.topology, &domain.mount_targets);
        let visits = Visit::of_domain(snapshot, domain);
        let Some((walk, concerned, _)) = stopped(&visits, &targets, tcp(NFS)) else { continue };
        // The rules are those of the two groups that SageMaker made for it.
        let own = vec![outbound.clone()];
        let made = Visit::new(snapshot, &domain.subnets, &own);
        let mend = stopped(std::slice::from_ref(&made), &targets, tcp(NFS)).and_then(|it| it.2);
        let text = format!(
            "NFS from apps of {} does not get to their home file system: {}",
            domain.id,
            why(&walk)
        );
        let mut objects = vec![domain.id.as_str(), inbound.as_str()];
        objects.extend(concerned.iter().map(String::as_str));
        found.push(Finding::new(Level::Error, ("nfs", PAGE), &objects, text, mend));
    }
    found
}

/// Apps of a VpcOnly domain reach each other at ports 8192 to 65535: the Jupyter server its kernels.
pub(super) fn apps_among_themselves(snapshot: &Snapshot) -> Vec<Finding> {
    const PORTS: [u16; 2] = [8_192, 65_535];
    let mut found = Vec::new();
    for domain in snapshot.domains.iter().filter(|it| it.vpc_only) {
        let visits = Visit::of_domain(snapshot, domain);
        for visit in visits {
            let targets: Vec<IpAddr> = visit.clients.iter().map(|it| it.address).collect();
            let one = std::slice::from_ref(&visit);
            let Some((walk, concerned, mend)) =
                PORTS.iter().find_map(|port| stopped(one, &targets, tcp(*port)))
            else {
                continue;
            };
            let mend = mend.map(|_| among(&visit, &walk));
            let text = format!(
                "apps of {} with the same security groups do not reach each other at ports {}-{}: {}",
                domain.id,
                PORTS[0],
                PORTS[1],
                why(&walk)
            );
            let mut objects = vec![domain.id.as_str()];
            objects.extend(concerned.iter().map(String::as_str));
            let about = ("apps-among-themselves", PAGE);
            found.push(Finding::new(Level::Warning, about, &objects, text, mend));
        }
    }
    found
}

/// Lets a group's members reach each other at the ports of apps.
fn among(visit: &Visit, walk: &Walk) -> String {
    let group = visit.groups.first().map_or("", String::as_str);
    // Whoever was stopped before it came to the other side was stopped on its way out.
    let out = walk.forward.len() < 2;
    let way =
        if out { "authorize-security-group-egress" } else { "authorize-security-group-ingress" };
    let permission =
        format!("IpProtocol=tcp,FromPort=8192,ToPort=65535,UserIdGroupPairs=[{{GroupId={group}}}]");
    aws(&["ec2", way, "--group-id", group, "--ip-permissions", &permission])
}

/// R2.10: a notebook instance without internet of its own reaches SageMaker by an endpoint or a NAT
/// gateway, and its security groups let it.
pub(super) fn notebook_network(snapshot: &Snapshot) -> Vec<Finding> {
    let Some(service) = snapshot.service("sagemaker.api") else { return Vec::new() };
    let mut found = Vec::new();
    for notebook in snapshot.notebooks.iter().filter(|it| !it.direct_internet) {
        let Some(id) = &notebook.interface else { continue };
        let Some(visit) = Visit::of_interface(snapshot, id) else { continue };
        for client in &visit.clients {
            let reach = visit.call(snapshot, client, &service.private_name);
            if reach.outcome == Outcome::Reached {
                continue;
            }
            let tried = reach.tries.iter().find(|it| !it.reached());
            let mend = tried
                .and_then(|it| let_through(&visit, client, it.address, Packet::HTTPS, &it.walk));
            let why = reach.failure().map_or_else(String::new, |it| it.text.clone());
            let text = format!(
                "{}, a notebook instance without internet, does not reach SageMaker: {why}",
                notebook.name
            );
            let objects = [notebook.name.as_str(), id.as_str()];
            let about = ("notebook-network", "R2.10");
            found.push(Finding::new(Level::Error, about, &objects, text, mend));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Notebook;
    use crate::testing::{STUDIO, mended, snapshot, texts, without};

    #[test]
    fn endpoints_let_studio_in() {
        assert_eq!(https_from_studio(&snapshot(STUDIO)), []);
        let shut = without(STUDIO, "in sg-end");
        let found = https_from_studio(&snapshot(&shut));
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].objects, ["vpce-api", "d-1", "sg-apps", "sg-out", "subnet-a"]);
        assert_eq!(
            mended(&found)[0],
            "aws ec2 authorize-security-group-ingress --group-id sg-end --protocol tcp --port 443 --source-group sg-apps"
        );
        let mute = without(STUDIO, "out sg-apps");
        let found = https_from_studio(&snapshot(&mute));
        assert_eq!(
            mended(&found)[0],
            "aws ec2 authorize-security-group-egress --group-id sg-apps --ip-permissions 'IpProtocol=tcp,FromPort=443,ToPort=443,UserIdGroupPairs=[{GroupId=sg-end}]'"
        );
    }

    #[test]
    fn network_acls_are_asked_both_ways() {
        let acl = |lines: &str| {
            let text = format!(
                "{STUDIO}\nin acl-a 100 allow all 0.0.0.0/0\nout acl-a 100 allow all 0.0.0.0/0\n{lines}\n\
                 subnet subnet-a vpc-a 10.0.1.0/24 acl=acl-a az=us-west-2a"
            );
            https_from_studio(&snapshot(&text))
        };
        assert_eq!(acl(""), []);
        let found = acl("out acl-a 90 deny tcp:443 10.0.2.0/24");
        assert!(
            mended(&found)[0].contains(
                "create-network-acl-entry --network-acl-id acl-a --egress --rule-number 89 --protocol tcp \
                 --port-range From=443,To=443 --cidr-block 10.0.2.0/24 --rule-action allow"
            ),
            "{found:?}"
        );
        let found = acl("in acl-a 90 deny tcp:1024-65535 10.0.2.0/24");
        assert!(
            mended(&found)[0].contains(
                "--ingress --rule-number 89 --protocol tcp --port-range From=1024,To=65535 --cidr-block 10.0.2.0/24"
            ),
            "{found:?}"
        );
    }

    #[test]
    fn apps_without_internet_reach_s3() {
        let mut only = snapshot(STUDIO);
        assert_eq!(s3_endpoint(&only), []);
        only.domains[0].vpc_only = true;
        let found = s3_endpoint(&only);
        assert_eq!(found[0].level, Level::Error);
        assert_eq!(
            mended(&found),
            [
                "aws ec2 create-vpc-endpoint --vpc-endpoint-type Gateway --vpc-id vpc-a --service-name com.amazonaws.us-west-2.s3 --route-table-ids rtb-main-vpc-a"
            ]
        );
        let with = |lines: &str| {
            let gateway = "gateway vpce-s3 vpc-a com.amazonaws.us-west-2.s3 pl-s3";
            let mut it = snapshot(&format!("{STUDIO}\n{gateway}\n{lines}"));
            it.domains[0].vpc_only = true;
            s3_endpoint(&it)
        };
        // An endpoint without a route in one of the tables.
        let found = with(
            "rtb rtb-main-vpc-a vpc-a pl-s3>vpce-s3\nrtb rtb-b vpc-a\n\
             subnet subnet-b vpc-a 10.0.2.0/24 rtb=rtb-b az=us-west-2b",
        );
        assert_eq!(
            mended(&found),
            ["aws ec2 modify-vpc-endpoint --vpc-endpoint-id vpce-s3 --add-route-table-ids rtb-b"]
        );
        assert_eq!(with("rtb rtb-main-vpc-a vpc-a pl-s3>vpce-s3"), []);
    }

    #[test]
    fn security_groups_let_out_to_s3() {
        let shut = STUDIO.replace("out sg-apps all 0.0.0.0/0", "out sg-apps tcp:443 10.0.0.0/16");
        let mut only = snapshot(&format!(
            "{shut}\ngateway vpce-s3 vpc-a com.amazonaws.us-west-2.s3 pl-s3\n\
             rtb rtb-main-vpc-a vpc-a pl-s3>vpce-s3"
        ));
        only.domains[0].vpc_only = true;
        assert_eq!(
            mended(&s3_endpoint(&only)),
            [
                "aws ec2 authorize-security-group-egress --group-id sg-apps --ip-permissions 'IpProtocol=tcp,FromPort=443,ToPort=443,PrefixListIds=[{PrefixListId=pl-s3}]'"
            ]
        );
    }

    #[test]
    fn apps_mount_their_homes() {
        assert_eq!(nfs(&snapshot(STUDIO)), []);
        let shut = without(STUDIO, "in sg-in");
        let found = nfs(&snapshot(&shut));
        assert_eq!(found[0].level, Level::Error);
        assert_eq!(
            mended(&found),
            [
                "aws ec2 authorize-security-group-ingress --group-id sg-in --protocol tcp --port 2049 --source-group sg-out"
            ]
        );
        // The apps' own groups let everything out; without them it is that of NFS that must.
        let mute = without(&without(STUDIO, "out sg-apps"), "out sg-out");
        let found = nfs(&snapshot(&mute));
        assert!(mended(&found)[0].contains("egress --group-id sg-out"), "{found:?}");
    }

    #[test]
    fn apps_reach_each_other() {
        let mut only = snapshot(STUDIO);
        assert_eq!(apps_among_themselves(&only), [], "it is for VpcOnly");
        only.domains[0].vpc_only = true;
        assert_eq!(apps_among_themselves(&only), []);
        let mut shut = snapshot(&without(STUDIO, "in sg-apps"));
        shut.domains[0].vpc_only = true;
        assert_eq!(
            mended(&apps_among_themselves(&shut)),
            [
                "aws ec2 authorize-security-group-ingress --group-id sg-apps --ip-permissions 'IpProtocol=tcp,FromPort=8192,ToPort=65535,UserIdGroupPairs=[{GroupId=sg-apps}]'"
            ]
        );
    }

    #[test]
    fn notebooks_without_internet_reach_the_api() {
        let text =
            format!("{STUDIO}\neni eni-n subnet-a 10.0.1.9 sg=sg-note\nout sg-note all 0.0.0.0/0");
        let mut it = snapshot(&text);
        it.notebooks = vec![Notebook {
            name: "n".into(),
            interface: Some("eni-n".into()),
            direct_internet: true,
            ..Notebook::default()
        }];
        assert_eq!(notebook_network(&it), []);
        it.notebooks[0].direct_internet = false;
        let found = notebook_network(&it);
        assert_eq!(texts(&found).len(), 1);
        assert_eq!(
            mended(&found),
            [
                "aws ec2 authorize-security-group-ingress --group-id sg-end --protocol tcp --port 443 --source-group sg-note"
            ]
        );
        let open = format!("{text}\nin sg-end tcp:443 sg-note");
        let notebooks = it.notebooks.clone();
        let mut it = snapshot(&open);
        it.notebooks = notebooks;
        assert_eq!(notebook_network(&it), []);
    }
}

//! Endpoints: which there are to be, and where.

use sagegate_network::reach::Outcome;

use super::names::OWN;
use crate::ask::Visit;
use crate::command::aws;
use crate::finding::{Finding, Level};
use crate::snapshot::{Domain, Snapshot};

/// The command that makes an interface endpoint for a domain: a subnet in each zone, and the groups of the
/// VPC's other endpoints, or else the VPC's default one.
fn create(snapshot: &Snapshot, domain: &Domain, vpc: &str, service: &str) -> Option<String> {
    let own = snapshot.topology.endpoints.iter().filter(|(_, it)| it.vpc == vpc);
    let group =
        own.flat_map(|(_, it)| snapshot.places(it).into_iter().map(move |_| it)).find_map(|it| {
            match &it.kind {
                sagegate_network::topology::EndpointKind::Interface { interfaces, .. } => {
                    interfaces.iter().find_map(|id| snapshot.interface(id)?.groups.first())
                }
                sagegate_network::topology::EndpointKind::Gateway { .. } => None,
            }
        });
    let default = domain.subnets.iter().find_map(|it| snapshot.clients.get(it)).map(|it| &it.group);
    let subnets = snapshot.one_a_zone(&domain.subnets);
    let mut words = vec![
        "ec2",
        "create-vpc-endpoint",
        "--vpc-endpoint-type",
        "Interface",
        "--vpc-id",
        vpc,
        "--service-name",
        service,
        "--private-dns-enabled",
        "--security-group-ids",
        group.or(default)?,
        "--subnet-ids",
    ];
    words.extend(subnets.iter().map(String::as_str));
    Some(aws(&words))
}

/// R1.4: one endpoint for Studio and one for the API. A VPC with neither does not mean to have Studio by
/// endpoints, which is no error where its domain has the internet.
pub(super) fn two_endpoints(snapshot: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    for domain in &snapshot.domains {
        let Some(vpc) = &domain.vpc else { continue };
        let missing: Vec<&str> =
            OWN.into_iter().filter(|it| snapshot.endpoints(vpc, it).is_empty()).collect();
        for short in &missing {
            let Some(service) = snapshot.service(short) else { continue };
            let level = match missing.len() == OWN.len() && !domain.vpc_only {
                true => Level::Info,
                false => Level::Error,
            };
            let text = format!(
                "{vpc}, the VPC of {}, has no endpoint for {}: {}",
                domain.id,
                service.name,
                match *short {
                    "studio" => "Studio opens over the internet only",
                    _ => "presigned URLs are made over the internet only",
                }
            );
            let mend = create(snapshot, domain, vpc, &service.name);
            let about = ("two-endpoints", "R1.4");
            found.push(Finding::new(level, about, &[vpc, &domain.id], text, mend));
        }
    }
    found
}

/// R1.2: endpoints in all subnets from which users connect. Of subnets in the same zone an endpoint takes
/// one (AWS PrivateLink Guide, "Subnets and Availability Zones").
pub(super) fn endpoint_subnets(snapshot: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    for domain in &snapshot.domains {
        let Some(vpc) = &domain.vpc else { continue };
        for (id, endpoint) in OWN.into_iter().flat_map(|it| snapshot.endpoints(vpc, it)) {
            let places = snapshot.places(endpoint);
            let lacks = |subnet: &&String| {
                let zone = snapshot.subnet(subnet).map(|it| it.zone.as_str());
                zone.is_some_and(|zone| !places.iter().any(|(own, _)| own == zone))
            };
            let lacking: Vec<String> = domain.subnets.iter().filter(lacks).cloned().collect();
            if lacking.is_empty() {
                continue;
            }
            let text = format!(
                "{id} has no interface for {}, from where users of {} connect",
                lacking.join(", "),
                domain.id
            );
            let add = snapshot.one_a_zone(&lacking);
            let mut words =
                vec!["ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", id, "--add-subnet-ids"];
            words.extend(add.iter().map(String::as_str));
            let mut objects = vec![id.as_str()];
            objects.extend(lacking.iter().map(String::as_str));
            let about = ("endpoint-subnets", "R1.2");
            found.push(Finding::new(Level::Warning, about, &objects, text, Some(aws(&words))));
        }
    }
    found
}

/// What apps of a VpcOnly domain call besides Studio and its API (Amazon SageMaker AI Developer Guide,
/// "Connect Studio in a VPC to external resources"; with remote access, SPEC R0.11; partner apps are
/// asked for by those who use them, R3.2).
const OF_VPC_ONLY: [&str; 3] = ["sagemaker.runtime", "sts", "logs"];
const OF_REMOTE_ACCESS: [&str; 2] = ["ssm", "ssmmessages"];

/// Services that apps without internet call are reached, by an endpoint or by whichever way there is.
pub(super) fn vpc_only_services(snapshot: &Snapshot) -> Vec<Finding> {
    const PAGE: &str = "Connect Studio in a VPC to external resources";
    let mut found = Vec::new();
    for domain in snapshot.domains.iter().filter(|it| it.vpc_only) {
        let Some(vpc) = &domain.vpc else { continue };
        let remote = OF_REMOTE_ACCESS.map(|short| (short, "R0.11"));
        let remote = remote.into_iter().filter(|_| domain.remote_access);
        let mut not_here = Vec::new();
        for (short, source) in OF_VPC_ONLY.map(|it| (it, PAGE)).into_iter().chain(remote) {
            let Some(service) = snapshot.service(short) else {
                not_here.push(snapshot.service_name(short));
                continue;
            };
            // One that is there and is not reached is another check's finding.
            if !snapshot.endpoints(vpc, short).is_empty() {
                continue;
            }
            let host = Snapshot::host(service, &domain.id);
            let visits = Visit::of_domain(snapshot, domain);
            let failure = visits.iter().find_map(|visit| {
                visit.clients.iter().find_map(|client| {
                    let reach = visit.call(snapshot, client, &host);
                    let failed = reach.outcome != Outcome::Reached;
                    failed.then(|| reach.failure().map_or_else(String::new, |it| it.text.clone()))
                })
            });
            let Some(why) = failure else { continue };
            let text = format!(
                "apps of {} have only {vpc}, which has no endpoint for {}: {why}",
                domain.id, service.name
            );
            let mend = create(snapshot, domain, vpc, &service.name);
            let about = ("vpc-only-services", source);
            found.push(Finding::new(Level::Error, about, &[vpc, &domain.id], text, mend));
        }
        if !not_here.is_empty() {
            let text = format!(
                "apps of {} also need endpoints in AWS that cannot be made here: {}",
                domain.id,
                not_here.join(", ")
            );
            let about = ("vpc-only-services", PAGE);
            found.push(Finding::new(Level::Info, about, &[vpc, &domain.id], text, None));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{STUDIO, mended, snapshot, texts, without};

    #[test]
    fn studio_and_the_api_have_an_endpoint_each() {
        assert_eq!(two_endpoints(&snapshot(STUDIO)), []);
        let found = two_endpoints(&snapshot(&without(STUDIO, "vpce-api")));
        assert_eq!(
            texts(&found),
            [
                "error R1.4 vpc-a d-1: vpc-a, the VPC of d-1, has no endpoint for com.amazonaws.us-west-2.sagemaker.api: presigned URLs are made over the internet only"
            ]
        );
        assert_eq!(
            mended(&found),
            [
                "aws ec2 create-vpc-endpoint --vpc-endpoint-type Interface --vpc-id vpc-a --service-name com.amazonaws.us-west-2.sagemaker.api --private-dns-enabled --security-group-ids sg-end --subnet-ids subnet-a subnet-b"
            ]
        );
        // A domain with the internet needs neither; one without it both.
        let neither = without(&without(STUDIO, "vpce-api"), "vpce-studio");
        let mut without_any = snapshot(&neither);
        let levels =
            |it: &Snapshot| two_endpoints(it).iter().map(|it| it.level).collect::<Vec<_>>();
        assert_eq!(levels(&without_any), [Level::Info, Level::Info]);
        without_any.domains[0].vpc_only = true;
        assert_eq!(levels(&without_any), [Level::Error, Level::Error]);
    }

    #[test]
    fn endpoints_are_in_the_zones_of_all_subnets() {
        assert_eq!(endpoint_subnets(&snapshot(STUDIO)), []);
        let one = STUDIO.replace("subnet-a=10.0.1.6 subnet-b=10.0.2.6", "subnet-a=10.0.1.6");
        let found = endpoint_subnets(&snapshot(&one));
        assert_eq!(
            texts(&found),
            [
                "warning R1.2 vpce-api subnet-b: vpce-api has no interface for subnet-b, from where users of d-1 connect"
            ]
        );
        assert_eq!(
            mended(&found),
            ["aws ec2 modify-vpc-endpoint --vpc-endpoint-id vpce-api --add-subnet-ids subnet-b"]
        );
        // A second subnet of a zone is served by the first one's interface.
        let same = format!("{STUDIO}\nsubnet subnet-c vpc-a 10.0.3.0/24 az=us-west-2a");
        let mut same = snapshot(&same);
        same.domains[0].subnets.push("subnet-c".into());
        assert_eq!(endpoint_subnets(&same), []);
    }

    #[test]
    fn apps_without_internet_need_endpoints_for_what_they_call() {
        let mut only = snapshot(STUDIO);
        assert_eq!(vpc_only_services(&only), []);
        only.domains[0].vpc_only = true;
        only.domains[0].remote_access = true;
        let found = vpc_only_services(&only);
        let levels: Vec<Level> = found.iter().map(|it| it.level).collect();
        assert_eq!(levels, [Level::Error, Level::Error, Level::Info]);
        assert!(found[0].text.contains("no endpoint for com.amazonaws.us-west-2.sts"), "{found:?}");
        assert_eq!(found[1].requirement, "R0.11");
        assert!(found[1].mend.as_deref().unwrap().contains("us-west-2.ssmmessages"), "{found:?}");
        assert!(
            found[2].text.ends_with("us-west-2.logs, com.amazonaws.us-west-2.ssm"),
            "{found:?}"
        );
        // With a NAT gateway they are reached by the internet.
        let nat = format!(
            "{STUDIO}\nvpc vpc-a 10.0.0.0/16 igw=igw-a\nrtb rtb-nat vpc-a 0.0.0.0/0>nat-a\n\
             rtb rtb-out vpc-a 0.0.0.0/0>igw-a\nsubnet subnet-p vpc-a 10.0.9.0/24 rtb=rtb-out\n\
             nat nat-a subnet-p 10.0.9.5 public=198.51.100.7\n\
             subnet subnet-a vpc-a 10.0.1.0/24 rtb=rtb-nat az=us-west-2a\n\
             subnet subnet-b vpc-a 10.0.2.0/24 rtb=rtb-nat az=us-west-2b\n"
        );
        let mut nat = snapshot(&nat);
        nat.domains[0].vpc_only = true;
        assert!(vpc_only_services(&nat).iter().all(|it| it.level == Level::Info));
    }
}

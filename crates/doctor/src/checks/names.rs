//! Names: DNS attributes of VPCs and private DNS of endpoints.

use sagegate_network::dns::A;
use sagegate_network::topology::{Endpoint, EndpointKind};

use crate::command::aws;
use crate::finding::{Finding, Level};
use crate::snapshot::Snapshot;

/// What SageMaker is called by.
pub(super) const OWN: [&str; 2] = ["sagemaker.api", "studio"];

/// R1.5: private DNS needs `enableDnsSupport` and `enableDnsHostnames` (AWS PrivateLink Guide, "Access an
/// AWS service using an interface VPC endpoint", "Prerequisites").
pub(super) fn dns_attributes(snapshot: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    for id in &snapshot.vpcs {
        let Some(vpc) = snapshot.topology.vpcs.get(id) else { continue };
        let domain = snapshot.domains.iter().any(|it| it.vpc.as_ref() == Some(id));
        let endpoint = snapshot.topology.endpoints.values().any(|it| {
            it.vpc == *id && matches!(it.kind, EndpointKind::Interface { private_dns: true, .. })
        });
        if !domain && !endpoint {
            continue;
        }
        for (on, name, option) in [
            (vpc.dns_support, "enableDnsSupport", "--enable-dns-support"),
            (vpc.dns_hostnames, "enableDnsHostnames", "--enable-dns-hostnames"),
        ] {
            if on {
                continue;
            }
            let text = format!("{name} of {id} is off, so that names of AWS lead to no endpoint");
            let mend = aws(&["ec2", "modify-vpc-attribute", "--vpc-id", id, option]);
            let about = ("dns-attributes", "R1.5");
            found.push(Finding::new(Level::Error, about, &[id], text, Some(mend)));
        }
    }
    found
}

/// R1.5 and R1.6: in a VPC with an endpoint of SageMaker, the service's name leads to it; by private DNS or
/// by a private hosted zone.
pub(super) fn private_dns(snapshot: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    for vpc in &snapshot.vpcs {
        let attributes = snapshot.topology.vpcs.get(vpc);
        // Without those it is them that are to be mended.
        if !attributes.is_some_and(|it| it.dns_support && it.dns_hostnames) {
            continue;
        }
        let domain = snapshot.domains.iter().find(|it| it.vpc.as_ref() == Some(vpc));
        for short in OWN {
            let Some(service) = snapshot.service(short) else { continue };
            let host = Snapshot::host(service, domain.map_or("d-any", |it| it.id.as_str()));
            let own = snapshot.endpoints(vpc, short);
            let Some((id, endpoint)) = own.first() else { continue };
            if !endpoint.available || own.iter().any(|(_, it)| is_led_to(snapshot, vpc, &host, it))
            {
                continue;
            }
            let text = format!("{host} does not lead to {id} in {vpc}: its private DNS is off");
            let mend = aws(&[
                "ec2",
                "modify-vpc-endpoint",
                "--vpc-endpoint-id",
                id,
                "--private-dns-enabled",
            ]);
            // Who has no domain there may mean to use the endpoint's own URL (R1.18).
            let level = if domain.is_some() { Level::Error } else { Level::Info };
            let about = ("private-dns", "R1.5");
            found.push(Finding::new(level, about, &[id, vpc], text, Some(mend)));
        }
    }
    found
}

/// Whether the VPC's resolver answers with an address of the endpoint.
fn is_led_to(snapshot: &Snapshot, vpc: &str, host: &str, endpoint: &Endpoint) -> bool {
    let EndpointKind::Interface { interfaces, .. } = &endpoint.kind else { return false };
    let own = interfaces.iter().filter_map(|id| snapshot.interface(id));
    let own: Vec<_> = own.flat_map(|it| &it.addresses).map(|it| it.private).collect();
    let answer = snapshot.with_names(&snapshot.topology, |names| names.resolve(Some(vpc), host, A));
    let addresses = answer.addresses();
    !addresses.is_empty() && addresses.iter().all(|it| own.contains(it))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{STUDIO, mended, snapshot, texts};

    #[test]
    fn dns_attributes_are_on_where_a_domain_or_private_dns_is() {
        assert_eq!(dns_attributes(&snapshot(STUDIO)), []);
        let off = format!("{STUDIO}\nvpc vpc-a 10.0.0.0/16 dns=off hostnames=off");
        let found = dns_attributes(&snapshot(&off));
        assert_eq!(
            texts(&found),
            [
                "error R1.5 vpc-a: enableDnsSupport of vpc-a is off, so that names of AWS lead to no endpoint",
                "error R1.5 vpc-a: enableDnsHostnames of vpc-a is off, so that names of AWS lead to no endpoint",
            ]
        );
        assert_eq!(
            mended(&found)[0],
            "aws ec2 modify-vpc-attribute --vpc-id vpc-a --enable-dns-support"
        );
        // Nobody asks for names in a VPC without either.
        assert_eq!(dns_attributes(&snapshot("vpc vpc-a 10.0.0.0/16 dns=off")), []);
    }

    #[test]
    fn names_lead_to_endpoints() {
        assert_eq!(private_dns(&snapshot(STUDIO)), []);
        let off = STUDIO.replace("private=api.sagemaker.us-west-2.amazonaws.com", "");
        let found = private_dns(&snapshot(&off));
        assert_eq!(
            texts(&found),
            [
                "error R1.5 vpce-api vpc-a: api.sagemaker.us-west-2.amazonaws.com does not lead to vpce-api in vpc-a: its private DNS is off"
            ]
        );
        assert_eq!(
            mended(&found),
            ["aws ec2 modify-vpc-endpoint --vpc-endpoint-id vpce-api --private-dns-enabled"]
        );
        // Where there is no domain it may be meant.
        let mut other = snapshot(&off);
        other.domains.clear();
        assert_eq!(private_dns(&other)[0].level, Level::Info);
    }

    #[test]
    fn a_hosted_zone_does_as_well() {
        use sagegate_network::dns::{Data, HostedZone, Record};
        let off = STUDIO.replace("private=api.sagemaker.us-west-2.amazonaws.com", "");
        let mut zoned = snapshot(&off);
        let record = |address: [u8; 4]| Record {
            name: "api.sagemaker.us-west-2.amazonaws.com".into(),
            ttl: 60,
            data: Data::A(address.into()),
        };
        let zone = |address| {
            let name = "api.sagemaker.us-west-2.amazonaws.com";
            HostedZone::of_records("Z1", name, vec!["vpc-a".into()], vec![record(address)])
        };
        zoned.zones = vec![zone([10, 0, 1, 6])];
        assert_eq!(private_dns(&zoned), []);
        zoned.zones = vec![zone([10, 0, 1, 99])];
        assert_eq!(private_dns(&zoned).len(), 1);
    }
}

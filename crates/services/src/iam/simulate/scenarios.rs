//! `ResourceHandlingOption`: which kinds of resources a simulation of ec2:RunInstances must name.

use sagegate_gate::Fault;

use super::super::faults::invalid_input;

const INSTANCE: &[&str] = &["instance", "image", "security-group"];

/// Options and what they need beside [`INSTANCE`] (IAM API Reference).
const OPTIONS: &[(&str, &[&str])] = &[
    ("EC2-Classic-InstanceStore", &[]),
    ("EC2-Classic-EBS", &["volume"]),
    ("EC2-VPC-InstanceStore", &["network-interface"]),
    ("EC2-VPC-InstanceStore-Subnet", &["network-interface", "subnet"]),
    ("EC2-VPC-EBS", &["network-interface", "volume"]),
    ("EC2-VPC-EBS-Subnet", &["network-interface", "subnet", "volume"]),
];

/// Checks that the resources of a scenario are there.
///
/// # Errors
/// `InvalidInput` for an unknown option or a kind of resource that is missing.
pub(super) fn check(option: Option<&str>, resources: &[String]) -> Result<(), Fault> {
    let Some(option) = option else { return Ok(()) };
    let Some((_, further)) = OPTIONS.iter().find(|(known, _)| *known == option) else {
        return Err(invalid_input(format!("Unknown ResourceHandlingOption: {option}")));
    };
    let named = |kind: &str| {
        resources.iter().any(|arn| {
            let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
            arn.split(':').nth(2) == Some("ec2")
                && resource.split_once('/').is_some_and(|(found, _)| found == kind)
        })
    };
    match INSTANCE.iter().chain(*further).find(|kind| !named(kind)) {
        None => Ok(()),
        Some(kind) => Err(invalid_input(format!(
            "ResourceHandlingOption {option} requires a resource of type {kind} in ResourceArns."
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_names_what_it_lacks() {
        let arn = |kind: &str| format!("arn:aws:ec2:us-west-2:123456789012:{kind}/x");
        let mut resources = vec![arn("instance"), arn("image"), arn("security-group")];
        assert!(check(None, &[]).is_ok());
        assert!(check(Some("EC2-Classic-InstanceStore"), &resources).is_ok());
        let fault = check(Some("EC2-VPC-EBS"), &resources).unwrap_err();
        assert!(fault.message.contains("network-interface"));
        resources.extend([arn("network-interface"), arn("volume")]);
        assert!(check(Some("EC2-VPC-EBS"), &resources).is_ok());
        assert!(check(Some("S3"), &resources).is_err());
    }
}

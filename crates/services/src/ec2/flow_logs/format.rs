//! The format of flow log records.
//!
//! Rules: Amazon VPC User Guide, "Flow log records".

use sagegate_gate::Fault;

use super::super::fault::invalid_parameter;

/// The fields of version 2, of which the default format is made, in its order.
const DEFAULT: [&str; 14] = [
    "version",
    "account-id",
    "interface-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log-status",
];

/// The fields of later versions, without those of transit gateways.
const LATER: [&str; 28] = [
    // Version 3.
    "vpc-id",
    "subnet-id",
    "instance-id",
    "tcp-flags",
    "type",
    "pkt-srcaddr",
    "pkt-dstaddr",
    // Version 4.
    "region",
    "az-id",
    "sublocation-type",
    "sublocation-id",
    // Version 5.
    "pkt-src-aws-service",
    "pkt-dst-aws-service",
    "flow-direction",
    "traffic-path",
    // Version 7.
    "ecs-cluster-arn",
    "ecs-cluster-name",
    "ecs-container-instance-arn",
    "ecs-container-instance-id",
    "ecs-container-id",
    "ecs-second-container-id",
    "ecs-service-name",
    "ecs-task-definition-arn",
    "ecs-task-arn",
    "ecs-task-id",
    // Version 8.
    "reject-reason",
    // Version 9.
    "resource-id",
    // Version 10.
    "encryption-status",
];

/// The format that a request wants: `${field}`s with spaces between them, or the default one.
///
/// # Errors
/// `InvalidParameter`.
pub(super) fn checked(wanted: Option<&str>) -> Result<String, Fault> {
    let Some(wanted) = wanted else {
        return Ok(DEFAULT.map(|field| format!("${{{field}}}")).join(" "));
    };
    let known = |word: &str| {
        let field = word.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        field.is_some_and(|field| DEFAULT.contains(&field) || LATER.contains(&field))
    };
    if wanted.trim().is_empty() || !wanted.split_whitespace().all(known) {
        return Err(invalid_parameter("Unknown fields provided"));
    }
    Ok(wanted.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_made_of_known_fields() {
        let usual = "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}";
        assert_eq!(checked(None).unwrap(), usual);
        for good in ["${version}", "${vpc-id} ${flow-direction}", usual] {
            assert_eq!(checked(Some(good)).unwrap(), good);
        }
        for wrong in ["", " ", "version", "${colour}", "${version}${srcaddr}", "${tgw-id}"] {
            assert_eq!(checked(Some(wrong)).unwrap_err().code, "InvalidParameter", "{wrong}");
        }
    }
}

//! Decisions per second for a role with 1, 10, 100 and 1,000 attached policies of three statements.
//!
//! `cargo bench -p sagegate-policy`. Three shapes of policies: each about another service's actions, all about the asked
//! action on resources of their own, and wildcards with conditions. Half of the requests are allowed.

use std::hint::black_box;
use std::time::{Duration, Instant};

use sagegate_policy::{
    Attached, Bundle, Context, Document, Policy, PolicySet, Principal, Request, decide,
};

const ACCOUNT: &str = "123456789012";

fn spread(index: usize) -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": [
            {{"Effect": "Allow", "Action": ["service{index}:Get*", "service{index}:List*"], "Resource": "*"}},
            {{"Effect": "Allow", "Action": "sagemaker:Describe{index}", "Resource": "arn:aws:sagemaker:*:*:domain/d-{index}"}},
            {{"Effect": "Deny", "Action": "service{index}:Delete*", "Resource": "*",
              "Condition": {{"StringNotEquals": {{"aws:SourceVpc": "vpc-{index}"}}}}}}]}}"#
    )
}

fn same_action(index: usize) -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": [
            {{"Effect": "Allow", "Action": "sagemaker:DescribeSpace", "Resource": "arn:aws:sagemaker:*:*:space/d-{index}/*"}},
            {{"Effect": "Allow", "Action": ["sagemaker:CreateApp", "sagemaker:DeleteApp"],
              "Resource": "arn:aws:sagemaker:*:*:app/d-{index}/${{sagemaker:UserProfileName}}/*"}},
            {{"Effect": "Deny", "Action": "sagemaker:*", "Resource": "arn:aws:sagemaker:*:*:space/d-{index}/locked",
              "Condition": {{"StringNotEquals": {{"aws:SourceVpc": "vpc-1"}}}}}}]}}"#
    )
}

fn conditions(index: usize) -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": [
            {{"Effect": "Allow", "Action": "sagemaker:Describe*", "Resource": "arn:aws:sagemaker:us-west-2:{ACCOUNT}:space/d-{index}/*",
              "Condition": {{"IpAddress": {{"aws:VpcSourceIp": ["10.0.0.0/8", "192.0.2.0/24"]}}, "StringEquals": {{"aws:SourceVpc": "vpc-1"}}}}}},
            {{"Effect": "Allow", "Action": "s3:*", "Resource": ["arn:aws:s3:::bucket-{index}", "arn:aws:s3:::bucket-{index}/*"]}},
            {{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "arn:aws:iam::{ACCOUNT}:role/role-{index}",
              "Condition": {{"StringEquals": {{"iam:PassedToService": "sagemaker.amazonaws.com"}}}}}}]}}"#
    )
}

fn request(policies: usize, allowed: bool) -> Option<Request> {
    let principal = Principal::parse(&format!("arn:aws:sts::{ACCOUNT}:assumed-role/Studio/jo"))?;
    let context = Context::from_iter([
        ("aws:PrincipalArn", "arn:aws:iam::123456789012:role/Studio"),
        ("aws:PrincipalAccount", ACCOUNT),
        ("aws:PrincipalType", "AssumedRole"),
        ("aws:userid", "AROAEXAMPLEEXAMPLE:jo"),
        ("aws:CurrentTime", "2026-11-22T12:00:00Z"),
        ("aws:EpochTime", "1795348800"),
        ("aws:SecureTransport", "true"),
        ("aws:UserAgent", "aws-cli/2"),
        ("aws:RequestedRegion", "us-west-2"),
        ("aws:ResourceAccount", ACCOUNT),
        ("aws:SourceVpc", "vpc-1"),
        ("aws:SourceVpce", "vpce-1"),
        ("aws:VpcSourceIp", "10.0.1.17"),
        ("sagemaker:UserProfileName", "jo"),
    ]);
    let domain = if allowed { policies / 2 } else { policies };
    let space = format!("arn:aws:sagemaker:us-west-2:{ACCOUNT}:space/d-{domain}/work");
    Some(Request::new(principal, "sagemaker:DescribeSpace", &space, context))
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

/// Nanoseconds per decision: the median of rounds of at least 20 ms.
fn measure(requests: &[Request], set: &PolicySet<'_>) -> f64 {
    let mut rounds = Vec::new();
    for _ in 0..9 {
        let start = now();
        let mut count = 0_u32;
        while start.elapsed() < Duration::from_millis(20) {
            for _ in 0..100 {
                for request in requests {
                    black_box(decide(black_box(request), black_box(set)));
                    count += 1;
                }
            }
        }
        rounds.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(count));
    }
    rounds.sort_by(f64::total_cmp);
    rounds.get(rounds.len() / 2).copied().unwrap_or_default()
}

type Shape = fn(usize) -> String;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shapes: [(&str, Shape); 3] =
        [("spread", spread), ("same action", same_action), ("conditions", conditions)];
    println!(
        "{:<12} {:>8} {:>12} {:>14} {:>8}",
        "shape", "policies", "ns/decision", "decisions/s", "x of 10"
    );
    for (name, shape) in shapes {
        let mut at_ten = None;
        for policies in [10, 1, 100, 1000] {
            let attached = (0..policies).map(|index| {
                let document = Document::parse(&shape(index))?;
                Ok(Attached::new(format!("policy-{index}"), Policy::compile(&document)))
            });
            let bundle =
                Bundle::new(attached.collect::<Result<Vec<_>, sagegate_policy::ParseError>>()?);
            let set = PolicySet::new(&bundle);
            let requests: Vec<Request> = [true, false]
                .into_iter()
                .filter_map(|allowed| request(policies, allowed))
                .collect();
            let time = measure(&requests, &set);
            let ten = *at_ten.get_or_insert(time);
            println!(
                "{name:<12} {policies:>8} {time:>12.0} {:>14.0} {:>8.2}",
                1e9 / time,
                time / ten
            );
        }
    }
    Ok(())
}

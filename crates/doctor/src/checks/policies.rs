//! Policies of endpoints, and where policies of callers count.

use sagegate_network::topology::EndpointKind;
use serde_json::json;

use crate::command::{aws, with_statement};
use crate::finding::{Finding, Level};
use crate::snapshot::{Domain, Question, Snapshot, Whose};

/// Questions, each with the requirement that it is of.
type Calls = [(Question, &'static str); 2];

/// What Studio calls through an endpoint of the API, for a domain: presigned URLs of its profiles, and
/// KernelGateway apps (SPEC R1.9, R1.10). An endpoint's policy may name the profile for either (T2).
fn calls(snapshot: &Snapshot, domain: &Domain, endpoint: &str) -> Calls {
    let profile = domain.profiles.first().map_or("any", String::as_str);
    let (partition, region, account) = (&snapshot.partition, &snapshot.region, &snapshot.account);
    let own = format!("arn:{partition}:sagemaker:{region}:{account}");
    let of_profile = format!("{own}:user-profile/{}/{profile}", domain.id);
    let app = format!("{own}:app/{}/{profile}/kernelgateway/any", domain.id);
    let question = |action, resource, alternates| Question {
        whose: Whose::Endpoint(endpoint.to_owned()),
        action,
        resource: Some(resource),
        alternates,
        keys: Vec::new(),
    };
    [
        (question("sagemaker:CreatePresignedDomainUrl", of_profile.clone(), Vec::new()), "R1.10"),
        (question("sagemaker:CreateApp", app, vec![of_profile]), "R1.9"),
    ]
}

/// The API's endpoints in the VPC of each domain.
fn asked(snapshot: &Snapshot) -> Vec<(&Domain, &str, Calls)> {
    let mut all = Vec::new();
    for domain in &snapshot.domains {
        let Some(vpc) = &domain.vpc else { continue };
        for (id, endpoint) in snapshot.endpoints(vpc, "sagemaker.api") {
            if matches!(&endpoint.kind, EndpointKind::Interface { interfaces, .. } if !interfaces.is_empty())
            {
                all.push((domain, id.as_str(), calls(snapshot, domain, id)));
            }
        }
    }
    all
}

pub(super) fn questions(snapshot: &Snapshot) -> Vec<Question> {
    let asked = asked(snapshot).into_iter();
    asked.flat_map(|(_, _, calls)| calls.map(|(question, _)| question)).collect()
}

/// R1.9 and R1.10: the policy of the API's endpoint allows what Studio calls through it.
pub(super) fn endpoint_policy(snapshot: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    for (domain, id, calls) in asked(snapshot) {
        let refused: Vec<_> =
            calls.into_iter().filter(|(question, _)| !snapshot.verdict(question).allowed).collect();
        for (question, requirement) in &refused {
            let text = format!(
                "the policy of {id} does not allow {} for {}: {}",
                question.action,
                domain.id,
                snapshot.verdict(question).text
            );
            let denied = snapshot.verdict(question).denied;
            let mend = allow(snapshot, domain, id, question.action).filter(|_| !denied);
            let about = ("endpoint-policy", *requirement);
            let objects = [id, domain.id.as_str()];
            found.push(Finding::new(Level::Warning, about, &objects, text, mend));
        }
    }
    found
}

/// The endpoint's policy with a statement for a call. Everything else of it stays.
fn allow(snapshot: &Snapshot, domain: &Domain, endpoint: &str, action: &str) -> Option<String> {
    let (partition, region, account) = (&snapshot.partition, &snapshot.region, &snapshot.account);
    let profiles =
        format!("arn:{partition}:sagemaker:{region}:{account}:user-profile/{}/*", domain.id);
    let statement = json!({
        "Effect": "Allow",
        "Principal": "*",
        "Action": action,
        "Resource": profiles,
    });
    let policy = with_statement(snapshot.endpoint_policies.get(endpoint)?, statement)?;
    Some(aws(&[
        "ec2",
        "modify-vpc-endpoint",
        "--vpc-endpoint-id",
        endpoint,
        "--policy-document",
        &policy,
    ]))
}

/// R1.12: policies of callers keep users in the VPC in IAM mode only.
pub(super) fn identity_center(snapshot: &Snapshot) -> Vec<Finding> {
    let own = snapshot.domains.iter().filter(|it| it.identity_center);
    own.map(|domain| {
        let text = format!(
            "users of {} come by IAM Identity Center: CreatePresignedDomainUrl cannot be called for them, and \
             identity policies cannot keep them in the VPC",
            domain.id
        );
        let about = ("identity-center", "R1.12");
        Finding::new(Level::Info, about, &[&domain.id], text, None)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{STUDIO, mended, snapshot};

    #[test]
    fn the_policy_of_the_api_allows_what_studio_calls() {
        let mut it = snapshot(STUDIO);
        assert_eq!(endpoint_policy(&it), []);
        let app = questions(&it).into_iter().find(|it| it.action == "sagemaker:CreateApp").unwrap();
        assert_eq!(app.whose, Whose::Endpoint("vpce-api".into()));
        it.verdicts.get_mut(&app).unwrap().allowed = false;
        it.endpoint_policies.insert("vpce-api".into(), r#"{"Statement":{"Effect":"Deny"}}"#.into());
        let found = endpoint_policy(&it);
        assert_eq!(
            (found.len(), found[0].level, found[0].requirement),
            (1, Level::Warning, "R1.9")
        );
        assert_eq!(
            mended(&found),
            [
                r#"aws ec2 modify-vpc-endpoint --vpc-endpoint-id vpce-api --policy-document '{"Statement":[{"Effect":"Deny"},{"Action":"sagemaker:CreateApp","Effect":"Allow","Principal":"*","Resource":"arn:aws:sagemaker:us-west-2:123456789012:user-profile/d-1/*"}]}'"#
            ]
        );
        // A statement more does not undo one that denies.
        it.verdicts.get_mut(&app).unwrap().denied = true;
        assert_eq!(endpoint_policy(&it)[0].mend, None);
        // What was not asked is not allowed.
        it.verdicts.clear();
        assert_eq!(endpoint_policy(&it).len(), 2);
    }

    #[test]
    fn identity_center_is_told() {
        let mut it = snapshot(STUDIO);
        assert_eq!(identity_center(&it), []);
        it.domains[0].identity_center = true;
        assert_eq!(identity_center(&it)[0].level, Level::Info);
    }
}

//! Execution roles: there, trusting SageMaker, and with what SageMaker does in their name.

use serde_json::{Value, json};

use crate::command::{aws, put_role_policy, with_statement};
use crate::finding::{Finding, Level};
use crate::snapshot::{Question, Role, Snapshot, Trust, Whose};

const SERVICE: &str = "sagemaker.amazonaws.com";

/// What a role of a hosted model or a notebook in a VPC needs (SPEC R2.8).
const IN_A_VPC: [&str; 10] = [
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeVpcs",
    "ec2:DescribeSubnets",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DeleteNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:CreateNetworkInterface",
];

/// Each role with those whose it is, once.
fn roles(snapshot: &Snapshot) -> Vec<(&str, Vec<&str>)> {
    let mut all: Vec<(&str, Vec<&str>)> = Vec::new();
    let of_domains = snapshot
        .domains
        .iter()
        .flat_map(|domain| domain.roles.iter().map(|role| (role.as_str(), domain.id.as_str())));
    let of_notebooks = snapshot.notebooks.iter().map(|it| (it.role.as_str(), it.name.as_str()));
    for (role, whose) in of_domains.chain(of_notebooks) {
        match all.iter_mut().find(|(own, _)| *own == role) {
            Some((_, users)) if users.contains(&whose) => {}
            Some((_, users)) => users.push(whose),
            None => all.push((role, vec![whose])),
        }
    }
    all
}

/// Those that are there.
fn usable(snapshot: &Snapshot) -> Vec<(&str, &Role, Vec<&str>)> {
    let all = roles(snapshot).into_iter();
    all.filter_map(|(arn, users)| {
        let role = snapshot.roles.get(arn).filter(|it| it.trust != Trust::Missing)?;
        Some((arn, role, users))
    })
    .collect()
}

fn passing(arn: &str) -> Question {
    Question {
        whose: Whose::Role(arn.to_owned()),
        action: "iam:PassRole",
        resource: Some(arn.to_owned()),
        alternates: Vec::new(),
        keys: vec![("iam:PassedToService", SERVICE.to_owned())],
    }
}

fn in_a_vpc(arn: &str) -> Vec<Question> {
    let question = |action| Question {
        whose: Whose::Role(arn.to_owned()),
        action,
        resource: None,
        alternates: Vec::new(),
        keys: Vec::new(),
    };
    IN_A_VPC.into_iter().map(question).collect()
}

pub(super) fn questions(snapshot: &Snapshot) -> Vec<Question> {
    let all = usable(snapshot).into_iter();
    all.flat_map(|(arn, ..)| in_a_vpc(arn).into_iter().chain([passing(arn)])).collect()
}

fn statement() -> Value {
    json!({
        "Effect": "Allow",
        "Principal": { "Service": SERVICE },
        "Action": "sts:AssumeRole",
    })
}

/// R3.6: SageMaker assumes the role that it is given.
pub(super) fn execution_role(snapshot: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    for (arn, users) in roles(snapshot) {
        let missing = Role {
            name: arn.rsplit('/').next().unwrap_or(arn).to_owned(),
            trust: Trust::Missing,
            document: String::new(),
        };
        let role = snapshot.roles.get(arn).unwrap_or(&missing);
        let alone = json!({ "Version": "2012-10-17", "Statement": [statement()] }).to_string();
        let (text, mend) = match role.trust {
            Trust::Given => continue,
            Trust::Missing => (
                format!("{arn}, the execution role of {}, does not exist", users.join(", ")),
                made(arn, &role.name, &alone),
            ),
            Trust::Refused => (
                format!(
                    "{arn}, the execution role of {}, does not let {SERVICE} assume it",
                    users.join(", ")
                ),
                Some(aws(&[
                    "iam",
                    "update-assume-role-policy",
                    "--role-name",
                    &role.name,
                    "--policy-document",
                    &with_statement(&role.document, statement()).unwrap_or(alone),
                ])),
            ),
        };
        let mut objects = vec![arn];
        objects.extend(users);
        let about = ("execution-role", "R3.6");
        found.push(Finding::new(Level::Error, about, &objects, text, mend));
    }
    found
}

/// Makes a role with its path.
fn made(arn: &str, name: &str, trust: &str) -> Option<String> {
    let (_, place) = arn.split_once(":role")?;
    let path = place.strip_suffix(name)?;
    let mut words = vec!["iam", "create-role", "--role-name", name];
    if path != "/" {
        words.extend(["--path", path]);
    }
    words.extend(["--assume-role-policy-document", trust]);
    Some(aws(&words))
}

/// R3.5 and R4.3: what runs as the role hands it on to SageMaker, for the models and jobs that it starts.
pub(super) fn pass_role(snapshot: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    for (arn, role, users) in usable(snapshot) {
        let verdict = snapshot.verdict(&passing(arn));
        if verdict.allowed {
            continue;
        }
        let text = format!(
            "what runs as {arn} cannot pass this role to SageMaker, as for a model or a job of its own: {}",
            verdict.text
        );
        let allow = json!({
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": arn,
            "Condition": { "StringEquals": { "iam:PassedToService": SERVICE } },
        });
        // No statement undoes one that denies.
        let mend =
            (!verdict.denied).then(|| put_role_policy(&role.name, "PassRoleToSageMaker", &allow));
        let mut objects = vec![arn];
        objects.extend(users);
        let about = ("pass-role", "R4.3");
        found.push(Finding::new(Level::Warning, about, &objects, text, mend));
    }
    found
}

/// R2.8: with a role of one's own, the actions of EC2 by which SageMaker makes interfaces.
pub(super) fn vpc_permissions(snapshot: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    for (arn, role, users) in usable(snapshot) {
        let asked = in_a_vpc(arn).into_iter();
        let refused: Vec<_> =
            asked.filter(|question| !snapshot.verdict(question).allowed).collect();
        let lacking: Vec<&str> = refused.iter().map(|question| question.action).collect();
        if lacking.is_empty() {
            continue;
        }
        let denied = refused.iter().any(|question| snapshot.verdict(question).denied);
        let text = format!(
            "models that are hosted in a VPC with {arn} cannot get their interfaces: it lacks {}",
            lacking.join(", ")
        );
        let allow = json!({ "Effect": "Allow", "Action": lacking, "Resource": "*" });
        let mend = (!denied).then(|| put_role_policy(&role.name, "SageMakerInVpc", &allow));
        let mut objects = vec![arn];
        objects.extend(users);
        let about = ("vpc-permissions", "R2.8");
        found.push(Finding::new(Level::Info, about, &objects, text, mend));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ROLE, STUDIO, mended, refuse, snapshot, texts};

    #[test]
    fn execution_roles_trust_sagemaker() {
        let mut it = snapshot(STUDIO);
        assert_eq!(execution_role(&it), []);
        it.roles.get_mut(ROLE).unwrap().trust = Trust::Refused;
        it.roles.get_mut(ROLE).unwrap().document =
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny"}}"#.into();
        let found = execution_role(&it);
        assert_eq!(
            texts(&found),
            [format!(
                "error R3.6 {ROLE} d-1: {ROLE}, the execution role of d-1, does not let sagemaker.amazonaws.com assume it"
            )]
        );
        // What was in the policy stays in it.
        assert_eq!(
            mended(&found),
            [
                r#"aws iam update-assume-role-policy --role-name Studio --policy-document '{"Statement":[{"Effect":"Deny"},{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"Service":"sagemaker.amazonaws.com"}}],"Version":"2012-10-17"}'"#
            ]
        );
        it.roles.clear();
        let found = execution_role(&it);
        assert!(
            mended(&found)[0].starts_with("aws iam create-role --role-name Studio --path /team/ ")
        );
    }

    #[test]
    fn roles_are_passed_on() {
        let mut it = snapshot(STUDIO);
        assert_eq!(pass_role(&it), []);
        refuse(&mut it, "iam:PassRole");
        let found = pass_role(&it);
        assert_eq!(found[0].level, Level::Warning);
        assert!(mended(&found)[0].contains("put-role-policy --role-name Studio"), "{found:?}");
        // One that is not there is another finding.
        it.roles.clear();
        assert_eq!(pass_role(&it), []);
    }

    #[test]
    fn roles_may_make_interfaces() {
        let mut it = snapshot(STUDIO);
        assert_eq!(vpc_permissions(&it), []);
        refuse(&mut it, "ec2:CreateNetworkInterface");
        let found = vpc_permissions(&it);
        assert!(found[0].text.ends_with("it lacks ec2:CreateNetworkInterface"), "{found:?}");
    }
}

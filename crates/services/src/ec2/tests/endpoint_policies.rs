//! Endpoint policies that name users, roles and sessions.

use sagegate_api::ec2 as api;
use sagegate_gate::{Caller, Principal, SessionFacts};
use sagegate_network::Arrival;

use super::{describe_endpoint, endpoint_input, house, make_endpoint, subnet, vpc};
use crate::ec2::endpoint::modify::ModifyVpcEndpoint;
use crate::ec2::listeners;
use crate::ec2::vpc::DescribeVpcs;
use crate::testing::House;

/// The policy of a VPC's EC2 endpoint, by which calls arrive.
struct Guarded {
    house: House,
    id: String,
}

impl Guarded {
    fn with(house: House, policy: &str) -> Self {
        let vpc_id = vpc(&house, "10.0.0.0/16");
        let a = subnet(&house, &vpc_id, "10.0.1.0/24", "a");
        let input = api::CreateVpcEndpointRequest {
            policy_document: Some(policy.into()),
            ..endpoint_input(&vpc_id, "com.amazonaws.us-west-2.ec2", &[&a])
        };
        let id = make_endpoint(&house, input).vpc_endpoint_id.unwrap();
        Self { house, id }
    }

    fn shown(&self) -> String {
        describe_endpoint(&self.house, &self.id).policy_document.unwrap()
    }

    fn modify(&self, policy: &str) -> api::ModifyVpcEndpointRequest {
        api::ModifyVpcEndpointRequest {
            vpc_endpoint_id: self.id.clone(),
            policy_document: Some(policy.into()),
            ..Default::default()
        }
    }

    fn allows(&self, caller: &Caller) -> bool {
        let arrival =
            Arrival::Endpoint(listeners(&self.house.state()).unwrap().remove(0).arrival());
        self.house.call_from::<DescribeVpcs>(caller, arrival, Default::default()).is_ok()
    }
}

const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

fn endpoint_policy(element: &str, principals: &str) -> String {
    let deny = element == "NotPrincipal";
    let effect = if deny { "Deny" } else { "Allow" };
    let rest = if deny {
        r#",{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#
    } else {
        ""
    };
    format!(
        r#"{{"Statement":[{{"Effect":"{effect}","{element}":{{"AWS":{principals}}},"Action":"*","Resource":"*"}}{rest}]}}"#
    )
}

#[test]
fn who_is_made_again_under_an_old_name_gets_nothing_of_an_endpoint_policy() {
    use crate::iam::user_policies::DeleteUserPolicy;
    use crate::iam::users::{DeleteUser, UpdateUser};
    use sagegate_api::iam;
    let remove = |house: &House, name: &str| {
        house.ok::<DeleteUserPolicy>(iam::DeleteUserPolicyRequest {
            user_name: name.into(),
            policy_name: "inline".into(),
        });
        house.ok::<DeleteUser>(iam::DeleteUserRequest { user_name: name.into() });
    };
    for element in ["Principal", "NotPrincipal"] {
        let house = house();
        let jo = house.user_with_policy("jo", ALLOW_ALL);
        let other = house.user_with_policy("other", ALLOW_ALL);
        let arn = "arn:aws:iam::123456789012:user/jo";
        let account = if element == "NotPrincipal" { r#","123456789012""# } else { "" };
        let policy = endpoint_policy(element, &format!(r#"["{arn}"{account}]"#));
        let guarded = Guarded::with(house, &policy);
        let house = &guarded.house;
        assert_eq!(guarded.shown(), policy);
        assert!(guarded.allows(&jo) && !guarded.allows(&other), "{element}");

        // A rename is followed, and is shown.
        house.ok::<UpdateUser>(iam::UpdateUserRequest {
            user_name: "jo".into(),
            new_user_name: Some("joan".into()),
            new_path: None,
        });
        assert!(guarded.allows(&house.user("joan")), "{element}");
        assert_eq!(guarded.shown(), policy.replace("user/jo", "user/joan"));
        let jo = house.user_with_policy("jo", ALLOW_ALL);
        assert!(!guarded.allows(&jo), "{element}");

        remove(house, "joan");
        let id = shown_id(&guarded, &policy, arn);
        let joan = house.user_with_policy("joan", ALLOW_ALL);
        assert!(!guarded.allows(&joan), "{element}");
        assert_eq!(shown_id(&guarded, &policy, arn), id);

        // Written anew, it means the present one, and the unique id of the former cannot be written.
        let gone = policy.replace(arn, &id);
        let text = house.fails::<ModifyVpcEndpoint>(guarded.modify(&gone));
        assert!(
            text.starts_with("InvalidPolicyDocument (400): Invalid principal in policy"),
            "{text}"
        );
        house.ok::<ModifyVpcEndpoint>(guarded.modify(&policy));
        assert!(guarded.allows(&jo) && !guarded.allows(&joan), "{element}");
        assert_eq!(guarded.shown(), policy);
        house.ok::<ModifyVpcEndpoint>(api::ModifyVpcEndpointRequest {
            vpc_endpoint_id: guarded.id.clone(),
            reset_policy: Some(true),
            ..Default::default()
        });
        assert!(guarded.allows(&joan));
    }
}

/// The unique id that is shown where the policy says `arn`.
fn shown_id(guarded: &Guarded, policy: &str, arn: &str) -> String {
    let shown = guarded.shown();
    let at = policy.find(arn).unwrap();
    let id: String = shown.chars().skip(at).take_while(char::is_ascii_alphanumeric).collect();
    assert!(id.starts_with("AIDA"), "{shown}");
    assert_eq!(shown, policy.replace(arn, &id));
    id
}

#[test]
fn principals_of_an_endpoint_policy_are_those_that_there_are() {
    let house = house();
    house.user_with_policy("jo", ALLOW_ALL);
    let guarded = Guarded::with(house, &endpoint_policy("Principal", r#""*""#));
    let house = &guarded.house;
    for wrong in [
        "arn:aws:iam::123456789012:user/nobody",
        "arn:aws:iam::123456789012:role/nobody",
        "arn:aws:iam::123456789012:user/path/jo",
        "arn:aws:iam::123456789012:group/g",
        "arn:aws:sts::123456789012:assumed-role/nobody/s",
        "AIDA00000000000000000",
    ] {
        let policy = endpoint_policy("Principal", &format!(r#""{wrong}""#));
        let text = house.fails::<ModifyVpcEndpoint>(guarded.modify(&policy));
        let expected =
            format!(r#"InvalidPolicyDocument (400): Invalid principal in policy: "AWS":"{wrong}""#);
        assert_eq!(text, expected);
    }
    // Who is in an account that is not served is nobody, and shown as written.
    let elsewhere = endpoint_policy("Principal", r#""arn:aws:iam::210987654321:role/r""#);
    house.ok::<ModifyVpcEndpoint>(guarded.modify(&elsewhere));
    assert_eq!(guarded.shown(), elsewhere);
    assert!(!guarded.allows(&house.user("jo")));
}

#[test]
fn a_session_in_an_endpoint_policy_is_one_of_the_role_that_was_meant() {
    use crate::iam::role_policies::{DeleteRolePolicy, PutRolePolicy};
    use crate::iam::roles::{CreateRole, DeleteRole};
    use sagegate_api::iam;
    const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}]}"#;
    let make = |house: &House| {
        let role = house.ok::<CreateRole>(iam::CreateRoleRequest {
            role_name: "R".into(),
            assume_role_policy_document: TRUST.into(),
            ..Default::default()
        });
        house.ok::<PutRolePolicy>(iam::PutRolePolicyRequest {
            role_name: "R".into(),
            policy_name: "inline".into(),
            policy_document: ALLOW_ALL.into(),
        });
        role.role.unwrap().role_id
    };
    let session = |house: &House, id: &str, name: &str| Caller {
        principal: Principal::Role {
            id: id.into(),
            name: "R".into(),
            path: "/".into(),
            session: name.into(),
        },
        session: Some(SessionFacts {
            issued: house.gate.env().now(),
            expires: house.gate.env().now().plus_seconds(900),
            ..SessionFacts::default()
        }),
        ..house.root()
    };
    let house = house();
    let first = make(&house).unwrap();
    let arn = "arn:aws:sts::123456789012:assumed-role/R/jo";
    let policy = endpoint_policy("Principal", &format!(r#""{arn}""#));
    let guarded = Guarded::with(house, &policy);
    let house = &guarded.house;
    assert!(guarded.allows(&session(house, &first, "jo")));
    assert!(!guarded.allows(&session(house, &first, "al")));
    assert_eq!(guarded.shown(), policy);
    house.ok::<DeleteRolePolicy>(iam::DeleteRolePolicyRequest {
        role_name: "R".into(),
        policy_name: "inline".into(),
    });
    house.ok::<DeleteRole>(iam::DeleteRoleRequest { role_name: "R".into() });
    let second = make(house).unwrap();
    assert!(!guarded.allows(&session(house, &second, "jo")));
    assert_eq!(guarded.shown(), policy.replace(arn, &format!("{first}:jo")));
}

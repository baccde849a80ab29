//! Would AWS store it? The checks at write time, in AWS's words.
//!
//! IAM answers `MalformedPolicyDocument` with one text; several faults may be in a document, and this module reports
//! them in the order in which IAM is known to look, so that the first is the one to answer with.
//!
//! Sources: "Grammar of the IAM JSON policy language"; texts as public reports and moto's recorded answers quote them.
//! Letter case, spaces and punctuation in a `Sid` are accepted: AWS's own published examples have them.

use crate::document::{
    Document, Effect, Element, Position, PrincipalElement, PrincipalType, Statement, Version,
};
use crate::operator::Base;
use crate::value::{Decimal, parse_bool, parse_instant, parse_range};

/// What a document is for. The rules differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyType {
    /// A managed policy, to be attached to users, groups and roles.
    Identity,
    /// Inline in a user, group or role: it may be in the older language, or not say in which (IAM
    /// User Guide, "IAM JSON policy elements: Version"), where managed policies may not.
    Inline,
    /// A role's trust policy.
    Trust,
    /// Attached to a resource.
    Resource,
    /// Of a VPC endpoint.
    Endpoint,
    /// A permissions boundary.
    Boundary,
    /// Given when a session is made.
    Session,
    /// A service control policy.
    Scp,
    /// A resource control policy.
    Rcp,
}

/// Why AWS would not store a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Violation {
    /// AWS's text.
    pub message: String,
    /// What exactly is wrong, where AWS's text does not say.
    pub detail: Option<String>,
    /// Where, if at one place.
    pub position: Option<Position>,
}

const SYNTAX: &str = "Syntax errors in policy.";
const VERSION: &str = "Policy document must be version 2012-10-17 or greater.";
const LEGACY: &str = "The policy failed legacy parsing";
const ORGANIZATIONS: &str =
    "The provided policy document does not meet the requirements of the specified policy type.";

/// Checks a document.
///
/// # Errors
/// All violations; the first is the one that AWS would answer with.
pub fn validate(text: &str, kind: PolicyType) -> Result<(), Vec<Violation>> {
    let mut found = Found::default();
    match Document::parse_folding(text) {
        Err(error) => found.detailed(SYNTAX, error.message, Some(error.position)),
        Ok((document, _)) if document.statements.is_empty() => {
            found.detailed(SYNTAX, "the policy document has no Statement".to_owned(), None);
        }
        Ok((document, odd_effect)) => {
            if let Some(position) = odd_effect {
                let detail = "Effect must be spelled Allow or Deny";
                found.later(Order::Legacy, LEGACY, Some(detail.to_owned()), Some(position));
            }
            found.document(&document, kind);
        }
    }
    let mut violations = found.violations;
    violations.sort_by_key(|(order, _)| *order);
    let violations: Vec<_> = violations.into_iter().map(|(_, violation)| violation).collect();
    if violations.is_empty() { Ok(()) } else { Err(violations) }
}

/// The order in which IAM looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    Syntax,
    Version,
    Legacy,
    SidUnique,
    ActionsExist,
    ResourcesExist,
    ResourceFormat,
    ActionFormat,
    Principal,
    Kind,
}

#[derive(Default)]
struct Found {
    violations: Vec<(Order, Violation)>,
}

impl Found {
    fn detailed(&mut self, message: &str, detail: String, position: Option<Position>) {
        self.later(Order::Syntax, message, Some(detail), position);
    }

    fn later(
        &mut self,
        order: Order,
        message: impl Into<String>,
        detail: Option<String>,
        position: Option<Position>,
    ) {
        self.violations.push((order, Violation { message: message.into(), detail, position }));
    }

    fn add(&mut self, order: Order, message: impl Into<String>, position: Position) {
        self.later(order, message, None, Some(position));
    }

    fn document(&mut self, document: &Document, kind: PolicyType) {
        let needs_version = matches!(
            kind,
            PolicyType::Identity | PolicyType::Boundary | PolicyType::Scp | PolicyType::Rcp
        );
        if needs_version && document.version != Version::V2012 {
            self.later(Order::Version, VERSION, None, None);
        }
        let mut sids: Vec<_> = document.statements.iter().filter_map(|s| s.sid.as_ref()).collect();
        sids.retain(|sid| !sid.value.is_empty());
        sids.sort_by(|a, b| a.value.cmp(&b.value).then(a.at.cmp(&b.at)));
        for (first, second) in sids.iter().zip(sids.iter().skip(1)) {
            if first.value == second.value {
                let message = "Statement IDs (SID) in a single policy must be unique.";
                self.add(Order::SidUnique, message, second.at);
            }
        }
        for statement in &document.statements {
            self.conditions(statement);
            match kind {
                PolicyType::Trust => self.trust(statement),
                PolicyType::Identity
                | PolicyType::Inline
                | PolicyType::Boundary
                | PolicyType::Session => {
                    self.actions(statement);
                    self.resources(statement, true);
                    self.no_principal(statement);
                }
                PolicyType::Scp => {
                    self.actions(statement);
                    self.resources(statement, true);
                    if let Some(principal) = &statement.principal {
                        self.organizations(
                            "a service control policy has no Principal",
                            principal.at,
                        );
                    }
                }
                PolicyType::Rcp => self.rcp(statement),
                PolicyType::Resource => {
                    self.actions(statement);
                    self.resources(statement, false);
                    self.needs_principal(statement);
                }
                PolicyType::Endpoint => {
                    self.actions(statement);
                    self.resources(statement, true);
                    self.needs_principal(statement);
                }
            }
        }
    }

    fn organizations(&mut self, detail: &str, position: Position) {
        self.later(Order::Kind, ORGANIZATIONS, Some(detail.to_owned()), Some(position));
    }

    fn actions(&mut self, statement: &Statement) {
        let element = statement.action.as_ref().filter(|element| !element.values.is_empty());
        let Some(element) = element else {
            let message = "Policy statement must contain actions.";
            return self.add(Order::ActionsExist, message, statement.at);
        };
        for action in &element.values {
            if let Some(message) = action_fault(&action.value) {
                self.add(Order::ActionFormat, message, action.at);
            }
        }
    }

    fn resources(&mut self, statement: &Statement, needed: bool) {
        let element = statement.resource.as_ref().filter(|element| !element.values.is_empty());
        let Some(element) = element else {
            if needed {
                let message = "Policy statement must contain resources.";
                self.add(Order::ResourcesExist, message, statement.at);
            }
            return;
        };
        self.resource_formats(element);
    }

    fn resource_formats(&mut self, element: &Element) {
        // Of several, IAM is known to name the one that sorts first.
        let mut values: Vec<_> = element.values.iter().collect();
        values.sort_by(|a, b| a.value.cmp(&b.value));
        let mut clean = true;
        for resource in values {
            if let Some(message) = resource_fault(&resource.value) {
                clean = false;
                self.add(Order::ResourceFormat, message, resource.at);
            }
        }
        if !clean {
            return;
        }
        for resource in element.values.iter().filter(|resource| &*resource.value != "*") {
            let text = &*resource.value;
            let short = text.matches(':').count() < 5 && text.contains("::");
            if short || text.split(':').nth(2) == Some("") {
                let detail = format!("{text} is not an ARN");
                self.later(Order::Legacy, LEGACY, Some(detail), Some(resource.at));
            }
        }
    }

    fn no_principal(&mut self, statement: &Statement) {
        if let Some(principal) = &statement.principal {
            let message = "Policy document should not specify a principal.";
            self.add(Order::Principal, message, principal.at);
        }
    }

    fn needs_principal(&mut self, statement: &Statement) {
        match &statement.principal {
            Some(principal) if !principal.entries.is_empty() => {
                if principal.negated && statement.effect == Effect::Allow {
                    let message = "Allow with NotPrincipal is not allowed.";
                    self.add(Order::Principal, message, principal.at);
                }
                self.principals(principal);
            }
            _ => self.add(Order::Principal, "Missing required field Principal", statement.at),
        }
    }

    fn principals(&mut self, element: &PrincipalElement) {
        for (kind, text) in &element.entries {
            if !principal_is_valid(*kind, &text.value) {
                // AWS writes the kind in capitals here: "SERVICE":"…".
                let kind = kind.name().to_ascii_uppercase();
                let message = format!("Invalid principal in policy: \"{kind}\":\"{}\"", text.value);
                self.add(Order::Principal, message, text.at);
            }
        }
    }

    fn trust(&mut self, statement: &Statement) {
        match &statement.principal {
            Some(principal) if principal.negated => {
                let message = "AssumeRole policy must not contain NotPrincipal field.";
                self.add(Order::Principal, message, principal.at);
            }
            _ => self.needs_principal(statement),
        }
        if let Some(element) = &statement.resource {
            let message = if element.negated {
                "AssumeRole policy must not contain resources."
            } else {
                "Has prohibited field Resource"
            };
            self.add(Order::ResourcesExist, message, element.at);
        }
        let element = statement.action.as_ref().filter(|element| !element.values.is_empty());
        let Some(element) = element else {
            return self.add(Order::ActionsExist, "Missing required field Action", statement.at);
        };
        for action in &element.values {
            let name = action.value.to_ascii_lowercase();
            let sts = name.strip_prefix("sts:").is_some_and(|name| {
                ["assumerole", "tagsession", "setsourceidentity", "setcontext", "*"]
                    .iter()
                    .any(|start| name.starts_with(start))
            });
            if !sts {
                let message = "AssumeRole policy may only specify STS AssumeRole actions.";
                self.add(Order::ActionFormat, message, action.at);
            }
        }
    }

    fn rcp(&mut self, statement: &Statement) {
        self.actions(statement);
        self.resources(statement, true);
        if statement.effect == Effect::Allow {
            self.organizations("a resource control policy can only deny", statement.at);
        }
        let everyone = statement.principal.as_ref().is_some_and(|principal| {
            !principal.negated
                && matches!(principal.entries.as_slice(), [(PrincipalType::Aws, text)] if &*text.value == "*")
        });
        if !everyone {
            self.organizations(
                "the Principal of a resource control policy must be \"*\"",
                statement.at,
            );
        }
        if let Some(element) = statement.action.as_ref().filter(|element| element.negated) {
            self.organizations("a resource control policy has no NotAction", element.at);
        }
    }

    fn conditions(&mut self, statement: &Statement) {
        for condition in &statement.conditions {
            for text in &condition.values {
                let value = &*text.value;
                let valid = match condition.operator.base {
                    Base::Numeric(_) => Decimal::parse(value).is_some(),
                    Base::Date(_) => date_is_valid(value),
                    Base::Bool | Base::Null => parse_bool(value).is_some(),
                    Base::IpAddress => parse_range(value).is_some(),
                    Base::StringEquals
                    | Base::StringEqualsIgnoreCase
                    | Base::StringLike
                    | Base::BinaryEquals
                    | Base::ArnEquals
                    | Base::ArnLike => true,
                };
                if !valid {
                    let detail = format!("{value:?} is no value for {}", condition.operator);
                    self.later(Order::Legacy, LEGACY, Some(detail), Some(text.at));
                }
            }
        }
    }
}

/// IAM takes what it cannot read as a date but has its letters (`01T`) as one; such a value then never matches.
fn date_is_valid(text: &str) -> bool {
    parse_instant(text).is_some() || loose_date(&text.to_ascii_lowercase())
}

/// The forms beyond those that [`parse_instant`] reads that IAM stores: parts missing at the end, an hour-only zone.
fn loose_date(text: &str) -> bool {
    let number = |text: &str, low: i64, high: i64| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits && text.parse::<i64>().is_ok_and(|number| (low..=high).contains(&number))
    };
    let (date, time) = match text.split_once('t') {
        Some((date, time)) => (date, time),
        None if text.contains('-') => (text, ""),
        None => return number(text, 0, i64::MAX),
    };
    let mut parts = date.strip_prefix('-').unwrap_or(date).split('-');
    let year = parts.next().is_some_and(|year| number(year, 0, 292_278_993));
    let month = parts.next().is_none_or(|month| number(month, 1, 12));
    let day = parts.next().is_none_or(|day| number(day, 1, 31));
    if !(year && month && day) || parts.next().is_some() {
        return false;
    }
    let mut parts = time.split(':');
    let hours = parts.next().is_none_or(|hours| hours.is_empty() || number(hours, 0, 23));
    let minutes = parts.next().is_none_or(|minutes| number(minutes, 0, 59));
    let Some(seconds) = parts.next() else { return hours && minutes };
    let (seconds, zone) = match (seconds.strip_suffix('z'), seconds.split_once('+')) {
        (Some(seconds), _) => (seconds, "00"),
        (None, Some((seconds, zone))) => (seconds, zone),
        (None, None) => (seconds, "00"),
    };
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let zone = zone.len() == 2
        && number(zone, 0, 23)
        && parts.next().is_none_or(|minutes| minutes.len() == 2 && number(minutes, 0, 59));
    hours && minutes && number(seconds, 0, 59) && number(fraction, 0, 999_999_999) && zone
}

fn action_fault(action: &str) -> Option<String> {
    if action == "*" {
        return None;
    }
    let Some((vendor, name)) = action.split_once(':') else {
        return Some(
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.".to_owned(),
        );
    };
    if name.contains(':') {
        return Some("Actions/Condition can contain only one colon.".to_owned());
    }
    let clean = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if vendor != "*" && (vendor.is_empty() || !vendor.chars().all(clean)) {
        return Some(format!("Vendor {vendor} is not valid"));
    }
    None
}

const PARTITIONS: [&str; 8] =
    ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"];

const IAM_PATHS: [&str; 13] = [
    "user/",
    "federated-user/",
    "role/",
    "group/",
    "instance-profile/",
    "mfa/",
    "server-certificate/",
    "policy/",
    "sms-mfa/",
    "saml-provider/",
    "oidc-provider/",
    "report/",
    "access-report/",
];

fn resource_fault(resource: &str) -> Option<String> {
    if resource == "*" {
        return None;
    }
    let Some((_, rest)) = resource.split_once(':') else {
        return Some(format!("Resource {resource} must be in ARN format or \"*\"."));
    };
    let (partition, rest) =
        rest.split_once(':').map_or((rest, None), |(head, tail)| (head, Some(tail)));
    // A whole-segment wildcard is a partition, too: AWS's own policies have `arn:*:…`.
    if !PARTITIONS.contains(&partition) && partition != "*" {
        let mut parts = rest.unwrap_or_default().splitn(4, ':');
        let first = parts
            .next()
            .filter(|part| !part.is_empty() || rest.is_some_and(|rest| rest.contains(':')));
        let mut part =
            |known: Option<&str>| known.or_else(|| parts.next()).unwrap_or("*").to_owned();
        let first = part(Some(first.unwrap_or("*")));
        let (second, third, fourth) = (part(None), part(None), part(None));
        return Some(format!(
            "Partition \"{partition}\" is not valid for resource \"arn:{partition}:{first}:{second}:{third}:{fourth}\"."
        ));
    }
    let Some(rest) = rest else {
        return Some(
            "Resource vendor must be fully qualified and cannot contain regexes.".to_owned(),
        );
    };
    let mut parts = rest.splitn(4, ':');
    let service = parts.next().unwrap_or_default();
    if service.contains(['*', '?']) {
        return Some(
            "Resource vendor must be fully qualified and cannot contain regexes.".to_owned(),
        );
    }
    let region = parts.next();
    if service == "iam" && region.is_none_or(|region| !region.is_empty()) {
        return Some(format!("IAM resource {resource} cannot contain region information."));
    }
    // S3 access points have a region; buckets and objects, which have no account either, have none.
    let account = parts.next();
    if service == "s3" && region.is_some_and(|region| !region.is_empty()) && account == Some("") {
        return Some(format!("Resource {resource} can not contain region information."));
    }
    let path = parts.next().unwrap_or_default();
    let known =
        path == "*" || path == "root" || IAM_PATHS.iter().any(|start| path.starts_with(start));
    // Newer than the text of the message.
    let known = known || path.starts_with("role-template/");
    let variable = path.starts_with(['*', '?', '$']);
    if service == "iam" && !known && !variable {
        return Some(format!(
            "IAM resource path must either be \"*\" or start with {}.",
            IAM_PATHS.join(", ")
        ));
    }
    None
}

fn principal_is_valid(kind: PrincipalType, value: &str) -> bool {
    let id = |start: &str| {
        value.starts_with(start)
            && value.len() >= 16
            && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b':')
    };
    match kind {
        PrincipalType::Aws => {
            let account = value.len() == 12 && value.bytes().all(|byte| byte.is_ascii_digit());
            value == "*" || account || id("AIDA") || id("AROA") || principal_arn_is_valid(value)
        }
        PrincipalType::Service => {
            let clean = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
            // Regional and partitions' forms as well: `states.us-west-2.amazonaws.com`,
            // `ec2.amazonaws.com.cn`.
            let name = value.strip_suffix(".cn").unwrap_or(value).strip_suffix(".amazonaws.com");
            name.is_some_and(|name| !name.is_empty() && !name.starts_with('.'))
                && value.chars().all(clean)
        }
        PrincipalType::Federated => !value.is_empty() && !value.contains(['*', '?']),
        PrincipalType::CanonicalUser => {
            value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit())
        }
    }
}

fn principal_arn_is_valid(value: &str) -> bool {
    let mut parts = value.splitn(6, ':');
    let arn = parts.next() == Some("arn");
    let partition = parts.next().is_some_and(|partition| PARTITIONS.contains(&partition));
    let service = parts.next();
    let region = parts.next() == Some("");
    let account = parts.next().is_some_and(|account| {
        account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())
    });
    let resource = parts.next().unwrap_or_default();
    let kind = match (service, resource.split_once('/')) {
        (Some("iam"), None) => resource == "root",
        (Some("iam"), Some((kind, name))) => matches!(kind, "user" | "role") && !name.is_empty(),
        (Some("sts"), Some(("assumed-role", name))) => name.contains('/'),
        (Some("sts"), Some(("federated-user", name))) => !name.is_empty(),
        (Some("cloudfront"), Some((_, name))) => !name.is_empty(),
        _ => false,
    };
    let account =
        account || (service == Some("iam") && value.starts_with("arn:aws:iam::cloudfront:user/"));
    arn && partition && region && account && kind && !value.contains(['*', '?'])
}

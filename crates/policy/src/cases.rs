//! Requests written one per line, and their decisions: the work behind `sagegate policy decide`.
//!
//! A line is a JSON object: `action`, `resource`, `principal` (see [`Principal::parse`]; `null` is anonymous), `context`
//! (an object; a list is a multivalued key), `resourceAccount` (default: the account of the resource's ARN, else the
//! principal's) and the policies `identityPolicies`, `permissionBoundaries`, `endpointPolicies` (lists),
//! `sessionPolicy`, `resourcePolicy` (one document each), `scps`, `rcps` (lists of levels, each a list). Other members
//! are ignored. Only the keys in `context` exist; none is derived.
//!
//! A trust policy and a key policy are needed in any case (see [`ResourceRule::Required`]), so for assuming a role and
//! for using a KMS key a line without `resourcePolicy` is denied.

use std::io::{self, BufRead, Read, Write};

use serde::Serialize;

use crate::bundle::Bundle;
use crate::decide::{Decision, PolicySet, ResourceRule, decide};
use crate::document::{Document, Places};
use crate::explain::{ReasonTrace, explain};
use crate::json::{self, Json, Member, Node};
use crate::policy::{Attached, Policy};
use crate::request::{Context, Principal, Request, Value};

/// The longest line that is read, in bytes.
pub const MAX_LINE: usize = 1 << 20;

/// What is printed for a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `allowed`, `denied` or `error: line N: cause`.
    Plain,
    /// The trace as a JSON object.
    Explain,
    /// The outcome and its reason as a JSON object.
    Json,
}

/// A request with all its policies.
#[derive(Debug, Clone)]
pub struct Case {
    /// The request.
    pub request: Request,
    identity: Bundle,
    boundaries: Vec<Attached>,
    session: Option<Vec<Attached>>,
    scps: Vec<Vec<Attached>>,
    rcps: Vec<Vec<Attached>>,
    resource: Option<Attached>,
    resource_rule: ResourceRule,
    endpoint: Vec<Attached>,
}

impl Case {
    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it, in one line of text.
    pub fn parse(line: &str) -> Result<Self, String> {
        let line = line.trim_end_matches(['\n', '\r']);
        let reader = Reader { places: Places::new(line) };
        let node = json::parse(line).map_err(|error| {
            format!("column {}: {}", reader.places.at(error.at).column, error.message)
        })?;
        reader.case(&node)
    }

    /// The policies.
    pub fn set(&self) -> PolicySet<'_> {
        PolicySet {
            identity: &self.identity,
            boundaries: &self.boundaries,
            session: self.session.as_deref(),
            scps: &self.scps,
            rcps: &self.rcps,
            resource: self.resource.as_ref(),
            resource_rule: self.resource_rule,
            endpoint: &self.endpoint,
        }
    }
}

/// Decides every line of `input`, one line of `output` each.
///
/// Returns whether all lines were decided; a line that cannot be read is reported in its place and the others are
/// decided. Memory is bounded by [`MAX_LINE`].
///
/// # Errors
/// Those of `input` and `output`.
pub fn decide_lines(
    mut input: impl BufRead,
    mut output: impl Write,
    mode: Mode,
) -> io::Result<bool> {
    let mut clean = true;
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        if (&mut input).take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let complete = line.last() == Some(&b'\n');
        let answer = if line.len() > MAX_LINE && !complete {
            skip_line(&mut input)?;
            Err(format!("the line is longer than {MAX_LINE} bytes"))
        } else {
            answer(&line, mode)
        };
        match answer {
            Ok(text) => writeln!(output, "{text}")?,
            Err(cause) => {
                clean = false;
                let cause = format!("line {number}: {}", on_one_line(&cause));
                match mode {
                    Mode::Plain => writeln!(output, "error: {cause}")?,
                    Mode::Explain | Mode::Json => {
                        writeln!(
                            output,
                            "{}",
                            serde_json::json!({"outcome": "error", "error": cause})
                        )?;
                    }
                }
            }
        }
    }
    output.flush()?;
    Ok(clean)
}

/// Keys of the input stand in messages as they are; a line break in one must not make a second line.
fn on_one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => {
                input.consume(at + 1);
                return Ok(());
            }
            None => {
                let length = buffer.len();
                input.consume(length);
            }
        }
    }
}

fn answer(line: &[u8], mode: Mode) -> Result<String, String> {
    let line = std::str::from_utf8(line)
        .map_err(|error| format!("column {}: the line is not UTF-8", error.valid_up_to() + 1))?;
    if line.trim().is_empty() {
        return Err("the line is empty".to_owned());
    }
    let case = Case::parse(line)?;
    let set = case.set();
    Ok(match mode {
        Mode::Plain => word(decide(&case.request, &set)).to_owned(),
        Mode::Explain => json_text(&explain(&case.request, &set))?,
        Mode::Json => {
            let decision = decide(&case.request, &set);
            let reason = ReasonTrace::new(decision, &case.request, &set);
            json_text(&Outcome { outcome: word(decision), reason })?
        }
    })
}

#[derive(Serialize)]
struct Outcome {
    outcome: &'static str,
    reason: ReasonTrace,
}

fn json_text(value: &impl Serialize) -> Result<String, String> {
    serde_json::to_string(value).map_err(|error| error.to_string())
}

fn word(decision: Decision) -> &'static str {
    if decision.allowed { "allowed" } else { "denied" }
}

struct Reader<'a> {
    places: Places<'a>,
}

fn member<'n>(members: &'n [Member], name: &str) -> Result<Option<&'n Node>, String> {
    let mut found = members.iter().filter(|member| &*member.key == name);
    let node = found.next().map(|member| &member.node);
    if found.next().is_some() {
        return Err(format!("{name} is given twice"));
    }
    Ok(node)
}

fn string<'n>(members: &'n [Member], name: &str) -> Result<Option<&'n str>, String> {
    match member(members, name)?.map(|node| &node.value) {
        None => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(other) => Err(format!("{name} must be a string, not {}", other.kind())),
    }
}

impl Reader<'_> {
    fn case(&self, node: &Node) -> Result<Case, String> {
        let Json::Object(members) = &node.value else {
            return Err(format!("a request must be an object, not {}", node.value.kind()));
        };
        let action = string(members, "action")?.ok_or("action is missing")?;
        let valid = action
            .split_once(':')
            .is_some_and(|(service, name)| !service.is_empty() && !name.is_empty());
        if !valid {
            return Err(format!("action {action:?} is not of the form service:Name"));
        }
        let resource = string(members, "resource")?.ok_or("resource is missing")?;
        let principal = match member(members, "principal")?.map(|node| &node.value) {
            None => return Err("principal is missing".to_owned()),
            Some(Json::Null) => Principal::Anonymous,
            Some(Json::String(text)) => {
                Principal::parse(text).ok_or_else(|| format!("{text:?} is not a principal"))?
            }
            Some(other) => return Err(format!("principal must be a string, not {}", other.kind())),
        };
        let mut request =
            Request::new(principal, action, resource, context(member(members, "context")?)?);
        if let Some(account) = string(members, "resourceAccount")? {
            if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(format!("resourceAccount {account:?} is not 12 digits"));
            }
            request = request.with_resource_account(account);
        }
        let resource_rule = resource_rule(request.action(), request.resource());
        Ok(Case {
            request,
            identity: Bundle::new(self.list(members, "identityPolicies")?),
            boundaries: self.list(members, "permissionBoundaries")?,
            session: self.one(members, "sessionPolicy")?.map(|policy| vec![policy]),
            scps: self.levels(members, "scps")?,
            rcps: self.levels(members, "rcps")?,
            resource: self.one(members, "resourcePolicy")?,
            resource_rule,
            endpoint: self.list(members, "endpointPolicies")?,
        })
    }

    fn policy(&self, node: &Node, name: String) -> Result<Attached, String> {
        let document = match &node.value {
            Json::String(text) => Document::parse(text),
            _ => Document::from_node(&self.places, node),
        };
        match document {
            Ok(document) => Ok(Attached::new(name, Policy::compile(&document))),
            // The document stands on one line, so the column says all.
            Err(error) => {
                Err(format!("{name}: column {}: {}", error.position.column, error.message))
            }
        }
    }

    fn one(&self, members: &[Member], name: &str) -> Result<Option<Attached>, String> {
        match member(members, name)? {
            None => Ok(None),
            Some(node) if node.value == Json::Null => Ok(None),
            Some(node) => self.policy(node, name.to_owned()).map(Some),
        }
    }

    fn items(&self, node: &Node, name: &str) -> Result<Vec<Attached>, String> {
        match &node.value {
            Json::Array(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| self.policy(item, format!("{name}[{index}]")))
                .collect(),
            other => Err(format!("{name} must be a list, not {}", other.kind())),
        }
    }

    fn list(&self, members: &[Member], name: &str) -> Result<Vec<Attached>, String> {
        match member(members, name)? {
            None => Ok(Vec::new()),
            Some(node) if node.value == Json::Null => Ok(Vec::new()),
            Some(node) => self.items(node, name),
        }
    }

    fn levels(&self, members: &[Member], name: &str) -> Result<Vec<Vec<Attached>>, String> {
        match member(members, name)?.map(|node| &node.value) {
            None | Some(Json::Null) => Ok(Vec::new()),
            Some(Json::Array(levels)) => levels
                .iter()
                .enumerate()
                .map(|(index, level)| self.items(level, &format!("{name}[{index}]")))
                .collect(),
            Some(other) => Err(format!("{name} must be a list of lists, not {}", other.kind())),
        }
    }
}

/// Roles' trust policies and KMS key policies must allow in any case.
fn resource_rule(action: &str, resource: &str) -> ResourceRule {
    let action = action.to_ascii_lowercase();
    let mut parts = resource.splitn(6, ':').skip(2);
    let (service, part) = (parts.next().unwrap_or_default(), parts.nth(2).unwrap_or_default());
    let assume = action.starts_with("sts:assumerole")
        || action == "sts:tagsession"
        || action == "sts:setsourceidentity";
    let role = assume && service == "iam" && part.starts_with("role/");
    let key = action.starts_with("kms:") && service == "kms" && part.starts_with("key/");
    if role || key { ResourceRule::Required } else { ResourceRule::Either }
}

fn context(node: Option<&Node>) -> Result<Context, String> {
    let mut context = Context::new();
    let members = match node.map(|node| &node.value) {
        None | Some(Json::Null) => return Ok(context),
        Some(Json::Object(members)) => members,
        Some(other) => return Err(format!("context must be an object, not {}", other.kind())),
    };
    for Member { key, node, .. } in members {
        let value = match &node.value {
            Json::Array(items) => Value::Multi(
                items.iter().map(|item| scalar(key, &item.value)).collect::<Result<_, _>>()?,
            ),
            other => String::from(scalar(key, other)?).into(),
        };
        if !context.insert_new(key, value) {
            return Err(format!(
                "context key {key} is given twice (names are compared without regard to case)"
            ));
        }
    }
    Ok(context)
}

fn scalar(key: &str, value: &Json) -> Result<Box<str>, String> {
    match value {
        Json::String(text) | Json::Number(text) => Ok(text.clone()),
        Json::Bool(flag) => Ok(flag.to_string().into()),
        other => Err(format!("context key {key} must not be {}", other.kind())),
    }
}
